"""What an approver is shown: each criterion as a check, the binding, and what still stands in the way."""

from dataclasses import dataclass

from django.db.models import Q, QuerySet

from registry.access import Actor
from registry.criteria import CheckStatus, Measured, margin
from registry.models import (
    AcceptanceCriterion,
    Approval,
    Binding,
    CriteriaSet,
    Evidence,
    ModelVersion,
    Promotion,
    PromotionPolicy,
    Role,
)
from registry.states import PromotionState

STATUS_WORDS = {
    CheckStatus.PASSED: ("pass", "Passed"),
    CheckStatus.FAILED: ("fail", "Failed"),
    CheckStatus.NOT_MEASURED: ("skipped", "Not measured"),
    CheckStatus.NOT_APPLICABLE: ("skipped", "Skipped"),
}
ORDER = [CheckStatus.FAILED, CheckStatus.NOT_MEASURED, CheckStatus.PASSED, CheckStatus.NOT_APPLICABLE]


@dataclass(frozen=True)
class Check:
    """One criterion held against the latest evidence of one version."""

    criterion: AcceptanceCriterion
    status: CheckStatus
    evidence: Evidence | None = None
    margin: float | None = None
    champion: ModelVersion | None = None

    @property
    def title(self) -> str:
        """Such as ``C1 Average precision against the champion, origin=JFK``."""
        words = self.criterion.label
        words += " against the champion" if self.criterion.against_champion else ""
        return words + (f", {self.criterion.data_slice}" if self.criterion.data_slice else "")

    @property
    def blocks(self) -> bool:
        """Whether an approval is refused because of it."""
        return self.criterion.blocking and not self.status.is_met

    @property
    def mark(self) -> str:
        """The status mark's shape; an advisory miss is a warning."""
        if self.status is CheckStatus.FAILED and not self.criterion.blocking:
            return "warn"
        return STATUS_WORDS[self.status][0]

    @property
    def status_label(self) -> str:
        """The status in a word or two."""
        if self.status is CheckStatus.FAILED and not self.criterion.blocking:
            return "Advisory"
        return STATUS_WORDS[self.status][1]

    @property
    def sign(self) -> str:
        """The criterion's direction as a sign."""
        return "≥" if self.criterion.direction == AcceptanceCriterion.Direction.AT_LEAST else "≤"

    @property
    def who(self) -> str:
        """Who can clear it, and how."""
        if self.status is CheckStatus.NOT_MEASURED:
            return "An engineer starts an evaluation of the version."
        return "An engineer registers a better version; or product drafts new criteria and a second person agrees."


def checks_of(version: ModelVersion, criteria: CriteriaSet, phase: str = "before_approval") -> list[Check]:
    """Return each criterion of one phase as a check against the latest evidence: failures first, then by position."""
    champion = ModelVersion.objects.filter(aliases__model_id=version.model_id, aliases__name="champion").first()
    return _checks(version, criteria, phase, champion, Evidence.objects.all())


def _checks(
    version: ModelVersion,
    criteria: CriteriaSet,
    phase: str,
    champion: ModelVersion | None,
    evidence: QuerySet[Evidence],
) -> list[Check]:
    latest: dict[tuple[str, str, int | None], list[Evidence]] = {}
    measured = evidence.filter(version=version, artifact_digest=version.artifact_digest).order_by("-id")
    for one in measured.defer("detail"):
        latest.setdefault((one.metric, one.data_slice, one.against_id), []).append(one)
    checks = []
    for criterion in criteria.criteria.all():
        if criterion.phase != phase:
            continue
        if criterion.against_champion and (champion is None or champion.pk == version.pk):
            checks.append(Check(criterion, CheckStatus.NOT_APPLICABLE))
            continue
        against = champion.pk if criterion.against_champion and champion else None
        found = [
            e
            for e in latest.get((criterion.metric, criterion.data_slice, against), [])
            if criterion.data_set in ("", e.data_set)
        ]
        checks.append(_check(criterion, found[0] if found else None, champion))
    return sorted(checks, key=lambda check: (ORDER.index(check.status), check.criterion.position))


