"""What waits for a person, what the person has in flight, and what was decided last."""

from dataclasses import dataclass
from datetime import UTC, datetime, time

from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from registry.access import Actor
from registry.models import (
    Alert,
    Approval,
    CriteriaSet,
    Promotion,
    RegisteredModel,
    Retirement,
    Role,
    Rollback,
    Waiver,
    Webhook,
)
from registry.selectors.policies import policies_by_team
from registry.selectors.promotions import approval_stands
from registry.selectors.reviews import questions_to_answer, to_review
from registry.states import DUE_WITHIN, RevalidationState, revalidation_state

OPEN = ("requested", "approved", "rolling_out")


@dataclass(frozen=True)
class Item:
    """One row of the inbox: what is asked, of which model (None where it is of none), since when."""

    mark: str
    verb: str
    title: str
    why: str
    path: str
    model: RegisteredModel | None
    note: str
    since: datetime
    due: datetime | None = None


def waiting(actor: Actor) -> list[Item]:
    """Return what asks for a decision of ``actor``, oldest first."""
    teams = list(actor.teams())
    roles = dict(actor.user.memberships.filter(team__in=teams).values_list("team_id", "role"))
    held = policies_by_team(teams)
    # product decides at the end of its questions, which are asked below
    deciding = [key for key, p in held.items() if roles[key[0]] in p.required and roles[key[0]] != Role.PRODUCT]
    items = [
        *_approvals(actor, deciding), *_product_reviews(actor), *_questions(actor), *_agreements(actor, roles),
        *_reviews(actor, roles), *_waivers(actor, roles), *_retirements(actor, roles), *_revalidations(actor, roles),
        *_alerts(actor, roles), *_webhooks(roles),
    ]  # fmt: skip
    return sorted(items, key=lambda item: item.since)


