"""Hundreds of runs at a glance: what an address asks for, which rows those are, and in which order. Pure.

A column is named by where its values are from: ``p:`` a parameter, ``m:`` what the run itself logged, ``e:`` evidence on held-out rows.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from experiments.drawing.plots import as_number
from registry.criteria import metric_label
from registry.errors import InvalidError
from registry.metric_words import WORDS

MOST_AXES = 10
AXES, SHOWN_COLUMNS = 6, 8  # where nothing is chosen
LOWER = re.compile(
    r"loss|error|rmse|mae\b|mape|brier|mase|wape|pinball|crps|cost|latency|seconds|false_positive|alert_rate"
)
SPENT = re.compile(r"seconds|duration|time|size|bytes")  # what a run took, rather than how good it is
GROUPS = {"p": "Parameters", "m": "Logged by the run", "e": "Held out, as evidence"}


@dataclass(frozen=True)
class RunRow:
    """One run with its values by column.

    Attributes:
        version: address and name of the version that came of it; empty where none did.
    """

    run_id: str
    name: str
    author: str
    status: str
    started_at: datetime | None
    seconds: float | None
    version: tuple[str, str] | None = None
    is_champion: bool = False
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Column:
    """What a column holds, over all runs.

    Attributes:
        known: how many runs have a value.
        distinct: how many different ones there are.
    """

    name: str
    numeric: bool
    known: int
    distinct: int

    @property
    def label(self) -> str:
        """Its name for people."""
        return column_label(self.name)

    @property
    def group(self) -> str:
        """What its values are."""
        return GROUPS[self.name[:1]]


@dataclass(frozen=True)
class Choice:
    """What the address asks for; empty where it leaves the choice to us.

    Attributes:
        ranges: by column, (least, most), either None.
        words: by column, the value that it must have.
    """

    x: str = ""
    y: str = ""
    axes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    sort: str = ""
    name: str = ""
    ranges: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)

    @property
    def filtered(self) -> bool:
        """Whether it leaves runs out."""
        return bool(self.ranges or self.words or self.name)


def column_label(name: str) -> str:
    """Return a column's name for people."""
    kind, _, bare = name.partition(":")
    return bare if kind != "e" else f"{metric_label(bare)}, held out"


def columns_of(rows: Sequence[RunRow]) -> dict[str, Column]:
    """Return every column by name: parameters, then what runs logged, then evidence."""
    values: dict[str, list[Any]] = {}
    for row in rows:
        for name, value in row.values.items():
            values.setdefault(name, []).append(value)
    order = sorted(values, key=lambda name: ("pme".index(name[:1]), name))
    return {
        name: Column(
            name, all(as_number(v) is not None for v in values[name]), len(values[name]), len(set(map(str, values[name])))
        )
        for name in order
    }  # fmt: skip


def read_choice(asked: Mapping[str, Sequence[str]], columns: Mapping[str, Column]) -> Choice:
    """Return what the parameters of an address ask for.

    Raises:
        InvalidError: a column is unknown, or a bound is no number; names the parameter.
    """
    ranges: dict[str, tuple[float | None, float | None]] = {}
    words: dict[str, str] = {}
    for key, given in asked.items():
        what, _, name = key.partition(".")
        text = given[-1].strip() if given else ""
        if what not in ("min", "max", "is") or not name or not text:
            continue
        _known(name, columns, key)
        if what == "is":
            words[name] = text
            continue
        bound = as_number(text)
        if bound is None:
            raise InvalidError(f"“{text[:80]}” is no number; it bounds {column_label(name)}.", field=key)
        low, high = ranges.get(name, (None, None))
        ranges[name] = (bound, high) if what == "min" else (low, bound)

    def several(key: str) -> tuple[str, ...]:
        found = dict.fromkeys(_known(name, columns, key) for name in asked.get(key, ()) if name)
        return tuple(found)

    def one(key: str) -> str:
        return (several(key) or ("",))[-1]

    axes = several("axis")
    if len(axes) > MOST_AXES:
        raise InvalidError(f"{len(axes)} axes are chosen; {MOST_AXES} can be told apart.", field="axis")
    sort = (asked.get("sort") or [""])[-1]
    if sort.removeprefix("-") not in ("", "started", "name"):
        _known(sort.removeprefix("-"), columns, "sort")
    name = (asked.get("q") or [""])[-1].strip()[:200]
    return Choice(one("x"), one("y"), axes, several("column"), sort, name, ranges, words)


