"""Drift of 40 columns against 100,000 reference rows, beside Evidently's DataDriftPreset, and how often either cries wolf.

Each side compares the same tables in a process of its own (``benchmarks.drift_sides``), nothing kept of an earlier time: 30 columns of numbers and 10 of categories, a
third of which have moved. ``exact`` is all statistics of this product with its own decisions and ranking, ``compatible`` what
the preset works out: the one statistic that decides, and Evidently's decision. ``incremental`` judges a window of a million rows from its stored counts, unpacked as they come from
PostgreSQL. False alarms and detection are counted over windows that each hold all shapes of columns once; an alarm is a column called
drifted or broken, before allowing for the number of columns. Evidently's rates are those of its rules, which ``agreement`` shows to be its own.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.catalogue import ROOT
from benchmarks.drift_data import KINDS, SHAPES, columns_of, table
from benchmarks.report import Row, arguments, finish
from monitoring.drift.features import SLOTS, Cells, Feature, add_all, cells_of, features_of
from monitoring.drifting import Binned, Finding, Reference, binned_of, evidently_rules, judge, reference_of, samples
from registry.histograms import bins_of, category_histogram, number_histogram

REFERENCE = 100_000
SIZES = {"10k": 10_000, "100k": 100_000, "1m": 1_000_000}
WINDOWS = 50, 100, 200, 500, 1_000, 5_000
SIDES = {
    "evidently": 1,
    "exact": 3,
    "compatible": 3,
}  # times in a round: what is done in less than a second is asked more often
ROUNDS = 3


def main() -> None:
    """Compare the tables, then judge many windows."""
    options = arguments(__doc__ or "")
    sizes = dict(list(SIZES.items())[:1]) if options.quick else SIZES
    with tempfile.TemporaryDirectory() as folder:
        rows, seconds = _compared(Path(folder), sizes, 1 if options.quick else ROUNDS)
    rows += _incremental(seconds, 100_000 if options.quick else 1_000_000)
    rows += _alarms(20 if options.quick else 400)
    rows += _outlier()
    finish(rows, options.json)


def _compared(folder: Path, sizes: dict[str, int], rounds: int) -> tuple[list[Row], float]:
    """Return the figures of whole tables, and Evidently's seconds for the largest."""
    rows: list[Row] = []
    agreed, differences = [], []
    table(REFERENCE, 0).write_parquet(folder / "reference.parquet")
    seconds = 0.0
    for size, n in sizes.items():
        table(n, n, moved=True).write_parquet(folder / "current.parquet")
        told: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
        for _ in range(rounds):
            for side, times in SIDES.items():
                told[side] += [_child(side, folder) for _ in range(times)]
        took, cpu, peak = (
            {side: statistics.median(one[what] for one in told[side]) for side in SIDES}
            for what in ("s", "cpu_s", "peak_mb")
        )
        seconds = took["evidently"]
        theirs, ours = told["evidently"][0]["columns"], told["compatible"][0]["columns"]
        agreed += [
            theirs[name]["method"] == one["method"] and theirs[name]["drifted"] == one["drifted"]
            for name, one in ours.items()
        ]
        differences += [abs(theirs[name]["score"] - one["score"]) for name, one in ours.items()]
        rows.append(Row(f"ratio.exact_{size}", took["evidently"] / took["exact"], "x", ("≥", 20)))
        rows.append(Row(f"ratio.compatible_{size}", took["evidently"] / took["compatible"], "x", ("≥", 20)))
        for side in SIDES:
            rows.append(Row(f"s.{side}_{size}", took[side], "s"))
            rows.append(Row(f"cpu_s.{side}_{size}", cpu[side], "s"))
            rows.append(Row(f"peak_mb.{side}_{size}", peak[side], "MB"))
    return [
        *rows,
        Row("agreement", sum(agreed) / len(agreed), "", ("≥", 1)),
        Row("max_abs_diff", max(differences), "", ("≤", 1e-9)),
        Row("columns_compared", len(agreed)),
    ], seconds


