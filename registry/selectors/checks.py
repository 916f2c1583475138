"""Each acceptance criterion of a version as a check: measured, required, margin, and whether the evidence still counts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import QuerySet
from django.utils import timezone

from registry.criteria import CheckStatus, Measured, margin, stale_because
from registry.models import AcceptanceCriterion, CriteriaSet, DataSetHead, Evidence, ModelVersion, Waiver
from registry.selectors.policies import policy_for
from registry.states import WaiverState

Phase = AcceptanceCriterion.Phase
STATUS_WORDS = {
    CheckStatus.PASSED: ("pass", "Passed"),
    CheckStatus.FAILED: ("fail", "Failed"),
    CheckStatus.WAIVED: ("unsure", "Waived"),
    CheckStatus.NOT_MEASURED: ("skipped", "Not measured"),
    CheckStatus.STALE: ("pending", "Stale"),
    CheckStatus.NOT_APPLICABLE: ("skipped", "Skipped"),
}
# Of what each phase is judged by: a rollout's own evidence is no ground for beginning it.
IN_ROLLOUT = {Phase.SHADOW: Evidence.Kind.SHADOW, Phase.CANARY: Evidence.Kind.CANARY}
ORDER = [
    CheckStatus.FAILED, CheckStatus.STALE, CheckStatus.NOT_MEASURED, CheckStatus.WAIVED, CheckStatus.PASSED,
    CheckStatus.NOT_APPLICABLE,
]  # fmt: skip


@dataclass(frozen=True)
class Check:
    """One criterion held against the latest evidence of one version.

    Attributes:
        margin: distance to the threshold, also of stale evidence.
        why: what is wrong with the evidence, where it is stale or decides nothing.
        waiver: the one that makes it waived, or the latest that was asked for.
    """

    criterion: AcceptanceCriterion
    status: CheckStatus
    evidence: Evidence | None = None
    margin: float | None = None
    champion: ModelVersion | None = None
    why: str = ""
    waiver: Waiver | None = None

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
        if not self.criterion.blocking and self.status is CheckStatus.FAILED:
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
        if self.waiver and self.waiver.state == WaiverState.ASKED:
            return "A waiver was asked for: an approver other than the asker, who had no part in the version, decides."
        if self.criterion.phase != Phase.BEFORE_APPROVAL:
            return (
                "Traffic, while the rollout measures it; an engineer or product member asks for a waiver; or the rollout "
                "is rolled back."
            )
        if self.status in (CheckStatus.NOT_MEASURED, CheckStatus.STALE):
            return "An engineer starts an evaluation of the version; or asks for a waiver."
        return (
            "An engineer registers a better version, or asks for a waiver; or product drafts new criteria and a second "
            "person agrees."
        )

    @property
    def may_be_waived(self) -> bool:
        """Whether a waiver would change anything, and none is being decided on."""
        return self.blocks and not (self.waiver and self.waiver.state == WaiverState.ASKED)


@dataclass(frozen=True)
class Judged:
    """What a version is judged by: of now, or of the moment of a decision.

    Attributes:
        heads: what each data set holds, by name; evidence of other data is stale.
        waivers: of the promotion that is judged, newest first.
        at: the moment that ages and expiries are held against.
    """

    champion: ModelVersion | None
    heads: Mapping[str, str]
    max_evidence_days: int | None
    waivers: Sequence[Waiver]
    at: datetime

    def checks(
        self,
        version: ModelVersion,
        criteria: CriteriaSet,
        found: Iterable[Evidence],
        phase: str = Phase.BEFORE_APPROVAL,
    ) -> list[Check]:
        """Return each criterion of one phase as a check: what blocks first, then failures, then by position.

        Args:
            found: evidence of the version's artifact, newest first.
        """
        measured: dict[tuple[str, str, int | None], list[Evidence]] = {}
        for evidence in found:
            if (evidence.kind if evidence.is_of_rollout else None) != IN_ROLLOUT.get(Phase(phase)):
                continue
            measured.setdefault((evidence.metric, evidence.data_slice, evidence.against_id), []).append(evidence)
        checks = []
        for criterion in criteria.criteria.all():
            if criterion.phase != phase:
                continue
            if criterion.against_champion and (self.champion is None or self.champion.pk == version.pk):
                checks.append(Check(criterion, CheckStatus.NOT_APPLICABLE))
                continue
            against = self.champion.pk if criterion.against_champion and self.champion else None
            rows = measured.get((criterion.metric, criterion.data_slice, against), [])
            latest = next((e for e in rows if criterion.data_set in ("", e.data_set)), None)
            checks.append(self._waived(self._aged(_judged(criterion, latest, self.champion))))
        return sorted(checks, key=lambda c: (not c.blocks, ORDER.index(c.status), c.criterion.position))

    def _aged(self, check: Check) -> Check:
        if check.evidence is None:
            return check
        why = stale_because(
            age=self.at - check.evidence.measured_at,
            max_age_days=self.max_evidence_days,
            data_digest=check.evidence.data_digest,
            current_digest=self.heads.get(check.criterion.data_set),
        )
        return replace(check, status=CheckStatus.STALE, why=why) if why else check

    def _waived(self, check: Check) -> Check:
        mine = [waiver for waiver in self.waivers if waiver.criterion_id == check.criterion.pk]
        if not mine:
            return check
        live = next((waiver for waiver in mine if waiver.is_live(self.at)), None)
        if live and check.blocks:
            return replace(check, status=CheckStatus.WAIVED, waiver=live)
        asked = next((waiver for waiver in mine if waiver.state == WaiverState.ASKED), None)
        return replace(check, waiver=live or asked or mine[0])


def checks_of(
    version: ModelVersion, criteria: CriteriaSet, phase: str = Phase.BEFORE_APPROVAL, *, waivers: Sequence[Waiver] = ()
) -> list[Check]:
    """Return each criterion of one phase as a check against the latest evidence: failures first, then by position.

    Args:
        waivers: of the promotion that is judged, newest first; without one nothing is waived.
    """
    judged = Judged(
        champion=ModelVersion.objects.filter(aliases__model_id=version.model_id, aliases__name="champion").first(),
        heads=dict(DataSetHead.objects.filter(team_id=version.model.team_id).values_list("name", "digest")),
        max_evidence_days=policy_for(version.model).max_evidence_days,
        waivers=waivers,
        at=timezone.now(),
    )
    return judged.checks(version, criteria, evidence_on(version), phase)


def evidence_on(version: ModelVersion) -> QuerySet[Evidence]:
    """Return what was measured on a version's artifact, newest first."""
    found = Evidence.objects.filter(version=version, artifact_digest=version.artifact_digest)
    return found.order_by("-id").defer("detail")


def _judged(criterion: AcceptanceCriterion, evidence: Evidence | None, champion: ModelVersion | None) -> Check:
    if evidence is None:
        return Check(criterion, CheckStatus.NOT_MEASURED, champion=champion)
    by_interval = criterion.basis == AcceptanceCriterion.Basis.INTERVAL
    at_least = criterion.direction == AcceptanceCriterion.Direction.AT_LEAST
    if evidence.undecided:
        return Check(criterion, CheckStatus.NOT_MEASURED, evidence, champion=champion, why=evidence.undecided)
    if by_interval and (evidence.ci_low is None or evidence.ci_high is None):
        return Check(criterion, CheckStatus.NOT_MEASURED, evidence, champion=champion)
    room = margin(
        Measured(evidence.value, evidence.ci_low, evidence.ci_high),
        threshold=criterion.threshold,
        at_least=at_least,
        by_interval=by_interval,
    )
    return Check(criterion, CheckStatus.PASSED if room >= 0 else CheckStatus.FAILED, evidence, room, champion)