def _known(name: str, columns: Mapping[str, Column], key: str) -> str:
    if name not in columns:
        raise InvalidError(f"None of these runs has {name[:80]!r}; leave {key[:80]} out of the address, or choose another column.", field=key)  # fmt: skip
    return name


def filtered(rows: Sequence[RunRow], choice: Choice) -> list[RunRow]:
    """Return the rows within every bound; a row without a value is outside."""
    return [row for row in rows if _within(row, choice)]


def _within(row: RunRow, choice: Choice) -> bool:
    if choice.name and choice.name.lower() not in row.name.lower() and choice.name not in row.run_id:
        return False
    for name, (low, high) in choice.ranges.items():
        value = as_number(row.values.get(name))
        if value is None or (low is not None and value < low) or (high is not None and value > high):
            return False
    return all(str(row.values.get(name, "")) == word for name, word in choice.words.items())


def ordered(rows: Sequence[RunRow], sort: str) -> list[RunRow]:
    """Return the rows by a column, downwards after a minus; what has no value comes last either way."""
    name, down = sort.removeprefix("-"), sort.startswith("-")
    if name in ("", "started"):
        known = [(row.started_at, row.run_id, row) for row in rows if row.started_at]
        known.sort(key=lambda one: one[:2], reverse=down or not name)
        return [*(row for _, _, row in known), *(row for row in rows if not row.started_at)]
    if name == "name":
        return sorted(rows, key=lambda row: row.name, reverse=down)
    with_value = [row for row in rows if row.values.get(name) is not None]
    numbers = all(as_number(row.values[name]) is not None for row in with_value)
    found = sorted(
        with_value, key=lambda row: float(row.values[name]) if numbers else str(row.values[name]), reverse=down
    )
    return [*found, *(row for row in rows if row.values.get(name) is None)]


def completed(choice: Choice, columns: Mapping[str, Column], main: Sequence[str]) -> Choice:
    """Return the choice with what it left open: parameters that vary, and the first of the ``main`` metrics that is known."""
    varied = [c for c in columns.values() if c.distinct > 1]
    params = [c for c in varied if c.name[0] == "p" and (c.numeric or c.distinct <= 20)]
    params.sort(key=lambda c: (not c.numeric, -c.known))
    metrics = [c.name for c in varied if c.name[0] != "p" and c.numeric]
    wanted = [f"e:{name}" for name in main] + [f"m:validation_{name}" for name in main] + [f"m:{name}" for name in main]

    def rank(name: str) -> tuple[int, bool, bool]:
        return (wanted.index(name) if name in wanted else len(wanted), bool(SPENT.search(name)), ":val" not in name)

    measured = sorted(metrics, key=rank)
    y = choice.y or (measured[0] if measured else "")
    x = choice.x or (params[0].name if params else next((name for name in measured if name != y), ""))
    names = [c.name for c in params]
    axes = choice.axes or (*names[: AXES - 1], *([y] if y else []))
    shown = choice.columns or tuple(dict.fromkeys([*([y] if y else []), *names, *measured]))[:SHOWN_COLUMNS]
    return Choice(x, y, axes, shown, choice.sort, choice.name, choice.ranges, choice.words)


def higher_is_better(column: str) -> bool:
    """Return which way is good: as everybody knows of the metric, or else as its name tells."""
    bare = column.partition(":")[2]
    for name in (bare, bare.removeprefix("validation_")):
        if name in WORDS:
            return WORDS[name].higher_is_better
    return not LOWER.search(bare)


def commonest(rows: Sequence[RunRow], name: str, most: int = 20) -> list[str]:
    """Return the values of a column of words, the most frequent first."""
    return [word for word, _ in Counter(str(row.values[name]) for row in rows if name in row.values).most_common(most)]
