"""What a person asked for and others still decide, and what was decided last."""

from django.db.models import Prefetch

from registry.access import Actor
from registry.models import Approval, CriteriaSet, Promotion, Retirement, Waiver
from registry.selectors.inbox.items import Item, rule

OPEN = ("requested", "approved", "rolling_out")


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
            "pending", "Waiver", f"{rule(w)} for {w.promotion.model.name} v{w.promotion.version.number}",
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
    """Return the promotions of the actor's teams that were decided last, each with its ``refusals``."""
    refusals = Approval.objects.filter(decision=Approval.Decision.REJECT).select_related("approver")
    return list(
        Promotion.objects.filter(model__team__in=actor.teams(), decided_at__isnull=False)
        .select_related("model", "version")
        .prefetch_related(Prefetch("approvals", refusals, "refusals"))
        .order_by("-decided_at")[:limit]
    )
