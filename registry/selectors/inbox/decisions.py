"""What waits for a decision on a version: promotions, reviews, questions, criteria, waivers."""

from django.db.models import Exists, F, OuterRef, Q

from registry.access import Actor
from registry.models import Approval, CriteriaSet, Promotion, Role, Waiver
from registry.selectors.inbox.items import Item, rule
from registry.selectors.reviews import questions_to_answer, to_review
from registry.selectors.standing import standing_approvals


def approvals(actor: Actor, deciding: list[tuple[int, int]]) -> list[Item]:
    """Return the promotions that the actor may approve and has not, as they stand now."""
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
    stands = standing_approvals([p for p in asked if p.looked], actor)
    return [
        Item(
            "pending", "Look again" if p.looked else "Approve", f"{p.model.name} v{p.version.number} to {p.alias}",
            p.description or f"Requested by {p.requested_by.get_username()}.", p.path, p.model,
            f"replaces v{p.replaces.number}" if p.replaces else "first champion", p.requested_at,
        )
        for p in asked
        if p.pk not in stands
    ]  # fmt: skip


def product_reviews(actor: Actor) -> list[Item]:
    """Return the promotions on which product has still to give an opinion."""
    return [
        Item(
            "pending", "Review", f"Is {p.model.name} v{p.version.number} good enough for customers?",
            "A few questions in plain words. " + (p.description or f"Requested by {p.requested_by.get_username()}."),
            f"{p.path}review/", p.model, f"replaces v{p.replaces.number}" if p.replaces else "first champion",
            p.requested_at,
        )
        for p in to_review(actor)
    ]  # fmt: skip


def questions(actor: Actor) -> list[Item]:
    """Return what others ask about promotions that the actor requested."""
    return [
        Item(
            "unsure", "Answer", f"{r.reviewer.get_username()} asks about {r.promotion.model.name} v{r.promotion.version.number}",
            r.reason, f"{r.promotion.path}#comment", r.promotion.model, r.criterion.label if r.criterion else "", r.at,
        )
        for r in questions_to_answer(actor)
    ]  # fmt: skip


def agreements(actor: Actor, roles: dict[int, str]) -> list[Item]:
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


def waivers(actor: Actor, roles: dict[int, str]) -> list[Item]:
    """Return the waivers that the actor may grant."""
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
            f"{rule(w)} for {w.promotion.model.name} v{w.promotion.version.number}",
            f"{w.asked_by.get_username()} asks: {w.reason}", w.path, w.promotion.model,
            f"until {w.expires_at:%d %b %Y}", w.asked_at,
        )
        for w in asked
    ]  # fmt: skip
