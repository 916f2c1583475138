"""A shadow's answers beside the callers': which belong together, and how far they differ. Pure arithmetic."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from monitoring.telemetry import WINDOW_SECONDS, span_start
from monitoring.trials.guards import Guard, Outputs, are_alike, number_of
from monitoring.trials.tally import REQUESTS, Request, Scope
from serving.contract import CHAMPION, SHADOW


class PairKey(NamedTuple):
    """What both sides of a pair share: a caller may use a request id twice, so the time of arrival belongs to it."""

    request_id: str
    at: float


@dataclass(frozen=True)
class Side:
    """What one version said to a request, row by row."""

    status: int
    outputs: Sequence[Outputs]
    inputs: Sequence[dict[str, Any]]
    error: str = ""

    @property
    def is_answer(self) -> bool:
        """Whether it answered."""
        return self.status < 400


@dataclass
class Sides:
    """Sides of pairs; a champion's answer is among them where the candidate is to be asked too."""

    answers: dict[PairKey, Side] = field(default_factory=dict)
    shadows: dict[PairKey, Side] = field(default_factory=dict)
    failures: list[PairKey] = field(default_factory=list)  # the champion failed, so no shadow was asked


class PairsKey(NamedTuple):
    """What is counted together."""

    guard: str
    started_at: datetime


@dataclass
class PairTally:
    """See :class:`monitoring.models.TrialPairs`."""

    answered_both: int = 0
    missing: int = 0
    alike: int = 0
    only_champion: int = 0
    only_candidate: int = 0
    n: int = 0
    total: float = 0.0
    squares: float = 0.0


class Disagreement(NamedTuple):
    """One row on which the two differ."""

    guard: str
    key: PairKey
    row: int
    size: float
    champion: Outputs
    candidate: Outputs
    error: str
    inputs: dict[str, Any]


@dataclass
class Compared:
    """What came of pairs."""

    pairs: dict[PairsKey, PairTally] = field(default_factory=dict)
    disagreements: list[Disagreement] = field(default_factory=list)

    def tally(self, guard: str, at: float) -> PairTally:
        """Return the sums of a guard's window, empty at first."""
        return self.pairs.setdefault(PairsKey(guard, span_start(at, WINDOW_SECONDS)), PairTally())


def sides_of(scope: Scope, requests: Iterable[tuple[str, Request]]) -> Sides:
    """Return the sides of pairs among requests."""
    sides = Sides()
    for arm, rows in requests:
        first = rows[0]
        key = PairKey(first.request_id, first.at)
        if arm == SHADOW:
            sides.shadows[key] = _side(rows)
        elif arm == CHAMPION and scope.candidate in first.shadows:
            if first.status < 400:
                sides.answers[key] = _side(rows)
            else:
                sides.failures.append(key)
    return sides


def _side(rows: Request) -> Side:
    return Side(rows[0].status, [row.outputs for row in rows], [row.inputs for row in rows], rows[0].error)


def compare(scope: Scope, key: PairKey, answer: Side, shadow: Side, into: Compared) -> None:
    """Count one pair. A shadow that failed is wrong where the champion was right, and like it in nothing."""
    for name, guard in _guards(scope):
        tally = into.tally(name, key.at)
        if not shadow.is_answer:
            tally.only_champion += 1
            if guard and guard.kind == "errors":
                row = Disagreement(name, key, 0, 1.0, answer.outputs[0], {}, shadow.error, answer.inputs[0])
                into.disagreements.append(row)
            continue
        tally.answered_both += 1
        if guard is None:
            continue
        different = list(_different(guard, key, answer, shadow))
        tally.alike += not different
        into.disagreements += different
        if guard.kind == "pairs" and (change := _change(guard, answer, shadow)) is not None:
            tally.n += 1
            tally.total += change
            tally.squares += change * change


def count_failures(scope: Scope, failures: Iterable[PairKey], into: Compared) -> None:
    """Count requests that the champion failed and the candidate was not asked.

    They count as if the candidate had answered. It might have failed as well, so this can only speak for it: a test that rejects "no
    worse" with these counts would reject it with the true ones.
    """
    for key in failures:
        for name, guard in _guards(scope):
            if guard and guard.kind == "errors":
                into.tally(name, key.at).only_candidate += 1


def count_missing(scope: Scope, ats: Iterable[float], into: Compared) -> None:
    """Count answers whose shadow never told."""
    for at in ats:
        for name, _ in _guards(scope):
            into.tally(name, at).missing += 1


def _guards(scope: Scope) -> Iterator[tuple[str, Guard | None]]:
    yield REQUESTS, None
    for guard in scope.guards:
        if guard.is_paired:
            yield guard.name, guard


def _different(guard: Guard, key: PairKey, answer: Side, shadow: Side) -> Iterator[Disagreement]:
    if guard.kind == "errors":
        return
    rows = zip(answer.outputs, shadow.outputs, answer.inputs, strict=False)
    for row, (one, other, inputs) in enumerate(rows):
        size = _distance(guard, one, other)
        alike = size == 0 if guard.kind == "pairs" else are_alike(guard, one, other)
        if not alike:
            yield Disagreement(guard.name, key, row, size, one, other, "", inputs)


def _distance(guard: Guard, one: Outputs, other: Outputs) -> float:
    a, b = number_of(one, guard.output), number_of(other, guard.output)
    return abs(b - a) if a is not None and b is not None else float((a is None) != (b is None) or guard.kind != "pairs")


def _change(guard: Guard, answer: Side, shadow: Side) -> float | None:
    """Return the mean of candidate minus champion over a request's rows, so that a request counts once."""
    pairs = [
        (number_of(one, guard.output), number_of(other, guard.output))
        for one, other in zip(answer.outputs, shadow.outputs, strict=False)
    ]
    changes = [b - a for a, b in pairs if a is not None and b is not None]
    return sum(changes) / len(changes) if changes else None