def _child(side: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.drift_sides", side, str(folder)]
    done = subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True)  # noqa: S603
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _incremental(seconds: float, n: int) -> list[Row]:
    """Judge one large window from its counts, and its 24 parts taken together."""
    reference = table(REFERENCE, 0)
    histograms = {
        name: number_histogram(values) if KINDS[name] == "number" else category_histogram(values)
        for name, values in columns_of(reference).items()
    }
    features = features_of(histograms)
    references = [reference_of(feature, histograms[feature.name], 1.0) for feature in features]
    current = table(n, n, moved=True)
    parts = [_cells(features, part) for part in _split(current, 24)]
    whole = _cells(features, current)
    packed = whole.pack()
    first = _timed(lambda: _judged(references, features, packed))
    again = statistics.median(_timed(lambda: _judged(references, features, packed)) for _ in range(9))
    day = statistics.median(_timed(lambda: _judged(references, features, add_all(parts).pack())) for _ in range(5))
    batch = current.head(1_000).to_dicts()
    binning = statistics.median(_timed(lambda: cells_of(features, batch)) for _ in range(9)) / len(batch)
    merged = [
        reduce(add, (dict(_windows(features, part))[name] for part in parts)) for name, _ in _windows(features, whole)
    ]
    equal = add_all(parts) == whole and merged == [one for _, one in _windows(features, whole)]
    return [
        Row("ratio.incremental", seconds / again, "x", ("≥", 500)),
        Row("ms.incremental", again * 1e3, "ms"),
        Row("ms.incremental_first", first * 1e3, "ms"),
        Row("ms.incremental_24_windows", day * 1e3, "ms"),
        Row("us.binning_per_row", binning * 1e6, "µs"),
        Row("state_bytes", len(packed), "B", ("≤", 100_000)),
        Row("merge_24_equal", float(equal), "", ("≥", 1)),
    ]


