"""Every write that people ask of monitoring: one action, one function, one transaction, one audit event."""

from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation

from django.db import IntegrityError, transaction
from django.db.models import Exists, Max, OuterRef, Sum

from experiments.models import DatasetVersion
from experiments.selectors import training_data_of
from jobs.models import Job
from jobs.services import job_create
from monitoring.models import DriftReport, Slo, TelemetryHour, TelemetryWindow
from monitoring.selectors import reference_of, slo_statuses
from registry.access import WRITERS, Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError, InvalidError
from registry.histograms import profile_of
from registry.models import ModelVersion, RegisteredModel, RevalidationTrigger, Role
from registry.services import (
    alert_clear,
    alert_raise,
    budget_record,
    budgets_keep,
    reference_record,
    revalidation_trigger,
    traffic_record,
)
from serving.contract import CHAMPION, LATENCY_EDGES_US

SLO_OWNERS = (Role.ENGINEER, Role.PRODUCT, Role.ADMIN)
WINDOW_DAYS = (1, 7, 28, 30, 90)
MAX_HOURS = 7 * 24
DRIFT_ALERT = "drift"  # one of a model at a time
RECENT = timedelta(minutes=10)
FIRST_ROWS = 5_000  # of production, that stand in for training rows; as many as settle a bin of a 32nd
EDGES_MS = tuple(edge / 1000 for edge in LATENCY_EDGES_US)


@audited()
def slo_create(
    *, actor: Actor, model: RegisteredModel, kind: str, objective: Decimal | float | str, window_days: int,
    threshold_ms: float | None = None,
) -> Slo:  # fmt: skip
    """Promise a share of good answers over a rolling window.

    Args:
        kind: ``availability`` (answered, not failed) or ``latency`` (answered within the threshold).
        objective: promised good share in (0, 1), such as 0.999; at most five decimals.
        window_days: one of ``WINDOW_DAYS``.
        threshold_ms: for latency alone; one of ``EDGES_MS``.

    Raises:
        InvalidError: a value is not acceptable.
        ConflictError: the model has this objective already.
        RoleError: the actor may not set objectives in the model's team.
    """
    actor.require(model.team, *SLO_OWNERS)
    share = _objective(objective)
    if kind not in Slo.Kind.values:
        raise InvalidError(f"kind must be one of {', '.join(Slo.Kind.values)}.", field="kind")
    if window_days not in WINDOW_DAYS:
        raise InvalidError(
            f"window_days must be one of {', '.join(map(str, WINDOW_DAYS))}.", field="window_days"
        )  # fmt: skip
    threshold_us = _threshold_us(kind, threshold_ms)
    try:
        with transaction.atomic():
            slo = Slo.objects.create(
                model=model, kind=kind, objective=share, window_days=window_days, threshold_us=threshold_us,
                created_by=actor.user,
            )  # fmt: skip
    except IntegrityError:
        raise ConflictError(
            f"{model.name} has such an objective over {window_days} days. Delete that one first to replace it."
        ) from None
    audit(action="slo.create", subject=model.path, actor=actor, team=model.team.slug, payload={"after": _said(slo)})
    return slo


@audited()
def slo_delete(*, actor: Actor, slo: Slo) -> None:
    """Take an objective back; what was measured stays.

    Raises:
        RoleError: the actor may not set objectives in the model's team.
    """
    actor.require(slo.model.team, *SLO_OWNERS)
    before = _said(slo)
    slo.delete()
    audit(
        action="slo.delete", subject=slo.model.path, actor=actor, team=slo.model.team.slug, payload={"before": before}
    )  # fmt: skip


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


def facts_push(*, now: datetime) -> None:
    """Tell the registry what its gates look at: what is left of each error budget, and which versions still answer."""
    slos = list(
        Slo.objects.filter(model__archived_at__isnull=True, model__retired_at__isnull=True).select_related(
            "model__team"
        )
    )
    told: dict[RegisteredModel, list[str]] = {}
    for status in slo_statuses(slos, now=now):
        name = said_in_words(status.slo)
        told.setdefault(status.slo.model, []).append(name)
        budget_record(model=status.slo.model, objective=name, remaining=status.left, at=now, link=status.slo.path)
    for model in RegisteredModel.objects.filter(budgets__isnull=False).distinct().select_related("team"):
        budgets_keep(model=model, objectives=told.get(model, []))
    lately = TelemetryWindow.objects.filter(started_at__gt=now - RECENT).order_by("version")
    seen = lately.values("version").annotate(last=Max("started_at"), n=Sum("requests") + Sum("pinned"))
    answered = {row["version"]: (row["last"], row["n"]) for row in seen}
    for version in ModelVersion.objects.filter(pk__in=answered):
        last, requests = answered[version.pk]
        traffic_record(version=version, last_request_at=last, requests=requests)


def references_push() -> None:
    """Note what the first inputs of a version looked like, where its training rows are not known here; safe to repeat."""
    from monitoring import lake  # heavy; the web process has no use for it

    answering = ModelVersion.objects.filter(
        Exists(TelemetryHour.objects.filter(version=OuterRef("pk"))), artifact_state="verified", reference=None,
        archived_at=None, signature__has_key="inputs",
    ).select_related("model__team")  # fmt: skip
    for version in answering:
        answered = TelemetryHour.objects.filter(version=version).aggregate(rows=Sum("rows"))["rows"] or 0
        if answered < FIRST_ROWS or training_data_of(version):
            continue
        rows = lake.first_inputs(
            model_id=version.model_id, model=version.model.name, number=version.number, limit=FIRST_ROWS
        )
        if len(rows) < FIRST_ROWS:
            continue  # some were pinned, or are not shipped yet
        inputs = version.signature["inputs"]
        columns = {column["name"]: [row.get(column["name"]) for row in rows] for column in inputs}
        reference_record(version=version, source="production", rows=len(rows), columns=profile_of(columns, inputs))


def said_in_words(slo: Slo) -> str:
    """Return an objective as people say it, such as ``latency within 50 ms, 99% over 28 days``."""
    within = f" within {slo.threshold_ms:g} ms" if slo.threshold_ms else ""
    return f"{slo.kind}{within}, {float(slo.objective) * 100:g}% over {slo.window_days} days"


def _objective(objective: Decimal | float | str) -> Decimal:
    try:
        share = Decimal(str(objective))
        sound = 0 < share < 1 and share == round(share, 5)
    except InvalidOperation:
        sound = False
    if not sound:
        raise InvalidError(
            "objective must be a share between 0 and 1 with at most five decimals, such as 0.999.", field="objective"
        )
    return share


def _threshold_us(kind: str, threshold_ms: float | None) -> int | None:
    if kind == Slo.Kind.AVAILABILITY:
        if threshold_ms is not None:
            raise InvalidError("threshold_ms belongs to latency objectives; leave it out.", field="threshold_ms")
        return None
    if threshold_ms not in EDGES_MS:
        edges = ", ".join(f"{edge:g}" for edge in EDGES_MS)
        raise InvalidError(
            f"threshold_ms must be one of {edges}. Latencies are counted in bins with these edges, so a limit between "
            "two of them cannot be told from its neighbours.",
            field="threshold_ms",
        )
    return LATENCY_EDGES_US[EDGES_MS.index(threshold_ms)]


def _said(slo: Slo) -> dict[str, object]:
    return {
        "kind": slo.kind, "objective": str(slo.objective), "window_days": slo.window_days,
        "threshold_ms": slo.threshold_ms,
    }  # fmt: skip
