"""Counting requests for objectives that telemetry of all requests cannot tell: of one slice, by freshness, by cost. Pure arithmetic."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, NamedTuple

from monitoring.telemetry import span_start
from serving.contract import PredictionRecord, is_withheld

SPAN_S = 300
MILLISECONDS_FROM = 1e11  # as seconds it would be the year 5138, as milliseconds it is 1973


@dataclass(frozen=True)
class Counted:
    """What one objective counts.

    Attributes:
        kind: availability, latency, freshness or cost.
        input_slice: {input: value as text} that a request has in one of its rows; empty for all requests.
        holds: whether the column of freshness holds an ``instant`` or an ``age`` in seconds.
    """

    slo_id: int
    kind: str
    input_slice: Mapping[str, str] = field(default_factory=dict)
    threshold_us: int | None = None
    column: str = ""
    holds: str = ""
    max_age_s: float = 0.0


class CountKey(NamedTuple):
    """What is counted together: one objective, one version in one arm, five minutes."""

    slo_id: int
    model_id: int
    number: int
    arm: str
    started_at: datetime


class Tally(NamedTuple):
    """Integers that add up, as in ``monitoring.models.SloCount``."""

    total: int = 0
    bad: int = 0
    rows: int = 0
    busy_us: int = 0


def plus(a: Tally, b: Tally) -> Tally:
    """Return both taken together."""
    return Tally(*(x + y for x, y in zip(a, b, strict=True)))


def tally(records: Iterable[PredictionRecord], counted: Mapping[int, list[Counted]]) -> dict[CountKey, Tally]:
    """Count requests by five minutes for each objective of their model.

    A caller's fault and a pinned request count for nothing, as in telemetry. The rows of one request follow each other.

    Args:
        counted: objectives by the id of their model.
    """
    found: dict[CountKey, Tally] = {}
    for rows in _requests(record for record in records if record.model_id in counted):
        first = rows[0]
        if first.pinned or 400 <= first.status < 500:
            continue
        at = span_start(first.at, SPAN_S)
        for of in counted[first.model_id]:
            if (met := _judge(of, rows)) != Tally():
                key = CountKey(of.slo_id, first.model_id, first.number, first.arm, at)
                found[key] = plus(found.get(key, Tally()), met)
    return found


def _requests(records: Iterable[PredictionRecord]) -> Iterator[list[PredictionRecord]]:
    for _, rows in groupby(records, key=lambda r: (r.request_id, r.model_id, r.number, r.arm, r.at)):
        yield list(rows)


def _judge(of: Counted, rows: list[PredictionRecord]) -> Tally:
    first = rows[0]
    asked = [row for row in rows if _is_in(of.input_slice, row.inputs)]
    head = first.row == 0  # a batch cut in two counts once
    failed = first.status >= 500  # 400 to 499, a caller's fault, has been left out before
    if not asked:
        return Tally()
    if of.kind == "availability":
        return Tally(total=head, bad=head and failed)
    if of.kind == "cost":
        share = round(first.latency_us * len(asked) / len(rows)) if head else 0
        return Tally(total=head, rows=0 if failed else len(asked), busy_us=share)
    if failed:
        return Tally()
    if of.kind == "latency":
        assert of.threshold_us is not None  # noqa: S101  latency has one
        return Tally(total=head, bad=head and first.latency_us > of.threshold_us)
    stale = [s for row in asked if (s := is_stale(of, row.inputs.get(of.column, _ABSENT), at=row.at)) is not None]
    return Tally(total=1, bad=any(stale)) if stale and head else Tally()


def _is_in(input_slice: Mapping[str, str], inputs: Mapping[str, Any]) -> bool:
    return all(name in inputs and text_of(inputs[name]) == value for name, value in input_slice.items())


def text_of(value: object) -> str:
    """Return a value of a slice as text: 1 and 1.0 are the same, and so are ``true`` and True."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


_ABSENT = object()


def is_stale(of: Counted, value: object, *, at: float) -> bool | None:
    """Tell whether a value is older than allowed at ``at`` (seconds since the epoch); None where the log does not hold it.

    A value that is missing, or that is neither an instant nor an age, is stale: nobody can tell that it is fresh.
    """
    if value is _ABSENT or is_withheld(value):
        return None
    age = _number(value) if of.holds == "age" else _age(value, at)
    return age is None or age > of.max_age_s


def _age(value: object, at: float) -> float | None:
    number = _number(value)
    if number is not None:
        return at - (number / 1000 if abs(number) >= MILLISECONDS_FROM else number)
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return at - moment.timestamp()


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return None if value != value else float(value)
