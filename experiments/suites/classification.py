"""What is measured of what finds rare cases: fraud, late flights, anomalies. Pure: rows and scores in, measurements out."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from experiments import metrics
from experiments.metrics import Floats, Interval, Ints
from experiments.metrics.arrays import added_up
from experiments.metrics.bootstrap import (
    differences_of_sums,
    intervals,
    paired_average_precision,
    paired_average_precision_binned,
)
from experiments.rows.roles import BINARY
from experiments.suites.deciding import decisions, paid_by_both
from experiments.suites.errors import error_table
from experiments.suites.parts import SEED, Material, Measurement, Suite, UnmeasurableError, decided, measurement
from experiments.suites.slicing import candidates, worst

ALERT_SHARE = 0.05
MANY_ROWS = 300_000  # from so many on, scores are binned to compare two versions
DELONG = "95% interval after DeLong"
BY_BLOCK = "95% interval after Obuchowski (DeLong's, of whole groups of rows)"
WILSON = "95% score interval after Wilson"


@dataclass(frozen=True)
class _Scored:
    """Held-out rows with labels and the scores of one model, sorted once."""

    given: Material
    truth: Ints
    scores: Floats
    rows: metrics.Ranked
    blocks: Ints | None

    @property
    def positives(self) -> int:
        return int(self.truth.sum())


def measure(given: Material) -> list[Measurement]:
    """Return every measurement of the suite.

    Raises:
        UnmeasurableError: labels are not both 0 and 1, or a score is no number.
    """
    scored = _scored(given)
    found = [*_whole(scored), *_curves(scored), *decisions(given, scored.truth), *_slices(scored)]
    if given.champion is not None:
        given.progress(0.6, "Comparing with the champion")
        found += _against(scored, given.champion.held_out)
    least = given.plan.least_positives
    return [one if one.undecided else decided(one, _positives(one, scored), least, "positives") for one in found]


def _positives(found: Measurement, scored: _Scored) -> int:
    return int(found.detail.get("positives", scored.positives))


def _scored(given: Material) -> _Scored:
    scores = given.version.held_out
    try:
        truth = given.rows[given.target].to_numpy(dtype=np.float64)
        rows = metrics.ranked(np.where(np.isin(truth, (0, 1)), truth, -1), scores)
    except (ValueError, TypeError) as error:
        raise UnmeasurableError(f"{given.target}: {error}") from None
    return _Scored(given, truth.astype(np.int64), scores, rows, given.codes("entity"))


def _whole(scored: _Scored) -> list[Measurement]:
    """Return what is resampled: how the rows are ranked, and whether probabilities hold."""
    truth, scores, rows = scored.truth, scored.scores, scored.rows
    phase = "Drawing resamples"
    statistics = {
        "average_precision": partial(metrics.average_precision, rows),
        "recall_at_5pct_alerts": partial(metrics.recall_at, rows, ALERT_SHARE),
        "precision_at_5pct_alerts": partial(metrics.precision_at, rows, ALERT_SHARE),
    }
    details: dict[str, dict[str, Any]] = {
        "average_precision": {
            "precision_recall": metrics.precision_recall_curve(rows), "positives": scored.positives,
            "worst_parts": _worst_parts(scored), "errors": _errors(scored),
        },
        "recall_at_5pct_alerts": {"threshold": metrics.threshold_at(rows, ALERT_SHARE)},
    }  # fmt: skip
    if _are_probabilities(scored):
        bins = metrics.reliability(scores)
        statistics |= {
            "brier_score": partial(metrics.brier_score, truth, scores),
            "calibration_error": partial(metrics.calibration_error, truth, scores, bins),
        }
        details["calibration_error"] = {"reliability": metrics.reliability_table(truth, scores, bins)}
    found = intervals(
        [*statistics.values()], rows=len(truth), blocks=scored.blocks, seed=SEED,
        progress=lambda share: scored.given.progress(0.6 * share, phase),
    )  # fmt: skip
    method = scored.given.resampled()
    return [
        measurement(name, interval, len(truth), method, **details.get(name, {}))
        for name, interval in zip(statistics, found, strict=True)
    ]


def _are_probabilities(scored: _Scored) -> bool:
    return scored.given.task == "classification" and bool(((scored.scores >= 0) & (scored.scores <= 1)).all())


def _curves(scored: _Scored) -> list[Measurement]:
    """Return the area under the ROC curve; absent with a single row of either label, or a single entity that has any."""
    if not _has_interval(scored):
        return []
    area = metrics.roc_auc(scored.truth, scored.scores, scored.blocks)
    method = DELONG if scored.blocks is None else f"{BY_BLOCK} by {scored.given.roles['entity']}"
    return [measurement("roc_auc", area, len(scored.truth), method, roc=metrics.roc_curve(scored.rows))]


def _has_interval(scored: _Scored) -> bool:
    """Whether rows of each label lie in two blocks or more, so that the area's spread can be told."""
    of = np.arange(len(scored.truth)) if scored.blocks is None else scored.blocks
    return all(len(np.unique(of[scored.truth == label])) > 1 for label in (0, 1))


