"""Reads that join tables or build a record."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
from django.db.models import Case, Count, Max, Min, OuterRef, Q, QuerySet, Subquery, Value, When

from experiments.contracts.sources import rows_in
from experiments.intake.staging import ROW_KEY
from experiments.models import (
    BatchScoring,
    Dataset,
    DatasetVersion,
    Evaluation,
    GoldenMark,
    Search,
    SearchTrial,
    TrainingRun,
    TrialState,
)
from experiments.rows.frames import load_frame
from experiments.rows.golden import GoldenRows
from experiments.rows.profile import in_interval
from experiments.rows.splitting import mask
from experiments.suites import SUITES, suite_for
from experiments.target_shown import policy_words
from registry.access import Actor
from registry.models import Evidence, ModelVersion, RegisteredModel
from registry.review_pack import moment


def datasets_of(actor: Actor) -> QuerySet[Dataset]:
    """Return the data sets of the actor's teams, with what lists show of each."""
    return Dataset.objects.filter(team__in=actor.teams()).select_related("team", "created_by")


def runs_of(actor: Actor) -> QuerySet[TrainingRun]:
    """Return the training runs of the actor's teams.

    Each has ``main``, the metric that versions of its task are told apart by, and ``held_out``, its value measured since.
    """
    measured = Evidence.objects.filter(
        version=OuterRef("version"),
        metric=OuterRef("main"),
        data_slice="",
        against=None,
        job__evaluation__isnull=False,
    ).order_by("-id")
    return (
        TrainingRun.objects.filter(version__model__team__in=actor.teams())
        .select_related("version__model__team", "dataset_version__dataset", "job")
        .annotate(
            main=Case(
                *(When(version__model__task=suite.task, then=Value(suite.compared[0])) for suite in SUITES.values()),
                default=Value(""),
            )
        )
        .annotate(held_out=Subquery(measured.values("value")[:1]))
    )


def trainable(actor: Actor, model: RegisteredModel, roles: Collection[str]) -> QuerySet[DatasetVersion]:
    """Return the data set versions that ``model`` may be trained on, newest first: of its team, with columns of these roles, not golden."""
    rows = DatasetVersion.objects.filter(dataset__team=model.team_id, dataset__in=datasets_of(actor)).exclude(
        golden__confirmed_at__isnull=False
    )
    for role in roles:
        rows = rows.filter(columns__contains=[{"role": role}])
    return rows.select_related("dataset").order_by("-id")


def training_data_of(version: ModelVersion) -> DatasetVersion | None:
    """Return the data set version that a version says it was trained on, if its team has it and it holds training rows."""
    rows = DatasetVersion.objects.select_related("dataset").filter(
        dataset__team=version.model.team_id, splits__has_key="train", digest=version.data_digest
    )
    return rows.order_by("-id").first() if version.data_digest else None


def golden_sets(dataset: Dataset) -> list[GoldenRows]:
    """Return the golden sets of the team that ``dataset`` belongs to, as they are looked for among rows to learn from."""
    marks = GoldenMark.objects.filter(confirmed_at__isnull=False, version__dataset__team=dataset.team_id)
    return [_golden_rows(mark, dataset) for mark in marks.select_related("version__dataset").order_by("id")]


def _golden_rows(mark: GoldenMark, dataset: Dataset) -> GoldenRows:
    version = mark.version
    facts = version.splits.get(mark.split)
    named = version.key if version.key != ROW_KEY else ""  # a row's place in its source names nothing elsewhere
    features = tuple(sorted(version.features()))
    return GoldenRows(
        name=str(version), rows=rows_in(version.parquet), key=named, key_holds=version.dataset_id == dataset.pk, features=features,
        measured=(mask(mark.split, facts, version.time_column), facts.get("column") or version.time_column) if facts else None,
        columns={c["name"]: c["type"] for c in version.columns if c["name"] in {named, *features}},
    )  # fmt: skip


def evaluations_of(actor: Actor) -> QuerySet[Evaluation]:
    """Return the evaluations of the actor's teams."""
    return Evaluation.objects.filter(version__model__team__in=actor.teams()).select_related(
        "version__model__team", "dataset_version__dataset", "against__model", "job"
    )


def searches_of(actor: Actor) -> QuerySet[Search]:
    """Return the searches of the actor's teams, with what lists show of each."""
    complete = Q(trials__state=TrialState.COMPLETE)
    return (
        Search.objects.filter(model__team__in=actor.teams())
        .select_related("model__team", "dataset_version__dataset", "created_by")
        .annotate(
            made=Count("trials"), complete=Count("trials", filter=complete), highest=Max("trials__value"), lowest=Min("trials__value"),
        )
    )  # fmt: skip


def batch_scorings_of(actor: Actor) -> QuerySet[BatchScoring]:
    """Return the batch scorings of the actor's teams."""
    return BatchScoring.objects.filter(version__model__team__in=actor.teams()).select_related(
        "version__model__team", "dataset_version__dataset", "job", "created_by"
    )


