"""Learning what quality is estimated from before labels are there, once a version answers."""

from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef

from jobs.models import Job
from jobs.services import SlotTakenError, job_create
from monitoring.models import TelemetryHour
from monitoring.quality.sums import Kind
from monitoring.selectors.quality_policy import quality_policy_of
from monitoring.selectors.quality_reference import basis_of
from registry.models import ModelVersion

LATELY = timedelta(days=1)
ESTIMATED = (Kind.PROBABILITY, Kind.NUMBER)


def quality_references_start(*, now: datetime) -> list[Job]:
    """Queue a job for each version that answers, was measured on known rows, and has no reference; safe to repeat.

    A version has one turn an hour, so that one whose rows changed meanwhile is not tried all the time.
    """
    answered = TelemetryHour.objects.filter(version=OuterRef("pk"), started_at__gt=now - LATELY, rows__gt=0)
    lacking = ModelVersion.objects.filter(Exists(answered), artifact_state="verified", quality_reference=None)
    made = []
    for version in lacking.select_related("model__team").order_by("pk"):
        if quality_policy_of(version.model).compares not in ESTIMATED or (basis := basis_of(version)) is None:
            continue
        turn = now.replace(minute=0, second=0, microsecond=0)
        try:
            job = job_create(
                kind="quality_reference", scope=version.model.team.slug, subject=version.path,
                title=f"Learn what the quality of {version} is estimated from", slot=(f"quality_reference {version.pk}", turn),
                params={"version_id": version.pk, "data_id": basis.data.pk, "split": basis.split},
            )  # fmt: skip
        except SlotTakenError:
            continue
        made.append(job)
    return made
