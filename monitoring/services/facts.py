"""What the registry is told of traffic: budgets, versions that answer, first inputs."""

from datetime import datetime, timedelta

from django.db.models import Exists, Max, OuterRef, Sum

from experiments.selectors import training_data_of
from monitoring.models import Slo, TelemetryHour, TelemetryWindow
from monitoring.selectors import slo_statuses
from monitoring.services.burning import budget_names
from registry.histograms import number_histogram, profile_of
from registry.models import ModelVersion, RegisteredModel
from registry.services import (
    budget_record,
    budgets_keep,
    reference_record,
    traffic_record,
)

RECENT = timedelta(minutes=10)
FIRST_ROWS = 5_000  # of production, that stand in for training rows; whose bins hold some twenty each


def facts_push(*, now: datetime) -> None:
    """Tell the registry what its gates look at: what is left of each error budget, and which versions still answer."""
    slos = list(Slo.objects.watched())
    names = budget_names(slos)
    told: dict[RegisteredModel, list[str]] = {}
    for status in slo_statuses(slos, now=now):
        name = names[status.slo.pk]
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
    from monitoring.predictions import lake

    answering = ModelVersion.objects.filter(
        Exists(TelemetryHour.objects.filter(version=OuterRef("pk"))), artifact_state="verified", reference=None,
        archived_at=None, signature__has_key="inputs",
    ).select_related("model__team")  # fmt: skip
    for version in answering:
        counted = TelemetryHour.objects.filter(version=version).aggregate(rows=Sum("rows"))["rows"] or 0
        if counted < FIRST_ROWS or training_data_of(version):
            continue
        first = lake.first_answers(
            model_id=version.model_id, model=version.model.name, number=version.number, limit=FIRST_ROWS
        )
        if len(first.inputs) < FIRST_ROWS:
            continue  # some were pinned, or are not shipped yet
        inputs = lake.told(version.signature["inputs"], first.inputs)
        columns = {column["name"]: [row.get(column["name"]) for row in first.inputs] for column in inputs}
        answered = [score for score in first.scores if score is not None]
        reference_record(
            version=version, source="production", rows=len(first.inputs), columns=profile_of(columns, inputs),
            score=number_histogram(answered) if answered else None,
        )  # fmt: skip
