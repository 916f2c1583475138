"""Which rows are learned from and which are held out: by time, by entity, by chance, or as the rows say. Pure.

A split by entity or by chance is decided by a hash, so that a row stays where it is when others are added, and so that anybody can
work it out: the first 8 bytes, big-endian, of BLAKE2b over ``{seed}:{value}`` in UTF-8, divided by 2^64, is a number in [0, 1); the
shares, in their order, cut that range.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from itertools import accumulate, pairwise
from typing import Any

import polars as pl

from experiments.contracts.sources import Rows
from experiments.rows.roles import BINARY, CATEGORY, GRADE
from registry.errors import InvalidError

SPLIT_COLUMN = "split"
POLICIES = {
    "time": "by time: what is held out is later than what is learned from",
    "entity": "by entity: all rows of an entity lie in one split",
    "random": "by chance, with a seed",
    "given": "as a column of the rows says",
}
SHARES = {"train": 0.7, "validation": 0.15, "held_out": 0.15}
WORDS_SHOWN = 12  # of a target that is one of several words


@dataclass(frozen=True)
class SplitPolicy:
    """How rows are split.

    Attributes:
        kind: of ``POLICIES``.
        column: the time; or what is hashed; or what names the split.
        cuts: {split: (from, until)} of a split by time: half-open, ISO days or instants, UTC. Splits may overlap.
        shares: {split: share} of a split by hash, or of one by time whose cuts are still to be found.
        seed: of the hash.
    """

    kind: str
    column: str
    cuts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in POLICIES:
            raise InvalidError(f"A split is one of {', '.join(POLICIES)}.", field="split/kind")
        if not self.column:
            raise InvalidError(f"A split {POLICIES[self.kind]} needs a column for it.", field="split/kind")
        if self.kind in ("entity", "random") and not self.shares:
            raise InvalidError("Say which share of the rows each split has.", field="split/shares")
        bad = [name for name, share in self.shares.items() if not 0 < share <= 1]
        if bad or (self.shares and abs(sum(self.shares.values()) - 1) > 1e-6):
            raise InvalidError("The shares of the splits must be above 0 and add up to 1.", field="split/shares")

    @property
    def is_hashed(self) -> bool:
        """Whether a hash decides."""
        return self.kind in ("entity", "random")

    @property
    def words(self) -> str:
        """How people say it."""
        match self.kind:
            case "time":
                return f"by {self.column}, UTC; the day of “until” is left out"
            case "given":
                return f"as {self.column} says"
        return f"{'by entity: ' if self.kind == 'entity' else 'by chance, '}hash of {self.column}, seed {self.seed}"

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values, as a version keeps it."""
        return asdict(self)


def by_time(column: str, cuts: Mapping[str, Sequence[str]]) -> SplitPolicy:
    """Return the policy of splits that are intervals of ``column``."""
    return SplitPolicy("time", column, cuts={name: tuple(between) for name, between in cuts.items()})


def position(value: object, seed: int) -> float:
    """Return where the hash puts a value, in [0, 1)."""
    return int.from_bytes(hashlib.blake2b(f"{seed}:{value}".encode(), digest_size=8).digest()) / 2**64


def assigned(values: pl.Series, policy: SplitPolicy) -> pl.Series:
    """Return the split of each value under a policy that hashes; a missing value has a place like any other."""
    names, ends = list(policy.shares), list(accumulate(policy.shares.values()))
    ends[-1] = 1.0

    def split_of(value: object) -> str:
        at = position(value, policy.seed)
        return next(name for name, end in zip(names, ends, strict=True) if at < end)

    text = values.cast(pl.String).fill_null("")
    distinct = text.unique()
    return text.replace_strict(distinct, pl.Series([split_of(one) for one in distinct], dtype=pl.String)).alias(
        SPLIT_COLUMN
    )


def cuts_by_share(times: pl.Series, shares: Mapping[str, float]) -> dict[str, tuple[str, str]]:
    """Return the intervals of time that hold about these shares of the rows, the first the earliest.

    Raises:
        InvalidError: there are too few instants to cut between.
    """
    ordered = times.drop_nulls().sort()
    ends = [round(share * (len(ordered) - 1)) for share in accumulate(shares.values())]
    bounds = (
        [ordered[0], *(ordered[at] for at in ends[:-1]), ordered[-1] + timedelta(microseconds=1)]
        if len(ordered)
        else []
    )
    if len(bounds) < 2 or any(a >= b for a, b in pairwise(bounds)):
        raise InvalidError(
            "The times of the rows are too few to cut them into these splits; split by entity or by chance.",
            field="split/kind",
        )
    iso = [bound.isoformat() for bound in bounds]
    return dict(zip(shares, pairwise(iso), strict=True))


