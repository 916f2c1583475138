"""Versions and runs beside each other: what differs, and which way is better. Pure: facts of each in, rows out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from registry.criteria import metric_label

FEWEST, MOST = 2, 6
T = TypeVar("T")
ALONE = ""  # the part of the data that is all of it


@dataclass(frozen=True)
class Value:
    """One measured value with its interval and the digest of the data."""

    value: float
    low: float | None = None
    high: float | None = None
    data: str = ""


@dataclass(frozen=True)
class Facts:
    """What is known of one version.

    Attributes:
        about: label and text of its plain facts, in order.
        data: the same of the rows it was trained on.
        params: what it was trained with; empty where that is not known here.
        inputs: the columns it takes.
        measured: by metric and part of the data.
        paired: of some of them the difference to the first version, measured on the same rows.
        logged: what its run logged itself, by name.
    """

    about: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    inputs: Sequence[str] = ()
    measured: Mapping[tuple[str, str], Value] = field(default_factory=dict)
    paired: Mapping[tuple[str, str], Value] = field(default_factory=dict)
    logged: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """One version's entry in a row.

    Attributes:
        better: against the first version: True, False, or None where it cannot be said.
        unclear: chance may explain the difference: its own interval holds 0, or, where it has none, the two intervals overlap.
        paired: the difference was measured on the same rows; then it has an interval of its own.
    """

    text: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    difference: float | None = None
    better: bool | None = None
    unclear: bool = False
    paired: bool = False
    difference_low: float | None = None
    difference_high: float | None = None


@dataclass(frozen=True)
class Row:
    """One fact of all versions; ``note`` says what makes its values hard to compare."""

    label: str
    cells: list[Cell]
    differs: bool
    note: str = ""


@dataclass(frozen=True)
class Group:
    """Rows of one kind."""

    title: str
    rows: list[Row]

    @property
    def differing(self) -> int:
        """How many of its rows differ."""
        return sum(row.differs for row in self.rows)


def compare(versions: Sequence[Facts], *, higher_is_better: Mapping[str, bool]) -> list[Group]:
    """Return the rows of all versions by kind; arrows are against the first one.

    Args:
        higher_is_better: which way is good, by metric; a metric that is not in it gets no arrows.
    """
    metrics = _in_order(key for facts in versions for key in facts.measured)
    whole = [_measured(metric, ALONE, versions, higher_is_better) for metric, part in metrics if part == ALONE]
    parts = [_measured(metric, part, versions, higher_is_better) for metric, part in sorted(metrics) if part != ALONE]
    groups = [
        Group("Measured", whole),
        Group("Parts of the data", parts),
        Group("Logged by the run", _logged(versions)),
        Group("Training data", _texts([facts.data for facts in versions])),
        Group("Parameters", _texts([facts.params for facts in versions])),
        Group("Inputs", _inputs(versions)),
        Group("Version", _texts([facts.about for facts in versions])),
    ]
    return [group for group in groups if group.rows]


def _measured(metric: str, part: str, versions: Sequence[Facts], directions: Mapping[str, bool]) -> Row:
    values = [facts.measured.get((metric, part)) for facts in versions]
    first, higher = values[0], directions.get(metric)
    apart = [facts.paired.get((metric, part)) for facts in versions]
    cells = [
        _cell(value, first if place else None, higher, apart[place] if place else None)
        for place, value in enumerate(values)
    ]
    known = [value for value in values if value]
    on = {value.data for value in known}
    label = f"{metric_label(metric)}, {part}" if part else metric_label(metric)
    note = "measured on different data, so the values do not compare" if len(on) > 1 else ""
    return Row(label, cells, len({value.value for value in known}) > 1 or len(known) < len(values), note)


def _cell(value: Value | None, first: Value | None, higher: bool | None, apart: Value | None = None) -> Cell:
    """Return a cell; ``apart`` is the difference to the first version where it was measured on the same rows as both."""
    if value is None:
        return Cell()
    if first is None:
        return Cell(value=value.value, low=value.low, high=value.high)
    if apart and apart.data == value.data == first.data and apart.low is not None and apart.high is not None:
        return Cell(
            value=value.value, low=value.low, high=value.high, difference=apart.value,
            better=None if higher is None or not apart.value else (apart.value > 0) == higher,
            unclear=apart.low <= 0 <= apart.high, paired=True, difference_low=apart.low, difference_high=apart.high,
        )  # fmt: skip
    difference = value.value - first.value
    better = None if higher is None or not difference or value.data != first.data else (difference > 0) == higher
    return Cell(
        value=value.value, low=value.low, high=value.high, difference=difference, better=better,
        unclear=_overlap(value, first),
    )  # fmt: skip


def _logged(versions: Sequence[Facts]) -> list[Row]:
    """Return what runs logged themselves; of how many rows, and which, only they know, so nothing is said to be better."""
    rows = []
    for name in sorted(_in_order(name for facts in versions for name in facts.logged)):
        cells = [_cell(Value(facts.logged[name]) if name in facts.logged else None, None, None) for facts in versions]
        rows.append(Row(name, cells, len({cell.value for cell in cells}) > 1))
    return rows


def _overlap(one: Value, other: Value) -> bool:
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return False
    return one.low <= other.high and other.low <= one.high


def _texts(facts: Sequence[Mapping[str, Any]]) -> list[Row]:
    rows = []
    for label in _in_order(label for one in facts for label in one):
        texts = [str(one[label]) if label in one else "" for one in facts]
        rows.append(Row(label, [Cell(text=text) for text in texts], len(set(texts)) > 1))
    return rows


def _inputs(versions: Sequence[Facts]) -> list[Row]:
    """Return one row for each input that not all versions take, and how many there are."""
    if not any(facts.inputs for facts in versions):
        return []
    counts = [str(len(facts.inputs)) for facts in versions]
    rows = [Row("Columns", [Cell(text=count) for count in counts], len(set(counts)) > 1)]
    for name in _in_order(name for facts in versions for name in facts.inputs):
        takes = [name in facts.inputs for facts in versions]
        if not all(takes):
            rows.append(Row(name, [Cell(text="yes" if taken else "no") for taken in takes], True))
    return rows


def _in_order(items: Iterable[T]) -> list[T]:
    """Return each item once, where it first stood."""
    return list(dict.fromkeys(items))
