"""Comparing inputs with training rows, and telling of it."""

from experiments.models import DatasetVersion
from jobs.models import Job
from jobs.services import job_create
from monitoring.models import DriftReport
from monitoring.selectors import reference_of
from registry.access import WRITERS, Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError, InvalidError
from registry.models import RegisteredModel, RevalidationTrigger
from registry.services import (
    alert_clear,
    alert_raise,
    revalidation_trigger,
)
from serving.contract import CHAMPION

MAX_HOURS = 7 * 24
DRIFT_ALERT = "drift"  # one of a model at a time


@audited()
def drift_report_start(*, actor: Actor, model: RegisteredModel, hours: int = 24) -> Job:
    """Queue a comparison of the champion's latest inputs with the rows it was trained on.

    Args:
        hours: how far back predictions are read, 1 to 168.

    Raises:
        InvalidError: ``hours`` is out of range.
        ConflictError: no version serves, or its training rows or columns are not known here.
        RoleError: the actor may only look.
    """
    actor.require(model.team, *WRITERS)
    if not 1 <= hours <= MAX_HOURS:
        raise InvalidError(f"hours must be between 1 and {MAX_HOURS}.", field="hours")
    alias = model.aliases.filter(name=CHAMPION).select_related("version__model").first()
    if alias is None:
        raise ConflictError(f"No version of {model.name} is champion, so there are no predictions to compare.")
    version = alias.version
    try:
        reference = reference_of(version)
    except DatasetVersion.DoesNotExist:
        raise ConflictError(
            f"{version} names no training data set of {model.team.name}, so there is nothing to compare with."
        ) from None
    if not version.signature.get("inputs"):
        raise ConflictError(f"{version} has no signature, so its input columns are not known.")
    job = job_create(
        kind="drift_report", scope=model.team.slug, title=f"Drift of {version} against {reference}",
        subject=model.path, params={"version_id": version.pk, "hours": hours}, created_by=actor.user,
    )  # fmt: skip
    audit(
        action="drift_report.start", subject=model.path, actor=actor, team=model.team.slug,
        payload={"job": job.pk, "version": version.number, "hours": hours},
    )  # fmt: skip
    return job


@audited()
def drift_tell(*, report: DriftReport) -> None:
    """Tell the registry what a report found of a model's champion: drift is an alert until a report finds none.

    The latest report decides; one that was overtaken by a newer, or by another champion, says nothing any more.
    """
    version, process = report.version, f"job:{report.job_id}"
    model = version.model
    newer = DriftReport.objects.filter(version=version, until__gt=report.until)
    if not version.aliases.filter(name=CHAMPION).exists() or newer.exists():
        return
    if not report.has_drifted:
        alert_clear(model=model, key=DRIFT_ALERT, process=process)
        return
    title = f"Inputs of {model.name} v{version.number} have drifted: {report.drifted} of {report.compared} features"
    alert = alert_raise(
        model=model, kind=DRIFT_ALERT, key=DRIFT_ALERT, title=title, link=report.path, process=process
    )  # fmt: skip
    revalidation_trigger(
        model=model, trigger=RevalidationTrigger.DRIFT, why=report.verdict, since=alert.raised_at, process=process
    )  # fmt: skip
