"""Counting for rules over rows: batch by batch, counts alone kept; rows are read again where keys repeat.

Memory is that of one batch, and eight bytes a row for each rule about uniqueness.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from experiments.contracts import rules as r
from experiments.contracts.results import SAMPLE, CheckResult, result
from experiments.contracts.sources import Rows

MOST_REPEATED = 200_000  # rows that are read again to count repeated keys exactly


@dataclass(frozen=True)
class Names:
    """How rows of a batch are named."""

    key: list[str]
    before: int  # rows of the batches before

    def of(self, batch: pl.DataFrame, bad: pl.Expr, most: int) -> list[str]:
        """Return the names of the first of the rows that are bad."""
        if self.key:
            named = pl.concat_str(
                [pl.col(name).cast(pl.String) for name in self.key], separator=" · ", ignore_nulls=True
            )
            return batch.lazy().filter(bad).head(most).select(named).collect().to_series().to_list()
        positions = batch.lazy().select(pl.arg_where(bad)).head(most).collect().to_series().to_list()
        return [f"row {self.before + position}" for position in positions]


class Tally:
    """Counts for one rule, batch by batch."""

    def __init__(self, rule: r.Rule) -> None:
        self.rule = rule

    def ask(self) -> list[pl.Expr]:
        """Return what is asked of each batch, one value each."""
        return []

    def take(self, answers: Sequence[Any], batch: pl.DataFrame, names: Names) -> None:
        """Add the answers of one batch, which has rows."""

    def look_again(self, rows: Rows, key: list[str]) -> None:
        """Read the rows a second time, where that is needed."""

    def result(self, now: datetime) -> CheckResult:
        """Return what was found."""
        raise NotImplementedError


class _Share(Tally):
    """Of so many rows or values, so many break the rule."""

    def __init__(self, rule: r.Rule, kind: str) -> None:
        super().__init__(rule)
        value = _value(rule.column, kind)
        self.bad = _bad(rule, value, kind).fill_null(value=False)
        self.asked = [self.bad.sum(), pl.len() if rule.of == "rows" else value.count()]
        self.count = self.total = 0
        self.sample: list[str] = []

    def ask(self) -> list[pl.Expr]:
        return self.asked

    def take(self, answers: Sequence[Any], batch: pl.DataFrame, names: Names) -> None:
        self.count += answers[0]
        self.total += answers[1]
        if answers[0] and len(self.sample) < SAMPLE:
            self.sample += names.of(batch, self.bad, SAMPLE - len(self.sample))

    def result(self, now: datetime) -> CheckResult:
        share = self.count / self.total if self.total else 0.0
        detail = f"{self.count:,} of {self.total:,} {self.rule.of}"
        if self.count:
            detail += f", {r.percent(share)}"
        assert self.rule.limit is not None  # noqa: S101  a share
        return result(self.rule, share <= self.rule.limit, detail, measured=share, sample=self.sample)


class _Order(Tally):
    """Steps back from one row to the next; a missing value is passed over."""

    def __init__(self, rule: r.Monotone, kind: str) -> None:
        super().__init__(rule)
        self.value = _value(rule.name, kind)
        self.strict = rule.strict
        self.back = 0
        self.last: Any = None
        self.sample: list[str] = []

    def _bad(self) -> pl.Expr:
        before = self.value.forward_fill().shift(1)
        if self.last is not None:
            before = before.fill_null(pl.lit(self.last))
        return (self.value <= before if self.strict else self.value < before).fill_null(value=False)

    def ask(self) -> list[pl.Expr]:
        return [self._bad().sum(), self.value.drop_nulls().last()]

    def take(self, answers: Sequence[Any], batch: pl.DataFrame, names: Names) -> None:
        self.back += answers[0]
        if answers[0] and len(self.sample) < SAMPLE:
            self.sample += names.of(batch, self._bad(), SAMPLE - len(self.sample))
        self.last = self.last if answers[1] is None else answers[1]

    def result(self, now: datetime) -> CheckResult:
        detail = f"{self.back:,} rows come too early" if self.back else "no step back"
        return result(self.rule, not self.back, detail, measured=self.back, sample=self.sample)


class _Extremes(Tally):
    """The least and the greatest value: whether any two differ, and how old the newest is."""

    def __init__(self, rule: r.Rule, kind: str) -> None:
        super().__init__(rule)
        value = _value(rule.column, kind)
        self.asked = [value.min(), value.max()]
        self.low: Any = None
        self.high: Any = None

    def ask(self) -> list[pl.Expr]:
        return self.asked

    def take(self, answers: Sequence[Any], batch: pl.DataFrame, names: Names) -> None:
        low, high = answers
        if low is not None:
            self.low = low if self.low is None else min(self.low, low)
            self.high = high if self.high is None else max(self.high, high)

    def result(self, now: datetime) -> CheckResult:
        if not isinstance(self.rule, r.Freshness):
            return result(
                self.rule, self.low != self.high, "two values or more" if self.low != self.high else "one value or none"
            )
        if self.high is None:
            return result(self.rule, False, "no row says when")
        newest = self.high if self.high.tzinfo else self.high.replace(tzinfo=now.tzinfo)
        hours = (now - newest).total_seconds() / 3600
        detail = f"the newest is of {newest:%Y-%m-%d %H:%M} UTC, {hours:,.1f} hours before the check"
        return result(self.rule, hours <= self.rule.max_age_hours, detail, measured=hours)


class _Repeats(Tally):
    """Rows whose values came before: by 64-bit hashes of all rows, then exactly among those whose hash repeats."""

    def __init__(self, rule: r.Rule, kinds: Mapping[str, str]) -> None:
        super().__init__(rule)
        self.values = [_value(name, kinds[name]) for name in rule.columns]
        self.hashes: list[npt.NDArray[np.uint64]] = []
        self.repeats = 0
        self.sample: list[str] = []

    def take(self, answers: Sequence[Any], batch: pl.DataFrame, names: Names) -> None:
        self.hashes.append(self._hashed(batch).to_numpy())

    def _hashed(self, batch: pl.DataFrame) -> pl.Series:
        return batch.select(pl.struct(self.values).hash(seed=0)).to_series()

    def look_again(self, rows: Rows, key: list[str]) -> None:
        hashes = np.sort(np.concatenate(self.hashes)) if self.hashes else np.empty(0, np.uint64)
        self.hashes = []
        same = hashes[1:] == hashes[:-1]
        self.repeats = int(same.sum())
        if not self.repeats:
            return
        suspects = pl.Series(np.unique(hashes[1:][same]))
        held: list[pl.DataFrame] = []
        for batch in rows.batches([name for name in rows.types if name in self.rule.columns or name in key]):
            held.append(batch.filter(self._hashed(batch).is_in(suspects.implode())))
            if sum(part.height for part in held) > MOST_REPEATED:
                break
        read = pl.concat(held)
        again = ~pl.struct(self.values).is_first_distinct()
        if read.height <= MOST_REPEATED:
            self.repeats = read.select(again.sum()).item()
        self.sample = Names(key or self.rule.columns, 0).of(read, again, SAMPLE)

    def result(self, now: datetime) -> CheckResult:
        detail = f"{self.repeats:,} rows repeat another" if self.repeats else "none repeats another"
        return result(self.rule, not self.repeats, detail, measured=self.repeats, sample=self.sample)


def tally_of(rule: r.Rule, rows: Rows) -> Tally:
    """Return what counts for a rule; its columns are there."""
    match rule:
        case r.Monotone():
            return _Order(rule, rows.types[rule.name])
        case r.Varies() | r.Freshness():
            return _Extremes(rule, rows.types[rule.column])
        case r.Unique():
            return _Repeats(rule, rows.types)
    return _Share(rule, rows.types[rule.column])


def _value(column: str, kind: str) -> pl.Expr:
    """Return a column, in which what is not a number is missing."""
    return pl.col(column).fill_nan(None) if kind == "double" else pl.col(column)


def _bad(rule: r.Rule, value: pl.Expr, kind: str) -> pl.Expr:
    """Return which rows break a rule; null where there is no value to judge."""
    match rule:
        case r.Nulls():
            return value.is_null()
        case r.Range(min=low, max=high):
            outside = value.is_infinite() if kind == "double" else pl.lit(value=False)
            outside = outside | (value < low) if low is not None else outside
            return outside | (value > high) if high is not None else outside
        case r.Categories(values=values):
            return ~value.cast(pl.String).is_in(values)
        case r.Pattern(pattern=pattern):
            return ~value.str.contains(f"^(?:{pattern})$")
        case r.Length(min=low, max=high):
            characters = value.str.len_chars()
            return (characters < low) | (characters > high) if high is not None else characters < low
    raise TypeError(f"{rule.kind} is not about a share")  # pragma: no cover  every kind has its tally
