"""What an approver is shown: the binding, what stands in the way, and which approvals lapsed and why."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from registry.access import Actor
from registry.criteria import CheckStatus, metric_label
from registry.models import (
    Approval,
    Binding,
    ErrorBudget,
    Evidence,
    ModelVersion,
    Promotion,
    RegisteredModel,
    Role,
    Waiver,
)
from registry.policies import Policy, people
from registry.selectors.checks import IN_ROLLOUT, Check, Judged, checks_of, evidence_on
from registry.selectors.given_beforehand import standing_end
from registry.selectors.policies import policy_for
from registry.states import PromotionState, RevalidationState, WaiverState, revalidation_state


def promotion_waivers(promotion: Promotion) -> list[Waiver]:
    """Return the waivers of a promotion, newest first."""
    return list(promotion.waivers.select_related("asked_by", "decided_by", "revoked_by", "criterion", "evidence"))


def promotion_checks(promotion: Promotion) -> list[Check]:
    """Return the checks before approval: as they stand now, or, once decided, as they stood then.

    A version that became champion has no other one to be compared with, and may be measured again later; evidence ages
    and waivers end; none of it changes what was decided.
    """
    waivers = promotion_waivers(promotion)
    if promotion.decided_at is None:
        return checks_of(promotion.version, promotion.criteria_set, waivers=waivers)
    decision = promotion.approvals.last()
    seen = Q(pk__in=decision.binding["evidence"]) if decision else Q(measured_at__lte=promotion.decided_at)
    judged = Judged(
        champion=promotion.replaces, heads={}, at=promotion.decided_at,
        max_evidence_days=promotion.policy.get("rules", {}).get("max_evidence_days"), waivers=waivers,
    )  # fmt: skip
    return judged.checks(promotion.version, promotion.criteria_set, evidence_on(promotion.version).filter(seen))


def rollout_checks(
    promotion: Promotion, phase: str, found: Iterable[Evidence] | None = None, *, at: datetime | None = None
) -> list[Check]:
    """Return what a rollout of a promotion has to show in one of its phases, as checks.

    Args:
        phase: ``shadow`` or ``canary``.
        found: what is measured so far, newest first; None: what was recorded since the decision.
    """
    if found is None:
        found = evidence_on(promotion.version).filter(measured_at__gte=promotion.decided_at or timezone.now())
    judged = Judged(
        champion=promotion.replaces, heads={}, max_evidence_days=None, waivers=promotion_waivers(promotion),
        at=at or promotion.completed_at or timezone.now(),
    )  # fmt: skip
    return judged.checks(promotion.version, promotion.criteria_set, found, phase)


def promotion_binding(promotion: Promotion, checks: list[Check]) -> Binding:
    """Return what an approval given now would be bound to: also the waivers that it would rest on."""
    budget = Waiver.objects.live(promotion.decided_at or timezone.now()).filter(
        promotion=promotion, rule__in=Waiver.OF_BUDGET
    )  # fmt: skip
    return binding_of(promotion, checks, set(budget.values_list("pk", flat=True)))


def binding_of(promotion: Promotion, checks: list[Check], budget_waivers: set[int]) -> Binding:
    """Return what an approval would be bound to, from what is known already: ids of the live waivers of the budget."""
    rests_on = {check.waiver.pk for check in checks if check.status is CheckStatus.WAIVED and check.waiver}
    return Binding(
        artifact=promotion.version.artifact_digest,
        criteria=promotion.criteria_set.digest,
        evidence=tuple(sorted(check.evidence.pk for check in checks if check.evidence)),
        waivers=tuple(sorted(rests_on | budget_waivers)),
    )


def contributor_ids(promotion: Promotion) -> set[int]:
    """Return who requested, made or helped to make the version, or drafted its criteria: none of them may approve."""
    return {
        promotion.requested_by_id,
        promotion.version.created_by_id,
        promotion.criteria_set.drafted_by_id,
        *promotion.version.contributors.values_list("pk", flat=True),
    }


def quorum_reached(promotion: Promotion, policy: Policy, binding: Binding) -> bool:
    """Tell whether each role the policy asks for has given enough approvals of exactly this binding."""
    given = approvals_given(promotion, binding)
    return all(given[role] >= needed for role, needed in policy.required.items())


def approvals_given(promotion: Promotion, binding: Binding) -> Counter[str]:
    """Return by role how many people approved exactly this binding, by hand or by a standing approval that still holds."""
    counting = promotion.approvals.counting().filter(binding_digest=binding.digest)
    return Counter(role for role, _ in set(counting.values_list("role", "approver")))


def has_approved(promotion: Promotion, actor: Actor, binding: Binding) -> bool:
    """Tell whether the actor has approved exactly this binding, so that others decide now."""
    return promotion.approvals.counting().filter(binding_digest=binding.digest, approver=actor.user).exists()


def wants_rollout(promotion: Promotion, policy: Policy) -> bool:
    """Tell whether the version is to reach callers by a rollout: by policy, a plan, or criteria that only a rollout can show, where a champion can go on meanwhile.

    What is asked of the champion is repeated by ``rollouts_needed`` in SQL.
    """
    if promotion.alias != "champion":
        return False
    asked = policy.rollout_required or promotion.model.rolls_out or promotion.rolls_out
    asked = asked or promotion.criteria_set.criteria.filter(phase__in=IN_ROLLOUT, blocking=True).exists()
    return asked and any(can_go_on(held.version) for held in promotion.model.aliases.filter(name="champion"))


def can_go_on(version: ModelVersion) -> bool:
    """Whether gateways can be told to serve the version while another one is tried beside it."""
    put_away = version.archived_at or version.retired_at
    return bool(version.is_servable and not put_away and version.signature.get("inputs"))


@dataclass(frozen=True)
class Rule:
    """One line of the decision box: a rule, whether it is met, and who can clear it.

    Attributes:
        lacking: approvals that are still awaited (count); no obstacle to the reader's own, which may be what meets the rule.
    """

    met: bool
    text: str
    who: str = ""
    key: str = ""
    lacking: int = 0


def spent_budgets(model: RegisteredModel, policy: Policy) -> list[ErrorBudget]:
    """Return the budgets of which no more is left than the policy asks for; none where it has no gate."""
    if policy.min_budget is None:
        return []
    return list(model.budgets.filter(remaining__lte=policy.min_budget))


def gates(promotion: Promotion, policy: Policy, *, now: datetime) -> list[Rule]:
    """Return the rules beside the criteria that bind every approver: retirement, re-validation, error budget."""
    model, team = promotion.model, promotion.model.team.name
    rules = []
    if model.retired_at or promotion.version.retired_at:
        what = model.name if model.retired_at else f"v{promotion.version.number}"
        rules.append(Rule(False, f"{what} is retired", "Nobody: what is retired never serves again.", "retired"))
    if policy.block_overdue:
        due = model.revalidate_by
        if revalidation_state(due, now.date()) is RevalidationState.OVERDUE:
            who = f"An approver of {team} who had no part in the champion re-validates {model.name}."
            rules.append(Rule(False, f"The re-validation has been due since {due:%d %b %Y}", who, "revalidation"))
        elif due:
            rules.append(Rule(True, f"Re-validation in date until {due:%d %b %Y}", key="revalidation"))
    if policy.min_budget is not None:
        rules += _budget_rules(promotion, policy, now)
    return rules


def _budget_rules(promotion: Promotion, policy: Policy, now: datetime) -> list[Rule]:
    assert policy.min_budget is not None  # noqa: S101  asked by the caller
    waiver = promotion.waivers.live(now).filter(rule__in=Waiver.OF_BUDGET).first()
    spent = spent_budgets(promotion.model, policy)
    asks = f"the policy asks for more than {_share(policy.min_budget)}"
    if waiver and spent:
        how = "an approver confirmed that this version mends it," if waiver.rule == Waiver.Rule.MENDS else "waived"
        return [Rule(True, f"Error budget: {how} until {waiver.expires_at:%d %b %Y}", key="budget")]
    if spent:
        who = (
            "Time without failures fills it again. If this version mends what spent it, an engineer declares so when the promotion "
            "is requested (mends_budget), or an engineer or product member later, by a waiver here; or they ask to waive the rule. "
            "An approver who had no part in the version grants either."
        )
        return [
            Rule(
                False,
                f"Error budget: {_share(budget.remaining or 0)} of {budget.objective} left, {asks}",
                who,
                "budget",
            )
            for budget in spent
        ]
    least = promotion.model.budgets.filter(remaining__isnull=False).order_by("remaining").first()
    told = f"{_share(least.remaining)} left" if least and least.remaining is not None else "nothing told yet"
    return [Rule(True, f"Error budget: {told}, {asks}", key="budget")]


def _share(value: float) -> str:
    return f"{value:.0%}".replace("-", "\N{MINUS SIGN}")


def decision_rules(promotion: Promotion, actor: Actor, checks: list[Check]) -> list[Rule]:
    """Return every rule that an approval by ``actor`` rests on, unmet ones first."""
    team = promotion.model.team
    policy = policy_for(promotion.model)
    binding = promotion_binding(promotion, checks)
    rules = [
        Rule(False, f"{check.title} is {check.status_label.lower()}", check.who) for check in checks if check.blocks
    ]
    if not rules:
        rules.append(Rule(True, f"All blocking criteria are met; {_told(checks)}"))
    rules += gates(promotion, policy, now=timezone.now())
    role = actor.role_in(team)
    asked = " or ".join(Role(name).label.lower() for name in policy.required)
    if role and role in policy.required:
        rules.append(Rule(True, f"You are {role.label.lower()} of {team.name}"))
    else:
        held = role.label.lower() if role else "none"
        rules.append(Rule(False, f"Your role does not decide here: {held}", f"A member of {team.name} who is {asked}."))
    rules.append(
        Rule(True, "You did not ask for, make or contribute to this version")
        if actor.user.pk not in contributor_ids(promotion)
        else Rule(False, "You contributed to this version, so another person decides", f"Another {asked}.")
    )
    if wants_rollout(promotion, policy):
        rules.append(
            Rule(True, "A rollout follows the last approval; the champion goes on until it has passed", key="rollout")
        )
    given = approvals_given(promotion, binding)
    for name, needed in policy.required.items():
        have = f"{given[name]} of {needed} approval{'' if needed == 1 else 's'} given by {people(name, 2)}"
        rules.append(Rule(True, have, lacking=max(needed - given[name], 0)))
    return sorted(rules, key=lambda rule: (rule.met, rule.lacking > 0))


def _told(checks: list[Check]) -> str:
    passed = sum(check.status is CheckStatus.PASSED for check in checks)
    waived = sum(check.status is CheckStatus.WAIVED for check in checks)
    return f"{passed} passed" + (f", {waived} waived" if waived else "")


@dataclass(frozen=True)
class Lapse:
    """An approval that no longer counts: of whom, since when, and what changed under it."""

    approval: Approval
    at: datetime | None
    because: list[str]


def lapses(promotion: Promotion, binding: Binding) -> list[Lapse]:
    """Return the approvals of an open promotion that what changed since has made void, each explained."""
    if promotion.state != PromotionState.REQUESTED:
        return []
    given = promotion.approvals.filter(decision=Approval.Decision.APPROVE)
    still = given.counting().filter(binding_digest=binding.digest)
    waivers = {waiver.pk: waiver for waiver in promotion_waivers(promotion)}
    lapsed = given.exclude(pk__in=still).select_related("approver", "standing__criteria_set", "standing__model")
    return [_lapse(approval, binding, waivers) for approval in lapsed]


def _lapse(approval: Approval, now: Binding, waivers: dict[int, Waiver]) -> Lapse:
    then = approval.binding
    because, moments = [], []
    if then["artifact"] != now.artifact:
        because.append("the artifact has another digest")
    if then["criteria"] != now.criteria:
        because.append("the criteria have another digest")
    old, new = set(then["evidence"]), set(now.evidence)
    rows = Evidence.objects.select_related("against").in_bulk(old ^ new)
    for pk in sorted(new - old):
        before = next((k for k in sorted(old - new) if _same_question(rows[k], rows[pk])), None)
        because.append(
            f"{metric_label(rows[pk].metric)} was measured again: E-{pk} instead of E-{before}"
            if before
            else f"{metric_label(rows[pk].metric)} was measured: E-{pk}"
        )
        moments.append(rows[pk].measured_at)
    replaced = {k for k in old - new for pk in new - old if _same_question(rows[k], rows[pk])}
    because += [_unasked(rows[pk]) for pk in sorted(old - new - replaced)]
    held = set(then.get("waivers", []))
    for pk in sorted(held - set(now.waivers)):
        text, at = _ended(waivers[pk])
        because.append(text)
        moments.append(at)
    for pk in sorted(set(now.waivers) - held):
        because.append(f"waiver W-{pk} was granted")
        moments.append(waivers[pk].decided_at or approval.decided_at)
    if approval.standing and (ended := standing_end(approval.standing)):
        because.append(f"standing approval {approval.standing.pk} ended: {ended.why}")
        moments.append(ended.at)
    return Lapse(approval, max(moments, default=None), because)


def _unasked(evidence: Evidence) -> str:
    if evidence.against:
        return f"E-{evidence.pk} compares with v{evidence.against.number}, which is champion no longer"
    return f"E-{evidence.pk} answers no criterion any more"


def _same_question(a: Evidence, b: Evidence) -> bool:
    return (a.metric, a.data_slice) == (b.metric, b.data_slice)


def _ended(waiver: Waiver) -> tuple[str, datetime]:
    if waiver.state == WaiverState.REVOKED and waiver.revoked_at and waiver.revoked_by:
        return f"waiver W-{waiver.pk} was revoked by {waiver.revoked_by.get_username()}", waiver.revoked_at
    if waiver.expires_at <= timezone.now():
        return f"waiver W-{waiver.pk} expired", waiver.expires_at
    return f"waiver W-{waiver.pk} is no longer needed", timezone.now()
