"""What waits for a person, what the person has in flight, and what was decided last."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, Q

from registry.access import Actor
from registry.models import CriteriaSet, Promotion, PromotionPolicy, RegisteredModel, Role, Rollback
from registry.selectors.reviews import questions_to_answer, to_review

OPEN = ("requested", "approved", "rolling_out")


@dataclass(frozen=True)
class Item:
    """One row of the inbox: what is asked, of which model, since when."""

    mark: str
    verb: str
    title: str
    why: str
    path: str
    model: RegisteredModel
    note: str
    since: datetime
    due: datetime | None = None


def waiting(actor: Actor) -> list[Item]:
    """Return what asks for a decision of ``actor``, oldest first."""
    roles = dict(actor.user.memberships.filter(team__in=actor.teams()).values_list("team_id", "role"))
    deciding = {
        # product decides at the end of its questions, which are asked below
        tier: {team for team, role in roles.items() if role in required and role != Role.PRODUCT}
        for tier, required in PromotionPolicy.objects.values_list("risk_tier", "required")
    }
    items = [
        *_approvals(actor, deciding),
        *_product_reviews(actor),
        *_questions(actor),
        *_agreements(actor, roles),
        *_reviews(actor, roles),
    ]
    return sorted(items, key=lambda item: item.since)


def _approvals(actor: Actor, deciding: dict[int, set[int]]) -> list[Item]:
    mine = Q(pk__in=[])
    for tier, teams in deciding.items():
        mine |= Q(model__risk_tier=tier, model__team__in=teams)
    asked = (
        Promotion.objects.filter(mine, state="requested")
        .exclude(requested_by=actor.user)
        .exclude(version__created_by=actor.user)
        .exclude(version__contributors=actor.user)
        .exclude(criteria_set__drafted_by=actor.user)
        .exclude(approvals__approver=actor.user)
        .select_related("model", "version", "replaces", "requested_by")
    )
    return [
        Item(
            "pending", "Approve", f"{p.model.name} v{p.version.number} to {p.alias}",
            p.description or f"Requested by {p.requested_by.get_username()}.", p.path, p.model,
            f"replaces v{p.replaces.number}" if p.replaces else "first champion", p.requested_at,
        )
        for p in asked
    ]  # fmt: skip


def _product_reviews(actor: Actor) -> list[Item]:
    return [
        Item(
            "pending", "Review", f"Is {p.model.name} v{p.version.number} good enough for customers?",
            "A few questions in plain words. " + (p.description or f"Requested by {p.requested_by.get_username()}."),
            f"{p.path}review/", p.model, f"replaces v{p.replaces.number}" if p.replaces else "first champion",
            p.requested_at,
        )
        for p in to_review(actor)
    ]  # fmt: skip


def _questions(actor: Actor) -> list[Item]:
    return [
        Item(
            "unsure", "Answer", f"{r.reviewer.get_username()} asks about {r.promotion.model.name} v{r.promotion.version.number}",
            r.reason, f"{r.promotion.path}#comment", r.promotion.model, r.criterion.label if r.criterion else "", r.at,
        )
        for r in questions_to_answer(actor)
    ]  # fmt: skip


def _agreements(actor: Actor, roles: dict[int, str]) -> list[Item]:
    teams = [team for team, role in roles.items() if role in (Role.PRODUCT, Role.APPROVER)]
    drafts = (
        CriteriaSet.objects.filter(state=CriteriaSet.State.DRAFT, model__team__in=teams)
        .exclude(drafted_by=actor.user)
        .exclude(model__criteria_sets__number__gt=F("number"))
        .select_related("model", "drafted_by")
    )
    return [
        Item(
            "pending", "Agree", f"Criteria set {c.number} for {c.model.name}",
            f"{c.drafted_by.get_username()} drafted it; a second person agrees. {c.note}".strip(),
            f"{c.model.path}criteria/", c.model, "", c.drafted_at,
        )
        for c in drafts
    ]  # fmt: skip


def _reviews(actor: Actor, roles: dict[int, str]) -> list[Item]:
    teams = [team for team, role in roles.items() if role == Role.APPROVER]
    due = (
        Rollback.objects.filter(reviewed_by__isnull=True, model__team__in=teams)
        .exclude(requested_by=actor.user)
        .select_related("model", "to_version", "from_version")
    )
    return [
        Item(
            "fail", "Review", f"Rollback of {r.model.name} to v{r.to_version.number}",
            r.reason, r.model.path, r.model, f"left v{r.from_version.number}", r.requested_at, r.review_due_at,
        )
        for r in due
    ]  # fmt: skip


def in_flight(actor: Actor) -> list[Item]:
    """Return the promotions that ``actor`` asked for and that are still open, and drafts that wait for others."""
    promotions = Promotion.objects.filter(
        requested_by=actor.user, state__in=OPEN, model__team__in=actor.teams()
    ).select_related("model", "version", "replaces")
    drafts = CriteriaSet.objects.filter(
        drafted_by=actor.user, state=CriteriaSet.State.DRAFT, model__team__in=actor.teams()
    ).select_related("model")
    return [
        Item(
            "pending", p.get_state_display().capitalize(), f"{p.model.name} v{p.version.number} to {p.alias}",
            "Waits for another person's decision." if p.state == "requested" else "Under way.", p.path, p.model,
            f"replaces v{p.replaces.number}" if p.replaces else "first champion", p.requested_at,
        )
        for p in promotions
    ] + [
        Item(
            "pending", "Draft", f"Criteria set {c.number} for {c.model.name}", "Waits for a second person to agree.",
            f"{c.model.path}criteria/", c.model, "", c.drafted_at,
        )
        for c in drafts
    ]  # fmt: skip


def last_decisions(actor: Actor, limit: int = 5) -> list[Promotion]:
    """Return the promotions of the actor's teams that were decided last."""
    return list(
        Promotion.objects.filter(model__team__in=actor.teams(), decided_at__isnull=False)
        .select_related("model", "version")
        .order_by("-decided_at")[:limit]
    )
