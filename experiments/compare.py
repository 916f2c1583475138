"""Choosing versions to compare, and reading what is known of them; the number of queries does not grow with them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import Http404

from experiments.charts import Chart, overlaid_precision_recall, overlaid_reliability
from experiments.comparison import ALONE, FEWEST, MOST, Facts, Group, Value, compare
from experiments.models import TrainingRun
from experiments.pipelines.catalogue import PIPELINES
from registry.access import Actor
from registry.errors import InvalidError
from registry.metric_words import WORDS
from registry.models import AcceptanceCriterion, Alias, Evidence, ModelVersion
from serving.contract import CHAMPION

CURVES = {"average_precision": "precision_recall", "calibration_error": "reliability"}


@dataclass(frozen=True)
class Column:
    """One version of the comparison; ``label`` names it, without its model where all are of one."""

    version: ModelVersion
    run: TrainingRun | None
    is_champion: bool
    label: str = ""

    @property
    def key(self) -> str:
        """Its name in the address."""
        return f"{self.version.model.name}:{self.version.number}"


@dataclass(frozen=True)
class Comparison:
    """Versions beside each other, the champion first.

    Attributes:
        missing_champion: the champion of the first version's model, where it was not chosen.
    """

    columns: list[Column]
    groups: list[Group] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    missing_champion: ModelVersion | None = None

    @property
    def is_complete(self) -> bool:
        """Whether there are enough versions, and not too many."""
        return FEWEST <= len(self.columns) <= MOST


def chosen(actor: Actor, versions: Sequence[str], runs: Sequence[str]) -> list[Column]:
    """Return the versions that an address names, champions first, each once.

    Args:
        versions: such as ``flight-delay:3``.
        runs: ids of training runs; each stands for the version that it made.

    Raises:
        InvalidError: one is no such name.
        Http404: there is no such version, or it is not the actor's to see.
    """
    wanted = [_named(text) for text in versions]
    ids = [_id(text) for text in runs]
    visible = ModelVersion.objects.filter(model__team__in=actor.teams(), model__archived_at__isnull=True)
    visible = visible.select_related("model__team", "created_by").prefetch_related("aliases")
    by_name = {(v.model.name, v.number): v for v in visible.filter(model__name__in={name for name, _ in wanted},
                                                                   number__in={number for _, number in wanted})}  # fmt: skip
    by_run = {v.training_run.pk: v for v in visible.filter(training_run__in=ids).select_related("training_run")}
    if not set(wanted) <= by_name.keys() or not set(ids) <= by_run.keys():
        raise Http404
    found = dict.fromkeys([by_name[key] for key in wanted] + [by_run[key] for key in ids])
    made_by = {
        run.version_id: run
        for run in TrainingRun.objects.filter(version__in=found).select_related("dataset_version__dataset")
    }
    one = len({version.model_id for version in found}) == 1
    columns = [
        Column(
            v, made_by.get(v.pk), any(a.name == CHAMPION for a in v.aliases.all()), f"v{v.number}" if one else str(v)
        )
        for v in found
    ]
    return sorted(columns, key=lambda column: not column.is_champion)


def comparison_of(columns: list[Column]) -> Comparison:
    """Return everything that is known of the versions, row by row, and their curves over each other."""
    if not columns:
        return Comparison([])
    model = columns[0].version.model
    champion = Alias.objects.select_related("version__model").filter(model=model, name=CHAMPION).first()
    missing = champion.version if champion and champion.version not in [c.version for c in columns] else None
    comparison = Comparison(columns, missing_champion=missing)
    if not comparison.is_complete:
        return comparison
    latest = _latest(columns)
    facts = [_facts(column, latest[column.version.pk]) for column in columns]
    metrics = {metric for one in facts for metric, _ in one.measured}
    groups = compare(facts, higher_is_better=_directions(columns, metrics))
    return Comparison(columns, groups, _charts(columns, latest), missing)


def _latest(columns: list[Column]) -> dict[int, dict[tuple[str, str], Evidence]]:
    """Return the newest evidence of each version by metric and part, of its present artifact and alone."""
    found: dict[int, dict[tuple[str, str], Evidence]] = {column.version.pk: {} for column in columns}
    digests = {column.version.pk: column.version.artifact_digest for column in columns}
    for evidence in Evidence.objects.filter(version__in=found, against=None).defer("detail").order_by("id"):
        if evidence.artifact_digest == digests[evidence.version_id]:
            part = ", ".join(filter(None, (evidence.kind if evidence.is_of_rollout else "", evidence.data_slice)))
            found[evidence.version_id][evidence.metric, part] = evidence
    return found


def _facts(column: Column, latest: dict[tuple[str, str], Evidence]) -> Facts:
    version, run = column.version, column.run
    about = {
        "Registered": f"{version.created_at:%d %b %Y, %H:%M} UTC", "By": version.created_by.get_username(),
        "Format": version.format or "not read yet", "Artifact": version.artifact_digest[:19] or "not read yet",
        "Size, bytes": f"{sum(file.get('size', 0) for file in version.manifest):,}",
        "Aliases": ", ".join(sorted(alias.name for alias in version.aliases.all())) or "none",
    }  # fmt: skip
    data, params = {"Digest": version.data_digest[:19]} if version.data_digest else {}, {}
    if run:
        rows = run.dataset_version
        data = {"Data set": str(rows), "Digest": rows.digest[:19], "Rows": f"{rows.rows:,}",
                "Until": f"{rows.ends_at:%d %b %Y}" if rows.ends_at else "no time"}  # fmt: skip
        title = PIPELINES[run.pipeline].title if run.pipeline in PIPELINES else run.pipeline
        params = {"Pipeline": title, **run.params}
    inputs = [str(column.get("name")) for column in version.signature.get("inputs", [])]
    measured = {key: Value(e.value, e.ci_low, e.ci_high, e.data_digest) for key, e in latest.items()}
    return Facts(about, data, params, inputs, measured)


def _directions(columns: list[Column], metrics: set[str]) -> dict[str, bool]:
    """Return which way is good: as everybody knows of a metric, or else as the model's agreed criteria say."""
    known = {metric: WORDS[metric].higher_is_better for metric in metrics if metric in WORDS}
    asked = AcceptanceCriterion.objects.filter(
        criteria_set__state="agreed", criteria_set__model__in={c.version.model_id for c in columns}, metric__in=metrics
    )
    return {c.metric: c.direction == AcceptanceCriterion.Direction.AT_LEAST for c in asked} | known


def _charts(columns: list[Column], latest: dict[int, dict[tuple[str, str], Evidence]]) -> list[Chart]:
    ids = [found[metric, ALONE].pk for found in latest.values() for metric in CURVES if (metric, ALONE) in found]
    details: dict[tuple[int, str], Any] = {
        (e.version_id, e.metric): e.detail
        for e in Evidence.objects.filter(pk__in=ids).only("version", "metric", "detail")
    }

    def curves(metric: str) -> list[tuple[str, list[Any]]]:
        return [
            (column.label, details.get((column.version.pk, metric), {}).get(CURVES[metric], [])) for column in columns
        ]  # fmt: skip

    drawn = [overlaid_precision_recall(curves("average_precision")), overlaid_reliability(curves("calibration_error"))]
    return [chart for chart in drawn if chart]


def _named(text: str) -> tuple[str, int]:
    name, _, number = text.rpartition(":")
    if not name or not number.isascii() or not number.isdigit() or len(number) > 9:
        raise InvalidError(
            f"“{text[:80]}” names no version; write it as model:number, such as flight-delay:3.", field="version"
        )
    return name, int(number)


def _id(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise InvalidError(f"“{text[:80]}” is no run; runs are numbers.", field="run")
    return int(text)
