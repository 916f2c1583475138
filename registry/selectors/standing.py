"""What approvals of open promotions would be bound to now: for many at once, in a number of queries that does not grow."""

from collections import defaultdict
from collections.abc import Sequence

from django.db.models import F, prefetch_related_objects
from django.utils import timezone

from registry.access import Actor
from registry.models import Approval, Binding, DataSetHead, Evidence, ModelVersion, Promotion, Waiver
from registry.selectors.checks import Judged
from registry.selectors.policies import policies_by_team
from registry.selectors.promotions import binding_of


def standing_approvals(promotions: Sequence[Promotion], actor: Actor) -> set[int]:
    """Return the ids of those of the open ``promotions`` whose approval by the actor is of what would be approved now."""
    now = bindings_now(promotions)
    given = (
        Approval.objects.counting()
        .filter(promotion__in=now, approver=actor.user)
        .values_list("promotion_id", "binding_digest")
    )
    return {promotion for promotion, digest in given if now[promotion].digest == digest} if now else set()


def bindings_now(promotions: Sequence[Promotion]) -> dict[int, Binding]:
    """Return by promotion what ``promotion_binding`` would; each is open, and comes with its model, team and version."""
    if not promotions:
        return {}
    at = timezone.now()
    prefetch_related_objects(promotions, "criteria_set__criteria")
    models = {promotion.model for promotion in promotions}
    policies = policies_by_team(list({model.team for model in models}))
    champions = {v.model_id: v for v in ModelVersion.objects.filter(aliases__name="champion", model__in=models)}
    heads: dict[int, dict[str, str]] = defaultdict(dict)
    for team, name, digest in DataSetHead.objects.filter(team__in={m.team_id for m in models}).values_list(
        "team_id", "name", "digest"
    ):
        heads[team][name] = digest
    evidence: dict[int, list[Evidence]] = defaultdict(list)
    of_them = Evidence.objects.filter(
        version__in=[promotion.version_id for promotion in promotions], artifact_digest=F("version__artifact_digest")
    )
    for measured in of_them.order_by("-id").defer("detail"):
        evidence[measured.version_id].append(measured)
    waivers: dict[int, list[Waiver]] = defaultdict(list)
    for waiver in Waiver.objects.filter(promotion__in=promotions):
        waivers[waiver.promotion_id].append(waiver)
    bindings = {}
    for promotion in promotions:
        model, mine = promotion.model, waivers[promotion.pk]
        judged = Judged(
            champion=champions.get(model.pk), heads=heads[model.team_id], waivers=mine, at=at,
            max_evidence_days=policies[model.team_id, model.risk_tier].max_evidence_days,
        )  # fmt: skip
        checks = judged.checks(promotion.version, promotion.criteria_set, evidence[promotion.version_id])
        budget = {waiver.pk for waiver in mine if waiver.rule in Waiver.OF_BUDGET and waiver.is_live(at)}
        bindings[promotion.pk] = binding_of(promotion, checks, budget)
    return bindings
