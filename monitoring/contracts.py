"""Holding what was lately predicted to a data contract, by counts that exist. Pure: no ORM, clock or settings.

A count tells of a share only what chance leaves of it: a rule is broken where even the low end of an exact interval lies beyond its
limit. A bin that straddles a bound, and a value that the reference never saw, may break a rule or not: such a share is known between
two ends, and where the limit lies between them the rule is left undecided. Beyond the reference's range the tails tell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from math import inf
from typing import Any

from scipy.special import betaincinv

from experiments.contracts.rules import Categories, LiveFreshness, LiveRows, Nulls, Range, Rule, percent
from monitoring.drift.features import BROKEN, MISSING, UNSEEN, Feature
from monitoring.drift.tails import Tails, reach_of

MIN_ROWS = 50  # fewer say nothing about a share
CHANCE = 0.01  # that any rule of a contract is called broken by chance, in one look


class State(StrEnum):
    """How a rule stands."""

    BROKEN = "broken"
    UNSURE = "unsure"
    HELD = "held"
    NO_DATA = "no_data"


@dataclass(frozen=True)
class LiveResult:
    """One rule held to what was lately predicted.

    Attributes:
        low, high: between which the measured value is known to lie; equal where it is known.
        rows: of how many.
    """

    rule: str
    kind: str
    column: str
    name: str
    severity: str
    state: State
    low: float | None
    high: float | None
    limit: float | None
    rows: int
    detail: str
    reason: str

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Lately:
    """What is counted of a model.

    Attributes:
        features: each with its rows by place, and ``tails`` how far they reach beyond their range, where that is known.
        silent_minutes: since the last prediction; None where none is remembered.
        hour_rows: predictions of the last hour.
    """

    features: Mapping[str, tuple[Feature, Mapping[int, int]]]
    silent_minutes: float | None
    hour_rows: int
    tails: Tails = field(default_factory=dict)


def judge(rules: Sequence[Rule], lately: Lately) -> list[LiveResult]:
    """Return how each rule stands that counts can tell of, broken ones first; the others are asked of data set versions alone."""
    shares = [
        (rule, rows, low, high)
        for rule in rules
        if rule.column in lately.features and (counted := _counted(rule, *lately.features[rule.column], lately.tails))
        for rows, low, high in [counted]
    ]
    found = [_of_share(*one, chance=CHANCE / len(shares)) for one in shares]
    for rule in rules:
        match rule:
            case LiveFreshness(max_age_minutes=limit):
                found.append(_freshness(rule, limit, lately.silent_minutes))
            case LiveRows():
                found.append(_hour(rule, lately))
    order = list(State)
    return sorted(found, key=lambda r: (order.index(r.state), r.severity == "advisory"))


def lower_bound(count: int, total: int, *, chance: float) -> float:
    """Return the low end of the one-sided exact interval of a share, which is too high with probability ``chance`` at most.

    Args:
        count: of ``total``, 0 <= count <= total.

    Source: Clopper and Pearson 1934.
    """
    return float(betaincinv(count, total - count + 1, chance)) if count else 0.0


def _counted(rule: Rule, feature: Feature, places: Mapping[int, int], tails: Tails) -> tuple[int, int, int] | None:
    """Return of how many values a rule is asked, and how many break it at least and at most; None: counts cannot tell."""
    total = sum(places.values())
    missing = places.get(MISSING, 0)
    match rule:
        case Nulls():
            return total, missing, missing
        case Range(min=low, max=high) if feature.places is None and feature.edges.size:
            bounds = -inf if low is None else low, inf if high is None else high
            return total - missing - places.get(BROKEN, 0), *_outside(feature, places, *bounds, tails)
        case Categories(values=values) if feature.places is not None:
            known = set(values)
            wrong = sum(
                n for name, place in feature.places.items() if name not in known and (n := places.get(place, 0))
            )
            unseen = places.get(UNSEEN, 0)
            certain = not known - feature.places.keys()  # else what the reference never saw may be one of these
            return total - missing, wrong + unseen * certain, wrong + unseen
    return None


def _outside(feature: Feature, places: Mapping[int, int], low: float, high: float, tails: Tails) -> tuple[int, int]:
    """Return how many numbers lie outside two bounds at least and at most; where a known tail straddles one, at least one does."""
    surely = perhaps = 0
    for place, n in places.items():
        if place >= BROKEN:
            continue
        least, greatest, seen = reach_of(feature, place, tails)
        if greatest < low or least > high:
            surely += n
        elif least < low or greatest > high:
            surely += seen
            perhaps += n - seen
    return surely, surely + perhaps


def _of_share(rule: Rule, rows: int, least: int, most: int, *, chance: float) -> LiveResult:
    limit = rule.limit
    assert limit is not None  # noqa: S101  a share
    if rows < MIN_ROWS:
        return _result(
            rule, State.NO_DATA, None, None, rows, f"{rows:,} values; {MIN_ROWS} say something about a share"
        )
    low, high = least / rows, most / rows
    told = (
        f"{least:,} of {rows:,}, {percent(low)}" if least == most else f"{percent(low)} to {percent(high)} of {rows:,}"
    )
    if lower_bound(least, rows, chance=chance) > limit:
        return _result(rule, State.BROKEN, low, high, rows, told)
    if high <= limit:
        return _result(rule, State.HELD, low, high, rows, told)
    why = (
        "that is within chance"
        if low > limit
        else "on which side of the bound they lie cannot be told from the telemetry"
    )
    return _result(rule, State.UNSURE, low, high, rows, f"{told}; {why}")


def _freshness(rule: Rule, limit: float, silent: float | None) -> LiveResult:
    if silent is None:
        return _result(rule, State.NO_DATA, None, None, 0, "no prediction is remembered")
    state = State.BROKEN if silent > limit else State.HELD
    return _result(rule, state, silent, silent, 0, f"the last one was {silent:.0f} minutes ago")


def _hour(rule: LiveRows, lately: Lately) -> LiveResult:
    if lately.silent_minutes is None:
        return _result(rule, State.NO_DATA, None, None, 0, "no prediction is remembered")
    rows = lately.hour_rows
    few = rule.min_per_hour is not None and rows < rule.min_per_hour
    many = rule.max_per_hour is not None and rows > rule.max_per_hour
    state = State.BROKEN if few or many else State.HELD
    return _result(rule, state, rows, rows, rows, f"{rows:,} in the last hour")


def _result(rule: Rule, state: State, low: float | None, high: float | None, rows: int, detail: str) -> LiveResult:
    return LiveResult(
        rule=rule.key, kind=rule.kind, column=rule.column, name=rule.words, severity=rule.severity, state=state, low=low,
        high=high, limit=rule.limit, rows=rows, detail=detail, reason=rule.reason,
    )  # fmt: skip
