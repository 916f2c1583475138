"""Full drift reports: asking for one, by a person or by the clock, and telling of it."""

from datetime import datetime

from experiments.models import DatasetVersion
from jobs.models import Job
from jobs.services import SlotTakenError, job_create
from monitoring.drift.schedule import turn_due
from monitoring.models import DriftPolicy, DriftReport
from monitoring.selectors import reference_of
from monitoring.services.alerting import alert_observe
from registry.access import WRITERS, Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError, InvalidError
from registry.models import Alert, ModelVersion, RegisteredModel, RevalidationTrigger
from registry.services import revalidation_trigger
from serving.contract import CHAMPION

MAX_HOURS = 7 * 24
USUAL_HOURS = 24
DRIFT_ALERT = "drift:report"  # one of a model at a time
CLOCK = "schedule"


@audited()
def drift_report_start(*, actor: Actor, model: RegisteredModel, hours: int = USUAL_HOURS) -> Job:
    """Queue a full comparison of the champion's latest inputs with the rows it was trained on.

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
    return _start(model, hours, actor=actor)


def drift_reports_start(*, now: datetime) -> list[Job]:
    """Queue the reports that policies ask for at this time; each turn is taken once, whoever asks and how often."""
    policies = DriftPolicy.objects.in_force().select_related("model__team")
    jobs = []
    for policy in policies:
        if not policy.report_cron or policy.model.archived_at or policy.model.retired_at:
            continue
        if turn := turn_due(policy.report_cron, policy.report_zone, now=now):
            try:
                jobs.append(_start(policy.model, USUAL_HOURS, slot=(f"drift report of {policy.model.pk}", turn)))
            except (ConflictError, SlotTakenError):
                continue  # nothing to compare, as the page says; or done
    return jobs


@audited()
def _start(
    model: RegisteredModel, hours: int, *, actor: Actor | None = None, slot: tuple[str, datetime] | None = None
) -> Job:
    """Queue a full comparison, asked for by a person or by the clock."""
    version, reference = _sides(model)
    job = job_create(
        kind="drift_report", scope=model.team.slug, title=f"Drift of {version} against {reference}",
        subject=model.path, params={"version_id": version.pk, "hours": hours},
        created_by=actor.user if actor else None, slot=slot,
    )  # fmt: skip
    audit(
        action="drift_report.start", subject=model.path, actor=actor, process="" if actor else CLOCK,
        team=model.team.slug, payload={"job": job.pk, "version": version.number, "hours": hours},
    )  # fmt: skip
    return job


def _sides(model: RegisteredModel) -> tuple[ModelVersion, DatasetVersion]:
    """Return the champion and what it was trained on.

    Raises:
        ConflictError: there is none, or its training rows or columns are not known here.
    """
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
    return version, reference


@audited()
def drift_tell(*, report: DriftReport) -> None:
    """Tell what a report found of a model's champion: drift is an alert until a report finds none.

    The latest report decides; one that was overtaken by a newer, or by another champion, says nothing any more.
    """
    version, process = report.version, f"job:{report.job_id}"
    model = version.model
    newer = DriftReport.objects.filter(version=version, until__gt=report.until)
    if not version.aliases.filter(name=CHAMPION).exists() or newer.exists():
        return
    alert_observe(
        model=model, kind="drift", key=DRIFT_ALERT, breached=report.has_drifted, link=report.path, process=process,
        title=f"A full report finds drift of {model.name} v{version.number}: {report.drifted} of {report.compared} features",
        next_step="Read the likeliest causes in the report; train on recent rows if the change stays.",
    )  # fmt: skip
    raised = Alert.objects.filter(model=model, key=DRIFT_ALERT, cleared_at=None).first()
    if report.has_drifted and raised:
        revalidation_trigger(
            model=model, trigger=RevalidationTrigger.DRIFT, why=report.verdict, since=raised.raised_at, process=process
        )  # fmt: skip