def mask(name: str, facts: Mapping[str, Any], time_column: str) -> pl.Expr:
    """Return which rows belong to a split with these facts, as a version keeps them."""
    if "column" in facts:
        return pl.col(facts["column"]) == name
    start, until = (
        pl.lit(facts[end]).str.to_datetime(time_unit="us", time_zone="UTC", strict=True) for end in ("from", "until")
    )
    return (pl.col(time_column) >= start) & (pl.col(time_column) < until)


def split_facts(
    rows: Rows, *, policy: SplitPolicy, target: str, kind: str = BINARY, time_column: str = ""
) -> dict[str, dict[str, Any]]:
    """Return what is known of each split, in bounded memory.

    Returns: {name: {rows, column | from, until, …}}: with ``positives`` where the target is yes or no, ``counts`` where it is a
        grade or a word, else ``min``, ``max`` and ``mean``. A split that is no interval of time is named by a ``column``, and its
        ``from`` and ``until`` are the span of its rows.
    """
    found: dict[str, _Tally] = {}
    if policy.kind == "time":
        found = {name: _Tally({"from": start, "until": until}, kind) for name, (start, until) in policy.cuts.items()}
    column = SPLIT_COLUMN if policy.is_hashed else policy.column
    for batch in rows.batches(list(dict.fromkeys(filter(None, [column, target, time_column])))):
        names = list(found) if policy.kind == "time" else batch[column].drop_nulls().unique().sort().to_list()
        for name in names:
            tally = found.setdefault(name, _Tally({"column": column}, kind))
            tally.add(batch.filter(mask(name, tally.facts, time_column)), target, time_column)
    return {name: tally.result() for name, tally in sorted(found.items(), key=lambda item: order(item[0]))}


def order(name: str) -> tuple[int, str]:
    """Return where people look for a split: what is learned from first, then what tunes, then what is held out."""
    known = [*SHARES, "replay"]
    return (known.index(name) if name in known else len(known), name)


class _Tally:
    """What adds up to the facts of one split."""

    def __init__(self, facts: dict[str, Any], kind: str) -> None:
        self.facts, self.kind = facts, kind
        self.rows = self.there = 0
        self.total = 0.0
        self.counts: dict[str, int] = {}
        self.ends: list[Any] = []
        self.times: list[Any] = []

    def add(self, rows: pl.DataFrame, target: str, time_column: str) -> None:
        """Add rows of the split."""
        self.rows += rows.height
        values = rows[target].drop_nulls()
        if "column" in self.facts and time_column:
            self.times = _ends([*self.times, rows[time_column].min(), rows[time_column].max()])
        if self.kind in (GRADE, CATEGORY):
            for value, count in values.cast(pl.String).alias("value").value_counts().iter_rows():
                self.counts[value] = self.counts.get(value, 0) + count
            return
        numbers = values.cast(pl.Float64).drop_nans()
        self.there += len(numbers)
        self.total += float(numbers.sum())
        self.ends = _ends([*self.ends, numbers.min(), numbers.max()])

    def result(self) -> dict[str, Any]:
        """Return the facts."""
        facts = {**self.facts, "rows": self.rows}
        if self.times:
            facts |= {
                "from": self.times[0].isoformat(),
                "until": (self.times[-1] + timedelta(microseconds=1)).isoformat(),
            }
        if self.kind == BINARY:
            return facts | {"positives": int(self.total)}
        if self.kind == GRADE:
            return facts | {"counts": {key: self.counts[key] for key in sorted(self.counts, key=int)}}
        if self.kind == CATEGORY:
            often = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
            return facts | {"counts": dict(often[:WORDS_SHOWN]), "words": len(often)}
        if not self.there:
            return facts
        return facts | {"min": self.ends[0], "max": self.ends[-1], "mean": self.total / self.there}


def _ends(values: Sequence[Any]) -> list[Any]:
    there = [value for value in values if value is not None]
    return [min(there), max(there)] if there else []