def _check(criterion: AcceptanceCriterion, evidence: Evidence | None, champion: ModelVersion | None) -> Check:
    if evidence is None:
        return Check(criterion, CheckStatus.NOT_MEASURED, champion=champion)
    by_interval = criterion.basis == AcceptanceCriterion.Basis.INTERVAL
    at_least = criterion.direction == AcceptanceCriterion.Direction.AT_LEAST
    if by_interval and (evidence.ci_low is None or evidence.ci_high is None):
        return Check(criterion, CheckStatus.NOT_MEASURED, evidence, champion=champion)
    room = margin(
        Measured(evidence.value, evidence.ci_low, evidence.ci_high),
        threshold=criterion.threshold,
        at_least=at_least,
        by_interval=by_interval,
    )
    return Check(criterion, CheckStatus.PASSED if room >= 0 else CheckStatus.FAILED, evidence, room, champion)


def promotion_checks(promotion: Promotion) -> list[Check]:
    """Return the checks before approval: as they stand now, or, once decided, as they stood then.

    A version that became champion has no other one to be compared with, and may be measured again later; neither
    changes what was decided.
    """
    if promotion.decided_at is None:
        return checks_of(promotion.version, promotion.criteria_set)
    decision = promotion.approvals.last()
    seen = Q(pk__in=decision.binding["evidence"]) if decision else Q(measured_at__lte=promotion.decided_at)
    return _checks(
        promotion.version, promotion.criteria_set, "before_approval", promotion.replaces, Evidence.objects.filter(seen)
    )


def promotion_binding(promotion: Promotion, checks: list[Check]) -> Binding:
    """Return what an approval given now would be bound to."""
    return Binding(
        artifact=promotion.version.artifact_digest,
        criteria=promotion.criteria_set.digest,
        evidence=tuple(sorted(check.evidence.pk for check in checks if check.evidence)),
    )


def contributor_ids(promotion: Promotion) -> set[int]:
    """Return who requested, made or helped to make the version, or drafted its criteria: none of them may approve."""
    return {
        promotion.requested_by_id,
        promotion.version.created_by_id,
        promotion.criteria_set.drafted_by_id,
        *promotion.version.contributors.values_list("pk", flat=True),
    }


def quorum_reached(promotion: Promotion, policy: PromotionPolicy, binding: Binding) -> bool:
    """Tell whether each role the policy asks for has given enough approvals of exactly this binding."""
    given = promotion.approvals.filter(decision=Approval.Decision.APPROVE, binding_digest=binding.digest)
    return all(given.filter(role=role).count() >= needed for role, needed in policy.required.items())


@dataclass(frozen=True)
class Rule:
    """One line of the decision box: a rule, whether it is met, and who can clear it."""

    met: bool
    text: str
    who: str = ""


def decision_rules(promotion: Promotion, actor: Actor, checks: list[Check]) -> list[Rule]:
    """Return every rule that an approval by ``actor`` rests on, unmet ones first."""
    team = promotion.model.team
    policy = PromotionPolicy.objects.get(risk_tier=promotion.model.risk_tier)
    binding = promotion_binding(promotion, checks)
    rules = [
        Rule(False, f"{check.title} is {check.status_label.lower()}", check.who) for check in checks if check.blocks
    ]
    if not rules:
        met = sum(check.status is CheckStatus.PASSED for check in checks)
        rules.append(Rule(True, f"All blocking criteria are met; {met} passed"))
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
    for name, needed in policy.required.items():
        given = promotion.approvals.filter(
            decision=Approval.Decision.APPROVE, binding_digest=binding.digest, role=name
        ).count()
        rules.append(Rule(True, f"{given} of {needed} {Role(name).label.lower()} approvals given"))
    lapsed = promotion.approvals.filter(decision=Approval.Decision.APPROVE).exclude(binding_digest=binding.digest)
    if promotion.state == PromotionState.REQUESTED and lapsed.exists():
        rules.append(
            Rule(
                False,
                "An earlier approval lapsed, since what it was bound to has changed",
                "The same person can look again.",
            )
        )
    return sorted(rules, key=lambda rule: rule.met)
