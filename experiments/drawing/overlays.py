"""Versions and runs drawn over each other: curves, learning, forecasts beside what came, queries one by one. Pure.

The first of them is what the others are held against: grey and dashed everywhere.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.drawing.charts import Line
from experiments.drawing.plots import Plot, Point, across, axis_of, band, grid_of, path, ticks_of, up

Sample = Sequence[Mapping[str, Any]]
MOST_DIFFERING = 20


@dataclass(frozen=True)
class Queries:
    """What one version answered, query by query.

    Attributes:
        values: by query, a share from 0 to 1.
        columns, told: what queries say and what was put first, by query; empty for evidence from before that was kept.
    """

    label: str
    values: Mapping[str, float]
    columns: Sequence[str] = ()
    told: Mapping[str, Sequence[str]] | None = None


@dataclass(frozen=True)
class Differing:
    """One query that two versions answer differently well, with its text and what each put first."""

    query: str
    words: list[tuple[str, str]]
    first: float
    second: float
    put_first: tuple[str, str]

    @property
    def difference(self) -> float:
        """By how much the second is better."""
        return self.second - self.first


def kind(place: int) -> str:
    """Return the class of the version at ``place``; the first is dashed and grey."""
    return "ch" if place == 0 else f"s{place}"


def learning(metric: str, curves: Sequence[tuple[str, Sequence[tuple[int, float]]]]) -> Plot | None:
    """Return a metric by step of several runs; None where none has any."""
    known = [(place, label, points) for place, (label, points) in enumerate(curves) if points]
    if not known:
        return None
    x = axis_of([step for _, _, points in known for step, _ in points])
    y = axis_of([value for _, _, points in known for _, value in points])
    by_label = {label: dict(points) for _, label, points in known}
    steps = sorted({step for points in by_label.values() for step in points})
    told = steps[:: max(1, len(steps) // 40)]
    return Plot(
        f"{metric} by step", f"{metric} by step of {len(known)} runs", "step", metric,
        lines=[Line(kind(place), label, path([(x.share(s), y.share(v)) for s, v in points])) for place, label, points in known],
        grid=grid_of(y), ticks=ticks_of(x), head=["Step", *by_label],
        rows=[[step, *(points.get(step) for points in by_label.values())] for step in told],
    )  # fmt: skip


def series_of(samples: Sequence[Sample]) -> tuple[list[str], list[int]]:
    """Return the series and the steps ahead that any of the samples has."""
    names = sorted({str(one["series"]) for sample in samples for one in sample})
    ahead = {int(step) for sample in samples for one in sample for step in one["forecast"]}
    return names, sorted(ahead)


def forecasts(series: str, ahead: int, samples: Sequence[tuple[str, Sample]]) -> Plot | None:
    """Return what was forecast of a series ``ahead`` steps before, by each version, beside what came."""
    parts = [(place, label, one) for place, (label, sample) in enumerate(samples)
             for one in sample if one["series"] == series and str(ahead) in one["forecast"]]  # fmt: skip
    if not parts:
        return None
    times = sorted({time for _, _, one in parts for time in one["times"]})
    at = {time: i for i, time in enumerate(times)}
    actual = {time: value for _, _, one in parts for time, value in zip(one["times"], one["actual"], strict=True)}
    found = {label: dict(zip(one["times"], one["forecast"][str(ahead)], strict=True)) for _, label, one in parts}
    edges = [
        one[name][str(ahead)] for _, _, one in parts for name in ("low", "high") if str(ahead) in one.get(name, {})
    ]
    y = axis_of([v for values in [actual.values(), *(f.values() for f in found.values()), *edges] for v in values])

    def line(values: Mapping[str, float | None]) -> list[tuple[float | None, float | None]]:
        return [(_share(at[t], len(times)), y.share(values.get(t))) for t in times]

    bands = [
        Line(f"b{place}", label, band(line(_by_time(one, "low", ahead)), line(_by_time(one, "high", ahead))))
        for place, label, one in parts if str(ahead) in one.get("low", {})
    ]  # fmt: skip
    lines = [Line("actual", "what came", path(line(actual)))]
    lines += [Line(kind(place), label, path(line(found[label]))) for place, label, _ in parts]
    shown = times[:: max(1, (len(times) + 4) // 5)]
    levels = next((one["levels"] for _, _, one in parts if "levels" in one), None)
    return Plot(
        f"{series}, {ahead} step{'s' if ahead > 1 else ''} ahead", f"Forecasts of {series} beside what came", "time", "value",
        lines=lines, bands=[one for one in bands if one.path], grid=grid_of(y),
        ticks=[(across(_share(at[t], len(times))), t) for t in shown], head=["Time", "What came", *found],
        rows=[[t, actual.get(t), *(values.get(t) for values in found.values())] for t in times],
        note=f"Shaded: from the {levels[0]:.0%} to the {levels[1]:.0%} quantile." if levels else "",
    )  # fmt: skip


def _by_time(one: Mapping[str, Any], name: str, ahead: int) -> dict[str, float | None]:
    return dict(zip(one["times"], one[name][str(ahead)], strict=True))


def _share(place: int, count: int) -> float:
    return (place + 0.5) / count


def query_cloud(metric: str, one: Queries, other: Queries) -> Plot | None:
    """Return one point a query, of those that both answered: the first version across, the second upwards."""
    both = [query for query in one.values if query in other.values]
    if not both:
        return None
    axis = axis_of([0.0, 1.0])
    places = Counter(
        (across(axis.share(one.values[q]) or 0), up(axis.share(other.values[q]) or 0)) for q in both
    )  # fmt: skip
    better, worse = (sum(sign * (other.values[q] - one.values[q]) > 0 for q in both) for sign in (1, -1))
    points = [
        Point(x, y, min(3 + count**0.5, 14), "q", f"{count} quer{'ies' if count > 1 else 'y'}")
        for (x, y), count in places.items()
    ]
    ends = [(axis.share(0.0), axis.share(0.0)), (axis.share(1.0), axis.share(1.0))]
    return Plot(
        f"{metric} of each query", f"{metric} of {len(both)} queries by {one.label} and {other.label}", f"{one.label}", f"{other.label}",
        lines=[Line("even", "alike", path(ends))], points=points, grid=grid_of(axis), ticks=ticks_of(axis),
        key=[("q", "queries; larger where several lie on each other")],
        note=f"Of {len(both):,} queries {other.label} answers {better:,} better and {worse:,} worse than {one.label}.",
    )  # fmt: skip


def differing(one: Queries, other: Queries) -> list[Differing]:
    """Return the queries that two versions answer most differently, the widest difference first."""
    both = [query for query in one.values if query in other.values and one.values[query] != other.values[query]]
    both.sort(key=lambda query: (-abs(other.values[query] - one.values[query]), query))
    return [
        Differing(query, _words(one, query), one.values[query], other.values[query], (_first(one, query), _first(other, query)))
        for query in both[:MOST_DIFFERING]
    ]  # fmt: skip


def _words(of: Queries, query: str) -> list[tuple[str, str]]:
    told = (of.told or {}).get(query, ())
    return [(name, text) for name, text in zip(of.columns, told, strict=False) if name != "put first" and text]


def _first(of: Queries, query: str) -> str:
    told = (of.told or {}).get(query, ())
    return told[-1] if told and of.columns and of.columns[-1] == "put first" else ""
