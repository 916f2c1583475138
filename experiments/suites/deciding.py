"""What is measured of decisions: alerts at a threshold that was chosen on validation rows, what they cost, and whom they meet. Pure.

A threshold chosen on the rows it is measured on flatters. So it is chosen on the validation rows, where the data set has them, and
held fixed; without them nothing that rests on a threshold is measured. Each model gets a threshold of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from experiments import metrics
from experiments.metrics import Floats, Interval, Ints
from experiments.metrics.arrays import added_up
from experiments.metrics.bootstrap import intervals_of_sums
from experiments.metrics.costs import RowCosts, cheapest_threshold, paid, row_costs
from experiments.suites.parts import SEED, Answers, Mask, Material, Measurement, UnmeasurableError, decided, measurement
from experiments.suites.slicing import Gap, gap

FALSE_POSITIVES = 0.01
PRECISION = 0.9
ALERT_SHARE = 0.05
CHOSEN_ON = "validation rows"


@dataclass(frozen=True)
class Validation:
    """The rows that thresholds are chosen on, by the scores of one model."""

    rows: metrics.Ranked
    costs: RowCosts | None

    def threshold(self) -> tuple[float, str]:
        """Return the threshold of decisions, and by what it was chosen."""
        if self.costs is not None:
            return cheapest_threshold(self.rows, self.costs), "least cost"
        return metrics.threshold_at(self.rows, ALERT_SHARE), f"{ALERT_SHARE:.0%} of rows alerted"


def decisions(given: Material, truth: Ints) -> list[Measurement]:
    """Return what rests on thresholds; nothing where there are no validation rows of both labels."""
    chosen = _validation(given, given.version)
    if chosen is None:
        return []
    scores = given.version.held_out
    found = [
        _share_at(given, truth, metrics.threshold_at_false_positive_rate(chosen.rows, FALSE_POSITIVES),
                  "recall_at_1pct_false_positives", f"at most {FALSE_POSITIVES:.0%} false positives"),
        _share_at(given, truth, metrics.threshold_at_precision(chosen.rows, PRECISION),
                  "recall_at_90pct_precision", f"{PRECISION:.0%} precision"),
    ]  # fmt: skip
    threshold, by = chosen.threshold()
    alerted = scores >= threshold
    about = {"threshold": _finite(threshold), "chosen_on": CHOSEN_ON, "chosen_by": by}
    everyone = np.ones(len(truth), dtype=bool)
    found.append(_rate(given, "alert_rate", alerted, everyone, about))
    costs = _costs(given, given.rows, truth)
    if costs is not None:
        found.append(_cost(given, paid(costs, alerted), about))
    return [*found, *_gaps(given, truth, alerted, about)]


def paid_by_both(given: Material, truth: Ints) -> tuple[Floats, Floats] | None:
    """Return what each row costs with the version and with the champion, each at its own threshold; None where nothing is priced."""
    costs = _costs(given, given.rows, truth)
    if costs is None or given.champion is None:
        return None
    found = []
    for answers in (given.version, given.champion):
        chosen = _validation(given, answers)
        if chosen is None:
            return None
        found.append(paid(costs, answers.held_out >= chosen.threshold()[0]))
    return found[0], found[1]


def _validation(given: Material, answers: Answers) -> Validation | None:
    if given.validation is None or answers.validation is None:
        return None
    truth = given.validation[given.target].to_numpy(dtype=np.int64)
    if set(np.unique(truth)) != {0, 1}:
        return None
    return Validation(metrics.ranked(truth, answers.validation), _costs(given, given.validation, truth))


def _costs(given: Material, rows: Any, truth: Ints) -> RowCosts | None:
    matrix = given.plan.costs
    if matrix is None:
        return None
    try:
        return row_costs(matrix, truth, {name: rows[name] for name in matrix.columns if name in rows})
    except ValueError as error:
        raise UnmeasurableError(f"The costs cannot be reckoned: {error}.") from None


def _share_at(given: Material, truth: Ints, threshold: float, name: str, by: str) -> Measurement:
    """Return recall at a threshold, with what the promise that chose it came to on the held-out rows."""
    alerted, positive = given.version.held_out >= threshold, truth == 1
    about = {
        "threshold": _finite(threshold), "chosen_on": CHOSEN_ON, "chosen_by": by,
        "false_positive_rate": _told(alerted[~positive]),
        "precision": _told(positive[alerted]),
    }  # fmt: skip
    return _rate(given, name, alerted, positive, about)


def _told(hits: Mask) -> list[float] | None:
    return [*metrics.wilson_interval(int(hits.sum()), len(hits))] if len(hits) else None


def _rate(given: Material, name: str, hits: Mask, among: Mask, about: dict[str, Any]) -> Measurement:
    """Return the share of ``hits`` among rows; its interval knows which rows belong together."""
    blocks, n = given.codes("entity"), int(among.sum())
    if blocks is None:
        found, method = metrics.wilson_interval(int(hits[among].sum()), n), "95% score interval after Wilson"
    else:
        sums = added_up({"hits": (hits & among).astype(np.float64), "rows": among.astype(np.float64)}, blocks)
        found, method = _of_sums(sums, "hits"), given.resampled()
    return measurement(name, found, n, f"{method}, at a fixed threshold", **about)


def _cost(given: Material, amounts: Floats, about: dict[str, Any]) -> Measurement:
    entity = given.codes("entity")
    blocks = np.arange(len(amounts)) if entity is None else entity
    sums = added_up({"cost": amounts, "rows": np.ones(len(amounts))}, blocks)
    matrix = given.plan.costs
    return measurement(
        "cost_per_case", _of_sums(sums, "cost"), len(amounts), f"{given.resampled()}, at a fixed threshold",
        **about, costs=vars(matrix) if matrix else {}, total=float(amounts.sum()),
    )  # fmt: skip


def _of_sums(sums: dict[str, Floats], total: str) -> Interval:
    return intervals_of_sums(sums, {"mean": lambda t: t[total] / np.maximum(t["rows"], 1)}, seed=SEED)["mean"]


def _gaps(given: Material, truth: Ints, alerted: Mask, about: dict[str, Any]) -> list[Measurement]:
    """Return the widest gaps between the groups of each declared column, in rates and as ratios of them."""
    rates = {
        "recall": truth == 1,
        "false_positive_rate": truth == 0,
        "alert_rate": np.ones(len(truth), dtype=bool),
    }
    found = []
    for column in (name for name in given.plan.groups if name in given.rows):
        values = given.rows[column].astype(object).where(given.rows[column].notna(), "missing").astype(str).to_numpy()
        for rate, among in rates.items():
            of = {
                name: (int((alerted & among)[values == name].sum()), int(among[values == name].sum()))
                for name in sorted(set(values))
            }  # fmt: skip
            least = given.plan.least_positives
            widest = gap({name: counts for name, counts in of.items() if counts[1] >= least})
            if widest:
                found += _of_gap(widest, rate, column, of, about, least)
    return found


def _of_gap(
    widest: Gap, rate: str, column: str, of: dict[str, tuple[int, int]], about: dict[str, Any], least: int
) -> list[Measurement]:
    few = sorted(name for name, (_, total) in of.items() if total < least)
    rows = sum(total for _, total in widest.groups.values())
    detail = {
        **about, "highest": widest.high, "lowest": widest.low, "left_out": few,
        "groups": {name: [hits, total, *metrics.wilson_interval(hits, total)] for name, (hits, total) in of.items() if total},
    }  # fmt: skip
    told: Callable[..., Measurement] = partial(Measurement, rows=rows, data_slice=f"groups of {column}")
    pairs = "widened for all pairs of groups (Bonferroni)"
    low, high = max(0.0, widest.difference.low), widest.difference.high
    measured = [
        told(f"{rate}_gap", widest.difference.value, low, high,
             detail={"method": f"95% interval after Newcombe, {pairs}", **detail, "positives": rows})
    ]  # fmt: skip
    if widest.ratio:
        measured.append(
            told(f"{rate}_ratio", widest.ratio.value, widest.ratio.low, min(1.0, widest.ratio.high),
                 detail={"method": f"95% interval of the logarithm, {pairs}", **detail, "positives": rows})
        )  # fmt: skip
    return [decided(one, rows, least, "rows") for one in measured]


def _finite(threshold: float) -> float | None:
    """Return the threshold; None where nothing is alerted, since JSON knows no infinity."""
    return threshold if np.isfinite(threshold) else None
