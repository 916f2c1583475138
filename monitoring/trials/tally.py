"""What a trial counts of some records: sums that add up, and which events would be a key's first. Pure arithmetic."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from monitoring.telemetry import WINDOW_SECONDS, span_start
from monitoring.trials.guards import Guard, has_event, is_exposed, mean_of
from serving.contract import BASIS_POINTS, CANARY, CHAMPION, SHADOW, PredictionRecord

REQUESTS = ""  # the guard's place where requests themselves are counted
Request = list[PredictionRecord]  # the rows of one request, as one version answered them


@dataclass(frozen=True)
class Scope:
    """What a trial is about: two versions by number, from an instant to another (seconds since the epoch)."""

    trial_id: int
    champion: int
    candidate: int
    since: float
    until: float
    guards: tuple[Guard, ...]

    def arm_of(self, record: PredictionRecord) -> str | None:
        """Return the arm that a record counts for; None where its caller chose the version, erred, or it is of no arm of the trial."""
        if record.pinned or 400 <= record.status < 500 or not self.since <= record.at < self.until:
            return None
        of = self.champion if record.arm == CHAMPION else self.candidate
        return record.arm if record.number == of and record.arm in (CHAMPION, CANARY, SHADOW) else None


class WindowKey(NamedTuple):
    """What is counted together."""

    guard: str
    arm: str
    weight_bp: int
    started_at: datetime


@dataclass
class Sums:
    """See :class:`monitoring.models.TrialWindow`."""

    exposed: int = 0
    events: int = 0
    first_events: int = 0
    n: int = 0
    total: float = 0.0
    squares: float = 0.0

    def measure(self, value: float) -> None:
        """Add one value."""
        self.n += 1
        self.total += value
        self.squares += value * value


class Event(NamedTuple):
    """The earliest event of a key, as far as these records go."""

    at: float
    window: WindowKey


@dataclass
class Tally:
    """What was counted.

    Attributes:
        windows: sums without first events, which only the earlier records could tell.
        events: by guard and key, in whichever of the arms that answer callers.
        candidate_keys: that the candidate answered.
        until: arrival of the latest request; None without any.
        candidate_until: of the latest one that the candidate answered as canary.
    """

    windows: dict[WindowKey, Sums] = field(default_factory=dict)
    events: dict[tuple[str, int], Event] = field(default_factory=dict)
    candidate_keys: set[int] = field(default_factory=set)
    until: float | None = None
    candidate_until: float | None = None

    def sums(self, key: WindowKey) -> Sums:
        """Return the sums of a window, empty at first."""
        return self.windows.setdefault(key, Sums())


def requests_of(scope: Scope, records: Iterable[PredictionRecord]) -> Iterator[tuple[str, Request]]:
    """Yield the requests that a trial counts, each with its arm; the rows of a request follow each other in a segment."""
    rows: Request = []
    for record in records:
        if rows and (record.row == 0 or record.request_id != rows[0].request_id):
            yield from _counted(scope, rows)
            rows = []
        rows.append(record)
    if rows:
        yield from _counted(scope, rows)


def _counted(scope: Scope, rows: Request) -> Iterator[tuple[str, Request]]:
    arm = scope.arm_of(rows[0])
    if arm is not None:
        yield arm, rows


def candidate_share(arm: str, weight_bp: int) -> int:
    """Return the candidate's share in force at a record, which holds that of its own arm; of a shadow, the share mirrored."""
    return BASIS_POINTS - weight_bp if arm == CHAMPION else weight_bp


def tally_trial(scope: Scope, requests: Iterable[tuple[str, Request]]) -> Tally:
    """Count requests as the trial's guards do."""
    tally = Tally()
    guards = [guard for guard in scope.guards if guard.is_events or guard.kind == "mean"]
    for arm, rows in requests:
        first = rows[0]
        share, started_at = candidate_share(arm, first.weight_bp), span_start(first.at, WINDOW_SECONDS)
        tally.sums(WindowKey(REQUESTS, arm, share, started_at)).exposed += 1
        tally.until = max(tally.until or 0.0, first.at)
        if arm == CANARY:
            tally.candidate_until = max(tally.candidate_until or 0.0, first.at)
            tally.candidate_keys.add(first.key_hash)
        for guard in guards:
            if is_exposed(guard, first):
                _count(tally, guard, WindowKey(guard.name, arm, share, started_at), rows)
    return tally


def _count(tally: Tally, guard: Guard, window: WindowKey, rows: Request) -> None:
    sums = tally.sums(window)
    sums.exposed += 1
    if not guard.is_events:
        value = mean_of(guard, [row.outputs for row in rows])
        if value is not None:
            sums.measure(value)
    elif has_event(guard, rows):
        sums.events += 1
        key = (guard.name, rows[0].key_hash)
        earliest = tally.events.get(key)
        if window.arm != SHADOW and (earliest is None or rows[0].at < earliest.at):
            tally.events[key] = Event(rows[0].at, window)
