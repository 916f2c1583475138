"""What the evidence of compared versions keeps to be drawn over each other, and what the address chooses of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from experiments.comparing.chosen import Column, Comparison
from experiments.comparing.comparison import ALONE
from experiments.comparing.logged_runs import learning_curves
from experiments.drawing.charts import Chart, overlaid_precision_recall, overlaid_reliability, overlaid_roc
from experiments.drawing.overlays import Differing, Queries, differing, forecasts, learning, query_cloud, series_of
from experiments.drawing.plots import Plot
from registry.criteria import metric_label
from registry.models import Evidence

CURVES = ("average_precision", "calibration_error", "roc_auc")
SAMPLES = ("mase", "wape")  # the main metric of forecasts is one of them
PER_QUERY = "ndcg_at_10"


@dataclass(frozen=True)
class Chooser:
    """One thing that the address may choose."""

    name: str
    label: str
    options: list[tuple[str, str]]
    chosen: str


@dataclass(frozen=True)
class Section:
    """A drawing with what may be chosen of it, and why it is not there."""

    id: str
    title: str
    choosers: list[Chooser]
    plot: Plot | None = None
    differing: list[Differing] = field(default_factory=list)
    labels: tuple[str, str] = ("", "")
    lacking: str = ""


def charts_and_sections(comparison: Comparison, asked: Mapping[str, str]) -> tuple[list[Chart], list[Section]]:
    """Return the small curves, and the drawings of which something may be chosen by ``asked``."""
    columns = comparison.columns
    details = _details(comparison)

    def curves(metric: str, name: str) -> list[tuple[str, list[Any]]]:
        return [(column.label, _of(details, column, metric).get(name, [])) for column in columns]

    drawn = [
        overlaid_precision_recall(curves("average_precision", "precision_recall")),
        overlaid_roc(curves("roc_auc", "roc")),
        overlaid_reliability(curves("calibration_error", "reliability")),
    ]
    sections = [
        _learning(columns, asked), _forecasts(comparison, details, asked), _queries(comparison, details, asked),
    ]  # fmt: skip
    return [chart for chart in drawn if chart], [section for section in sections if section]


def _details(comparison: Comparison) -> dict[tuple[int, str], dict[str, Any]]:
    wanted = (*CURVES, *SAMPLES, PER_QUERY)
    ids = [
        found[metric, ALONE].pk for found in comparison.latest.values() for metric in wanted if (metric, ALONE) in found
    ]
    rows = Evidence.objects.filter(pk__in=ids).only("version", "metric", "detail")
    return {(one.version_id, one.metric): one.detail for one in rows}


def _of(details: Mapping[tuple[int, str], dict[str, Any]], column: Column, metric: str) -> dict[str, Any]:
    return details.get((column.version.pk, metric), {}) if column.version else {}


def _learning(columns: Sequence[Column], asked: Mapping[str, str]) -> Section | None:
    found = learning_curves([column.run_id for column in columns if column.run_id])
    names = sorted({name for curves in found.values() for name in curves})
    if not names:
        return None
    shared = [name for name in names if sum(name in curves for curves in found.values()) > 1]
    chosen = _chosen(asked.get("curve", ""), names, next(iter(shared or names)))
    plot = learning(chosen, [(column.label, found.get(column.run_id, {}).get(chosen, [])) for column in columns])
    chooser = Chooser("curve", "Metric", [(name, name) for name in names], chosen)
    return Section("learning", "Learning curves", [chooser], plot)


def _forecasts(
    comparison: Comparison, details: Mapping[tuple[int, str], dict[str, Any]], asked: Mapping[str, str]
) -> Section | None:
    samples, without = [], []
    for column in comparison.columns:
        metric = next((name for name in SAMPLES if _of(details, column, name)), "")
        sample = _of(details, column, metric).get("sample", [])
        samples.append((column.label, sample))
        if metric and not sample:
            without.append(column.label)
    names, steps = series_of([sample for _, sample in samples])
    lacking = f"Of {', '.join(without)} no forecasts were kept; they are from its next measuring on." if without else ""
    if not names:
        return Section("forecasts", "Forecasts and what came", [], lacking=lacking) if lacking else None
    series = _chosen(asked.get("series", ""), names, names[0])
    ahead = _chosen(asked.get("ahead", ""), [str(step) for step in steps], str(steps[0]))
    choosers = [
        Chooser("series", "Series", [(name, name) for name in names], series),
        Chooser("ahead", "Steps ahead", [(str(step), str(step)) for step in steps], ahead),
    ]
    return Section(
        "forecasts", "Forecasts and what came", choosers, forecasts(series, int(ahead), samples), lacking=lacking
    )


def _queries(
    comparison: Comparison, details: Mapping[tuple[int, str], dict[str, Any]], asked: Mapping[str, str]
) -> Section | None:
    measured = {column.key: found for column in comparison.columns if (found := _answers(column, details))}
    if len(measured) < 2:
        return None
    first = comparison.columns[0]
    if first.key not in measured:
        return Section("queries", "Query by query", [], lacking=f"{first.label}, what the others are held against, was not measured query by query.")  # fmt: skip
    labels = {column.key: column.label for column in comparison.columns}
    others = [key for key in measured if key != first.key]
    beside = _chosen(asked.get("beside", ""), others, others[0])
    one, other = measured[first.key], measured[beside]
    chooser = Chooser("beside", f"{first.label} beside", [(key, labels[key]) for key in others], beside)
    plot = query_cloud(metric_label(PER_QUERY), one, other)
    lacking = "" if plot else "They have no query in common: they were measured on different data."
    return Section(
        "queries", "Query by query", [chooser], plot, differing(one, other), (one.label, other.label), lacking
    )


def _answers(column: Column, details: Mapping[tuple[int, str], dict[str, Any]]) -> Queries | None:
    detail = _of(details, column, PER_QUERY)
    kept = detail.get("per_query")
    if not kept:
        return None
    told = detail.get("queries_told", {"columns": [], "rows": []})
    by_query = {query: row for (query, _), row in zip(kept, told["rows"], strict=False)}
    return Queries(column.label, dict(kept), told["columns"], by_query)


def _chosen(asked: str, known: Sequence[str], usual: str) -> str:
    return asked if asked in known else usual
