"""Evidence: measured values that criteria are checked against. Higher apps push it here; nothing here asks them."""

from typing import Any

from django.db import IntegrityError, transaction

from jobs.models import Job
from registry.audit_trail import audit, audited
from registry.errors import ConflictError
from registry.models import ArtifactState, Evidence, ModelVersion


@audited()
def evidence_record(
    *, version: ModelVersion, metric: str, value: float, job: Job | None = None, kind: str = Evidence.Kind.OFFLINE,
    ci_low: float | None = None, ci_high: float | None = None, sample_size: int | None = None,
    against: ModelVersion | None = None, data_set: str = "", data_digest: str = "", data_slice: str = "",
    detail: dict[str, Any] | None = None, suite: str = "", undecided: str = "",
) -> Evidence:  # fmt: skip
    """Record one measured value of a verified version.

    Args:
        value: in the metric's unit; the difference to ``against`` where that is given.
        ci_low, ci_high: the 95% interval, in the same unit.
        against: the champion of a paired comparison on the same rows.
        data_slice: such as ``origin=JFK``; empty for all rows.
        suite: of measurements, with its version: each is recorded once per version and data.
        undecided: why it decides no criterion, such as too few positives; empty where it does.

    Raises:
        ConflictError: the artifact is not verified, or the metric was recorded before by this job, or of these data in this suite.
    """
    if version.artifact_state != ArtifactState.VERIFIED:
        raise ConflictError(f"{version} is not verified, so nothing measured on it is evidence.")
    try:
        with transaction.atomic():
            evidence = Evidence.objects.create(
                version=version, kind=kind, metric=metric, value=value, ci_low=ci_low, ci_high=ci_high,
                sample_size=sample_size, against=against, artifact_digest=version.artifact_digest, data_set=data_set,
                data_digest=data_digest, data_slice=data_slice, detail=detail or {}, suite=suite,
                undecided=undecided, job=job,
            )  # fmt: skip
    except IntegrityError:
        by = f"in {suite} on the same data" if suite else "by this job"
        raise ConflictError(f"{metric} of {version} was recorded {by} before.") from None
    audit(
        action="evidence.record", subject=version.path, actor=None, process=f"job:{job.pk}" if job else "registry",
        team=version.model.team.slug,
        payload={"evidence": evidence.pk, "metric": metric, "value": value, "interval": [ci_low, ci_high],
                 "slice": data_slice, "data_digest": data_digest},
    )  # fmt: skip
    return evidence