@dataclass(frozen=True)
class Measured:
    """What the latest evaluation of a version found.

    Attributes:
        main: the metric that versions of its task are told apart by; its detail says where it is worst.
        difference: of that metric, to the champion.
    """

    main: Evidence | None
    average_precision: Evidence | None
    calibration: Evidence | None
    difference: Evidence | None

    @property
    def curves(self) -> dict[str, list[Any]]:
        """Return the points of the curves by name; a curve that was not measured has none."""
        detail = self.average_precision.detail if self.average_precision else {}
        against = self.difference.detail if self.difference else {}
        return {
            "precision_recall": detail.get("precision_recall", []),
            "champion_precision_recall": against.get("champion_precision_recall", []),
            "reliability": self.calibration.detail.get("reliability", []) if self.calibration else [],
        }


def measured_of(version: ModelVersion) -> Measured:
    """Return the newest evidence of each kind that an evaluation job recorded for ``version``."""
    found = Evidence.objects.filter(version=version, data_slice="", job__evaluation__isnull=False).select_related(
        "against"
    )
    alone, paired = found.filter(against=None), found.filter(against__isnull=False)
    compared = suite_for(version.model.task).compared
    known = set(alone.filter(metric__in=compared).values_list("metric", flat=True))
    main = next((metric for metric in compared if metric in known), "")
    return Measured(
        alone.filter(metric=main).first(),
        alone.filter(metric="average_precision").first(),
        alone.filter(metric="calibration_error").first(),
        paired.filter(metric=main).first(),
    )


def split_rows(data: DatasetVersion, frame: pd.DataFrame, split: str) -> pd.DataFrame:
    """Return the rows of one split, such as ``replay``.

    Raises:
        KeyError: there is no such split.
    """
    interval = data.splits[split]
    if "column" in interval:
        chosen: pd.DataFrame = frame[frame[interval["column"]] == split]
        return chosen
    return in_interval(frame, data.time_column, interval["from"], interval["until"])


def dataset_rows(data: DatasetVersion, split: str) -> pd.DataFrame:
    """Read one split of a version, in order of time.

    Raises:
        KeyError: there is no such split.
        DataChangedError: the file no longer holds the version's rows.
    """
    return split_rows(data, load_frame(data.parquet, data.digest), split)


def data_record(version: ModelVersion, *, decided_at: datetime | None = None) -> dict[str, Any]:
    """Return what a version was made from and measured on: data, their digests and splits, and the run between.

    Args:
        decided_at: what had not ended by then stands apart, as later; None: nothing was decided yet.
    """
    run = (
        TrainingRun.objects.select_related("dataset_version__dataset", "job", "trial__search")
        .filter(version=version)
        .first()
    )
    evaluations: list[Evaluation] = []
    later: list[Evaluation] = []
    for e in evaluations_of_version(version):
        ended = e.job.finished_at
        stood = decided_at is None or (ended is not None and ended <= decided_at)
        (evaluations if stood else later).append(e)
    used = {e.dataset_version_id: e.dataset_version for e in evaluations}
    if run:
        used[run.dataset_version_id] = run.dataset_version
    return {
        "training_digest": version.data_digest,
        "data_sets": [_data(used[key]) for key in sorted(used)],
        "training": {
            "pipeline": run.pipeline, "params": run.params, "data": str(run.dataset_version), "run_id": run.run_id,
            "search": f"{run.trial.search}, trial {run.trial.number}" if run.trial else None,
            "job": run.job_id, "at": moment(run.created_at), "validation": run.metrics,
        } if run else None,
        "evaluations": [_evaluation(e) for e in evaluations],
        "later_evaluations": [_evaluation(e) for e in later],
    }  # fmt: skip


def evaluations_of_version(version: ModelVersion) -> list[Evaluation]:
    """Return the evaluations of one version, oldest first."""
    rows = version.evaluations.select_related("dataset_version__dataset", "against__model", "job")
    return list(rows.order_by("id"))


def _evaluation(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "suite": evaluation.suite, "data": str(evaluation.dataset_version), "job": evaluation.job_id,
        "at": moment(evaluation.created_at), "against": evaluation.against.number if evaluation.against else None,
    }  # fmt: skip


def _data(data: DatasetVersion) -> dict[str, Any]:
    return {
        "name": str(data), "path": data.path, "digest": data.digest, "rows": data.rows, "source": data.source,
        "starts_at": moment(data.starts_at), "ends_at": moment(data.ends_at), "target": data.target,
        "features": data.features(), "splits": data.splits,
        "target_kind": data.target_kind, "split_policy": policy_words(data), "failed_checks": data.failed_checks,
        "parent": str(data.parent) if data.parent else None,
    }  # fmt: skip


def best_trial(search: Search) -> SearchTrial | None:
    """Return the best complete trial of a search; of equals the earlier."""
    return search.trials.filter(state=TrialState.COMPLETE).order_by(search.best_first, "number").first()


def trial_counts(search: Search) -> dict[str, int]:
    """Return how many trials of a search stand where."""
    return dict(search.trials.order_by("state").values_list("state").annotate(count=Count("pk")))