def _approvals(actor: Actor, deciding: list[tuple[int, int]]) -> list[Item]:
    mine = Q(pk__in=[])
    for team, tier in deciding:
        mine |= Q(model__risk_tier=tier, model__team=team)
    asked = (
        Promotion.objects.filter(mine, state="requested")
        .exclude(requested_by=actor.user)
        .exclude(version__created_by=actor.user)
        .exclude(version__contributors=actor.user)
        .exclude(criteria_set__drafted_by=actor.user)
        .annotate(looked=Exists(Approval.objects.filter(promotion=OuterRef("pk"), approver=actor.user)))
        .select_related("model__team", "version__model__team", "replaces", "requested_by", "criteria_set")
    )
    return [
        Item(
            "pending", "Look again" if p.looked else "Approve", f"{p.model.name} v{p.version.number} to {p.alias}",
            p.description or f"Requested by {p.requested_by.get_username()}.", p.path, p.model,
            f"replaces v{p.replaces.number}" if p.replaces else "first champion", p.requested_at,
        )
        for p in asked
        if not (p.looked and approval_stands(p, actor))
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
    """Return the drafts of others to decide on, and the actor's own that somebody declined; each the newest of its model."""
    teams = [team for team, role in roles.items() if role in (Role.PRODUCT, Role.APPROVER)]
    to_decide = Q(state=CriteriaSet.State.DRAFT, model__team__in=teams) & ~Q(drafted_by=actor.user)
    declined = Q(state=CriteriaSet.State.DECLINED, model__team__in=list(roles), drafted_by=actor.user)
    drafts = (
        CriteriaSet.objects.filter(to_decide | declined)
        .exclude(model__criteria_sets__number__gt=F("number"))
        .select_related("model", "drafted_by")
    )
    return [
        Item(
            "fail", "Redraft", f"Criteria set {c.number} for {c.model.name} was declined", c.answer,
            f"{c.model.path}criteria/", c.model, "", c.declined_at or c.drafted_at,
        )
        if c.state == CriteriaSet.State.DECLINED
        else Item(
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


def _waivers(actor: Actor, roles: dict[int, str]) -> list[Item]:
    teams = [team for team, role in roles.items() if role == Role.APPROVER]
    asked = (
        Waiver.objects.filter(state="asked", promotion__state="requested", promotion__model__team__in=teams)
        .exclude(asked_by=actor.user)
        .exclude(promotion__requested_by=actor.user)
        .exclude(promotion__version__created_by=actor.user)
        .exclude(promotion__version__contributors=actor.user)
        .exclude(promotion__criteria_set__drafted_by=actor.user)
        .select_related("promotion__model", "promotion__version", "criterion", "asked_by")
    )
    return [
        Item(
            "unsure", "Waive",
            f"{_rule(w)} for {w.promotion.model.name} v{w.promotion.version.number}",
            f"{w.asked_by.get_username()} asks: {w.reason}", w.path, w.promotion.model,
            f"until {w.expires_at:%d %b %Y}", w.asked_at,
        )
        for w in asked
    ]  # fmt: skip


def _rule(waiver: Waiver) -> str:
    return waiver.criterion.label if waiver.criterion else "Error budget"


def _retirements(actor: Actor, roles: dict[int, str]) -> list[Item]:
    teams = [team for team, role in roles.items() if role == Role.APPROVER]
    asked = Retirement.objects.filter(state="requested", model__team__in=teams).exclude(requested_by=actor.user)
    return [
        Item(
            "pending", "Retire", f"Retire {r.title}", r.reason, f"{r.model.path}lifecycle/", r.model,
            "never serves again", r.requested_at,
        )
        for r in asked.select_related("model", "version")
    ]  # fmt: skip


def _revalidations(actor: Actor, roles: dict[int, str]) -> list[Item]:
    teams = [team for team, role in roles.items() if role == Role.APPROVER]
    today = timezone.now().date()
    due = (
        RegisteredModel.objects.live()
        .filter(team__in=teams, retired_at__isnull=True, revalidate_by__lte=today + DUE_WITHIN)
        .filter(aliases__name="champion")
        .exclude(aliases__name="champion", aliases__version__created_by=actor.user)
        .exclude(aliases__name="champion", aliases__version__contributors=actor.user)
    )
    items = []
    for model in due:
        assert model.revalidate_by is not None  # noqa: S101  by the filter
        late = revalidation_state(model.revalidate_by, today) is RevalidationState.OVERDUE
        asked = datetime.combine(model.revalidate_by - DUE_WITHIN, time(), UTC)
        items.append(Item(
            "fail" if late else "pending", "Overdue" if late else "Re-validate", f"Re-validate {model.name}",
            model.revalidate_why or "The calendar asks for it.", f"{model.path}lifecycle/", model,
            f"due {model.revalidate_by:%d %b %Y}", asked, datetime.combine(model.revalidate_by, time(), UTC),
        ))  # fmt: skip
    return items


# What is a decision of the rules goes to those who decide, whatever else to those who run the model.
GOVERNANCE_ALERTS = ("review_overdue", "waiver_ended", "revalidation_overdue")
ALERTED = {True: (Role.APPROVER, Role.ADMIN), False: (Role.ENGINEER, Role.APPROVER)}


def _alerts(actor: Actor, roles: dict[int, str]) -> list[Item]:
    governing, running = (
        [team for team, role in roles.items() if role in ALERTED[governance]] for governance in (True, False)
    )
    mine = Q(model__team__in=governing, kind__in=GOVERNANCE_ALERTS)
    mine |= Q(model__team__in=running) & ~Q(kind__in=GOVERNANCE_ALERTS)
    opened = Alert.objects.filter(mine, cleared_at__isnull=True, acknowledged_by__isnull=True)
    return [
        Item(
            "fail" if a.severity == Alert.Severity.CRITICAL else "warn", "Alert", a.title,
            "Nobody has taken it on yet.", f"/alerts/#alert-{a.pk}", a.model, a.kind_words, a.raised_at,
        )
        for a in opened.select_related("model")
    ]  # fmt: skip


def _webhooks(roles: dict[int, str]) -> list[Item]:
    managing = [team for team, role in roles.items() if role in (Role.ENGINEER, Role.ADMIN)]
    given_up = Webhook.objects.filter(team__in=managing, status=Webhook.Status.DISABLED).exclude(status_reason="")
    return [
        Item(
            "fail",
            "Mend",
            f"Webhook {w.name} is told nothing any more",
            w.status_reason,
            w.path,
            None,
            "",
            w.updated_at,
        )
        for w in given_up
    ]


def in_flight(actor: Actor) -> list[Item]:
    """Return what ``actor`` asked for and others still decide: promotions, drafts, waivers, retirements."""
    promotions = Promotion.objects.filter(
        requested_by=actor.user, state__in=OPEN, model__team__in=actor.teams()
    ).select_related("model", "version", "replaces")
    drafts = CriteriaSet.objects.filter(
        drafted_by=actor.user, state=CriteriaSet.State.DRAFT, model__team__in=actor.teams()
    ).select_related("model")
    asked = Waiver.objects.filter(
        asked_by=actor.user, state="asked", promotion__state="requested", promotion__model__team__in=actor.teams()
    ).select_related("promotion__model", "promotion__version", "criterion")
    retiring = Retirement.objects.filter(
        requested_by=actor.user, state="requested", model__team__in=actor.teams()
    ).select_related("model", "version")
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
    ] + [
        Item(
            "pending", "Waiver", f"{_rule(w)} for {w.promotion.model.name} v{w.promotion.version.number}",
            "Waits for an approver.", w.path, w.promotion.model, f"until {w.expires_at:%d %b %Y}", w.asked_at,
        )
        for w in asked
    ] + [
        Item(
            "pending", "Retire", f"Retire {r.title}", "Waits for an approver.", f"{r.model.path}lifecycle/", r.model, "",
            r.requested_at,
        )
        for r in retiring
    ]  # fmt: skip


def last_decisions(actor: Actor, limit: int = 5) -> list[Promotion]:
    """Return the promotions of the actor's teams that were decided last."""
    return list(
        Promotion.objects.filter(model__team__in=actor.teams(), decided_at__isnull=False)
        .select_related("model", "version")
        .order_by("-decided_at")[:limit]
    )
