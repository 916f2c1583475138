"""How soon a version is held against the champion: a paired bootstrap of average precision, 2,000 resamples of 100,000 rows.

Side by side in one run, in turn: what is usually done (draw rows, call scikit-learn's ``average_precision_score`` for both models, each of which
sorts anew), the product's exact way (rows sorted once, a resample held as counts), and its approximate one (scores in bins, kinds of
rows drawn from a multinomial). The usual way is timed on fewer resamples with ``--quick`` and scaled: each costs the same. Its
interval is held against the exact one's, and the approximation's bias is told, of the value and of the interval's ends.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score

from benchmarks.report import Row, arguments, finish
from experiments.metrics import Interval
from experiments.metrics.bootstrap import paired_average_precision, paired_average_precision_binned

ROWS, RESAMPLES, ROUNDS = 100_000, 2_000, 3
QUICK = 60  # resamples of the usual way

Floats = npt.NDArray[np.float64]
T = TypeVar("T")


@dataclass(frozen=True)
class Scored:
    """Labels, 8% of them positive, and the scores of two models that agree mostly."""

    labels: npt.NDArray[np.int64]
    ours: Floats
    theirs: Floats

    @classmethod
    def drawn(cls) -> "Scored":
        """Draw them from a seed."""
        random = np.random.default_rng(20_261_126)
        risk = random.normal(size=ROWS)
        labels = (random.random(ROWS) < 1 / (1 + np.exp(3.2 - 1.5 * risk))).astype(np.int64)
        ours, theirs = (1 / (1 + np.exp(-risk - random.normal(0, noise, ROWS))) for noise in (0.5, 0.6))
        return cls(labels, ours, theirs)


def naive(given: Scored, resamples: int) -> Interval:
    """Return the interval as it is usually reckoned."""
    random = np.random.default_rng(1)
    drawn = []
    for _ in range(resamples):
        rows = random.integers(0, ROWS, ROWS)
        labels = given.labels[rows]
        drawn.append(
            average_precision_score(labels, given.ours[rows]) - average_precision_score(labels, given.theirs[rows])
        )
    value = average_precision_score(given.labels, given.ours) - average_precision_score(given.labels, given.theirs)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(float(value), float(low), float(high))


def main() -> None:
    """Time the three in turn, round by round, and compare what they say."""
    options = arguments(__doc__ or "")
    given = Scored.drawn()
    usual = QUICK if options.quick else RESAMPLES
    seconds: dict[str, list[float]] = {"naive": [], "exact": [], "approx": []}
    for _ in range(ROUNDS):
        peer = _timed(seconds["naive"], lambda: naive(given, usual), RESAMPLES / usual)
        exact = _timed(
            seconds["exact"],
            lambda: paired_average_precision(given.labels, given.ours, given.theirs, resamples=RESAMPLES, seed=1),
        )
        approx = _timed(
            seconds["approx"],
            lambda: paired_average_precision_binned(
                given.labels, given.ours, given.theirs, resamples=RESAMPLES, seed=1
            ),
        )
    took = {name: statistics.median(of) for name, of in seconds.items()}
    width = exact.high - exact.low
    finish(
        [
            Row("ratio.paired_ap_exact", took["naive"] / took["exact"], "", ("≥", 5)),
            Row("ratio.paired_ap_approx", took["naive"] / took["approx"], "", ("≥", 40)),
            *(Row(f"seconds.{name}", of, "s") for name, of in took.items()),
            Row("naive.resamples_timed", usual, "of 2,000"),
            Row("difference", exact.value),
            Row("width.exact", width),
            Row("width.naive_over_exact", (peer.high - peer.low) / width),
            Row("width.approx_over_exact", (approx.interval.high - approx.interval.low) / width),
            Row("approx.bias_taken_off", approx.bias),
            Row("approx.bias_taken_off_over_width", abs(approx.bias) / width),
            Row("approx.ends_off_over_width", _apart(approx.interval, exact) / width),
            Row("approx.kinds_of_rows", approx.cells),
        ],
        options.json,
    )


def _timed(seconds: list[float], act: Callable[[], T], scale: float = 1.0) -> T:
    """Do it, and note the processor time it took, scaled to all resamples: one thread each, so other work does not tell."""
    begun = time.process_time()
    found = act()
    seconds.append((time.process_time() - begun) * scale)
    return found


def _apart(one: Interval, other: Interval) -> float:
    return max(abs(one.low - other.low), abs(one.high - other.high))


if __name__ == "__main__":
    main()