def _timed(call: Any) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _split(rows: pl.DataFrame, parts: int) -> list[pl.DataFrame]:
    each = -(-len(rows) // parts)
    return [rows[start : start + each] for start in range(0, len(rows), each)]


def _cells(features: list[Feature], rows: pl.DataFrame) -> Cells:
    """Count columns as the shipper counts rows."""
    columns = columns_of(rows)
    return add_all(
        Cells(counted.places + i * SLOTS, counted.counts)
        for i, feature in enumerate(features)
        for counted in [Cells.count(feature.place_all(columns[feature.name]))]
    )


def _windows(features: list[Feature], cells: Cells) -> list[tuple[str, Binned]]:
    return [(feature.name, binned_of(feature, counted)) for feature, counted in cells.by_feature(features)]


def _judged(references: list[Reference], features: list[Feature], packed: bytes) -> list[Finding]:
    windows = _windows(features, Cells.unpack(packed))
    return judge([(reference, window) for reference, (_, window) in zip(references, windows, strict=True)])


def _alarms(windows: int) -> list[Row]:
    """Return how often columns that have not moved alarm, and columns that have are found."""
    rows = []
    kept = _References(REFERENCE, 1)
    for n in WINDOWS:
        clean, moved = kept.rates(n, windows), kept.rates(n, max(windows // 4, 20), shift=0.25)
        small = _References(1_000, 2).rates(n, max(windows // 4, 20), renew=1)
        wanted = ("≤", 0.01) if n in (50, 100, 500, 5_000) else None
        rows += [
            Row(f"false_alarm.{n}", clean["all"], "", wanted),
            Row(f"false_alarm.worst_shape.{n}", max(clean[name] for name in SHAPES)),
            Row(f"false_alarm.reference_1000.{n}", small["all"]),
            Row(f"false_alarm.evidently.{n}", clean["evidently"]),
            Row(f"detect_quarter_sd.{n}", moved["normal"], "", ("≥", 0.95) if n == 500 else None),
            *(
                Row(f"detect_quarter_sd.{name}.{n}", moved[name])
                for name in ("skewed", "heavy", "mostly_zero")
                if n == 500
            ),
            Row(f"detect_quarter_sd.evidently.{n}", moved["evidently_normal"]),
        ]
    return rows


class _References:
    """A reference of each shape, and windows held against them."""

    def __init__(self, rows: int, seed: int) -> None:
        self._rows, self._random = rows, np.random.default_rng(seed)
        self._renew()

    def _renew(self) -> None:
        self._values = {name: shape(self._random, self._rows) for name, shape in SHAPES.items()}
        histograms = {
            name: category_histogram(values.tolist()) if values.dtype.kind == "U" else number_histogram(values)  # type: ignore[arg-type]
            for name, values in self._values.items()
        }
        self._features = features_of(histograms)
        self._references = [reference_of(feature, histograms[feature.name]) for feature in self._features]
        self._sorted = {name: np.sort(values) for name, values in self._values.items() if values.dtype.kind != "U"}
        self._names = {name: pl.Series(values) for name, values in self._values.items() if values.dtype.kind == "U"}

    def rates(self, n: int, windows: int, *, shift: float = 0.0, renew: int = 0) -> dict[str, float]:
        """Return shares of windows that alarm, by shape; of ``shift`` standard deviations where a shape has some."""
        alarms = dict.fromkeys(SHAPES, 0)
        theirs = dict.fromkeys(SHAPES, 0)
        asked = min(windows, 200)  # of Evidently's rules, which are slower and alarm far more often
        for i in range(windows):
            if renew and i % renew == 0:
                self._renew()
            drawn = {name: self._moved(name, shape(self._random, n), shift) for name, shape in SHAPES.items()}
            pairs = [
                (one, self._window(feature, drawn[feature.name]))
                for one, feature in zip(self._references, self._features, strict=True)
            ]
            for finding in judge(pairs, fdr=0.999):
                alarms[finding.name] += finding.alone or bool(finding.breaks)
            if i < asked:
                for name, values in drawn.items():
                    theirs[name] += evidently_rules.decide(self._pair(name, values))[-1]
        found = {name: hits / windows for name, hits in alarms.items()}
        return found | {
            "all": sum(alarms.values()) / windows / len(SHAPES),
            "evidently": sum(theirs.values()) / asked / len(SHAPES),
            "evidently_normal": theirs["normal"] / asked,
        }

    def _moved(self, name: str, values: Any, shift: float) -> Any:
        if not shift or values.dtype.kind == "U":
            return values
        return values + shift * self._sorted[name].std()

    def _window(self, feature: Feature, values: Any) -> Binned:
        if feature.places is not None:
            return binned_of(
                feature,
                dict(
                    zip(
                        *(side.tolist() for side in np.unique(feature.place_all(values.tolist()), return_counts=True)),
                        strict=True,
                    )
                ),
            )
        return Binned(np.bincount(bins_of(feature.edges, values), minlength=len(feature.edges) + 1))

    def _pair(self, name: str, values: Any) -> samples.Pair:
        if values.dtype.kind == "U":
            return samples.Categories.of(self._names[name], pl.Series(values))
        return samples.Numbers(self._sorted[name], np.sort(values), (0, 0))


def _outlier() -> list[Row]:
    """Shift 1,000 values by half a standard deviation, and put one far away among them."""
    random = np.random.default_rng(3)
    before = np.sort(random.normal(size=10_000))
    shifted = random.normal(0.5, 1, 999)
    histogram = number_histogram(before)  # type: ignore[arg-type]
    feature = features_of({"x": histogram})[0]
    rows = []
    for name, last in (("without", 0.5), ("with", 1e4)):
        values = np.append(shifted, last)
        pair = samples.Numbers(before, np.sort(values), (0, 0))
        window = Binned(np.bincount(bins_of(feature.edges, values), minlength=len(feature.edges) + 1))
        found = judge([(reference_of(feature, histogram), window)])[0]
        rows += [
            Row(f"outlier.{name}.evidently_psi", samples.population_stability(*pair.counts)),
            Row(f"outlier.{name}.psi", found.statistics["psi"] or 0.0),
            Row(f"outlier.{name}.wasserstein", found.distance),
            Row(f"outlier.{name}.drifted", float(found.drifted), "", ("≥", 1)),
        ]
    return rows


if __name__ == "__main__":
    main()