def _slices(scored: _Scored) -> list[Measurement]:
    """Return each slice's recall at the threshold that alerts 5% of all rows: whom one threshold serves less well."""
    threshold = metrics.threshold_at(scored.rows, ALERT_SHARE)
    caught = (scored.scores >= threshold) & (scored.truth == 1)
    found = []
    for name, mask in scored.given.slices().items():
        if positives := int(scored.truth[mask].sum()):
            share = metrics.wilson_interval(int(caught[mask].sum()), positives)
            detail = {"method": WILSON, "threshold": threshold, "positives": positives}
            found.append(Measurement("recall_at_5pct_alerts", *share, int(mask.sum()), name, detail=detail))
    return found


def _worst_parts(scored: _Scored) -> dict[str, Any]:
    """Return where most positives are missed by the threshold that alerts 5% of all rows."""
    given, least = scored.given, scored.given.plan.least_positives
    names = list(dict.fromkeys([*given.features, *given.plan.slices, *given.plan.groups]))
    parts = candidates(given.rows, [name for name in names if name in given.rows], given.categorical, least=least)
    caught = (scored.scores >= metrics.threshold_at(scored.rows, ALERT_SHARE)).astype(np.float64)
    search = worst(parts, caught, scored.truth == 1, least=least, higher_is_better=True)
    return {"metric": "recall_at_5pct_alerts", **search.told()}


def _errors(scored: _Scored) -> dict[str, Any]:
    """Return the positives with the lowest scores and the others with the highest, in turn."""
    rising = scored.rows.order[::-1]
    missed = rising[scored.truth[rising] == 1][:10]
    false = scored.rows.order[scored.truth[scored.rows.order] == 0][:10]
    both = [place for pair in zip(missed, false, strict=False) for place in pair]
    return error_table(scored.given, both, score=scored.scores)


def _against(scored: _Scored, champion: Floats) -> list[Measurement]:
    truth, scores, n = scored.truth, scored.scores, len(scored.truth)
    theirs = metrics.ranked(truth, champion)
    difference, method = _average_precision_difference(scored, champion)
    found = [
        measurement(
            "average_precision", difference, n, method, champion_value=metrics.average_precision(theirs),
            champion_precision_recall=metrics.precision_recall_curve(theirs),
        )
    ]  # fmt: skip
    if _has_interval(scored):
        area = metrics.roc_auc_difference(truth, scores, champion, scored.blocks)
        how = DELONG if scored.blocks is None else f"{BY_BLOCK} by {scored.given.roles['entity']}"
        found.append(
            measurement("roc_auc", area, n, f"{how}, for two curves of the same rows",
                        champion_value=metrics.roc_auc(truth, champion).value)
        )  # fmt: skip
    found += _sums_against(scored, champion)
    return [
        Measurement(one.metric, one.value, one.low, one.high, one.rows, paired=True, detail=one.detail) for one in found
    ]


def _average_precision_difference(scored: _Scored, champion: Floats) -> tuple[Interval, str]:
    given, n = scored.given, len(scored.truth)
    if n >= MANY_ROWS and scored.blocks is None:
        found = paired_average_precision_binned(scored.truth, scored.scores, champion, seed=SEED)
        how = f"{given.resampled()} by binned scores, whose shift of {found.bias:+.1e} was taken off"
        return found.interval, f"{how}; the same rows for both models"
    exact = paired_average_precision(
        scored.truth, scored.scores, champion, blocks=scored.blocks, seed=SEED,
        progress=lambda share: given.progress(0.6 + 0.4 * share, "Comparing with the champion"),
    )  # fmt: skip
    return exact, f"{given.resampled()}, the same rows for both models"


def _sums_against(scored: _Scored, champion: Floats) -> list[Measurement]:
    """Return the differences in what is made of sums: squared errors, and what decisions cost."""
    given, truth, n = scored.given, scored.truth, len(scored.truth)
    blocks = np.arange(n) if scored.blocks is None else scored.blocks
    method = f"{given.resampled()}, the same rows for both models"

    def difference(name: str, ours: Floats, theirs: Floats) -> Measurement:
        one, other = (added_up({"total": values, "rows": np.ones(n)}, blocks) for values in (ours, theirs))
        apart = differences_of_sums(one, other, {name: lambda t: t["total"] / t["rows"]}, seed=SEED)
        return measurement(name, apart[name], n, method, champion_value=float(theirs.mean()))

    found = []
    if _are_probabilities(scored) and ((champion >= 0) & (champion <= 1)).all():
        found.append(difference("brier_score", (scored.scores - truth) ** 2, (champion - truth) ** 2))
    costs = paid_by_both(given, truth)
    if costs is not None:
        found.append(difference("cost_per_case", *costs))
    return found


_RANKED = ("average_precision", "roc_auc", "recall_at_5pct_alerts", "precision_at_5pct_alerts")
_DECIDED = ("recall_at_1pct_false_positives", "recall_at_90pct_precision", "alert_rate", "cost_per_case")

SUITE = Suite(
    task="classification", name="classification-3", measure=measure, targets=(BINARY,),
    metrics=(*_RANKED, "brier_score", "calibration_error", *_DECIDED),
    compared=("average_precision", "roc_auc", "brier_score", "cost_per_case"),
)  # fmt: skip
ANOMALY = Suite(
    task="anomaly", name="anomaly-2", measure=measure, targets=(BINARY,), metrics=(*_RANKED, *_DECIDED),
    compared=("average_precision", "roc_auc", "cost_per_case"),
)  # fmt: skip
