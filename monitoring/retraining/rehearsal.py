"""When a policy would have started a retraining, by what is still known of the past. Pure: findings with their instants in, starts out."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.retraining.findings import Finding, holds, in_one_sentence, labels_found
from monitoring.retraining.holds import Situation, held_by
from monitoring.retraining.parts import Policy

MOST_LOOKS = 2_000  # at how many labels came: the count is exact, the instant of a start nearly so
UNKNOWN = Finding("", None, "")


@dataclass(frozen=True)
class Known:
    """What one condition would have found from an instant on, until the next such instant.

    Attributes:
        leaf: which of ``policy.when.leaves()``.
    """

    at: datetime
    leaf: int
    finding: Finding


@dataclass(frozen=True)
class Start:
    """One retraining that would have begun.

    Attributes:
        held: how long it would have waited for a pause to pass.
    """

    at: datetime
    why: str
    held: timedelta

    @property
    def held_s(self) -> float:
        """The same in seconds."""
        return self.held.total_seconds()


def starts(policy: Policy, known: Sequence[Known], *, labelled: Sequence[datetime], since: datetime, until: datetime) -> list[Start]:  # fmt: skip
    """Return when retrainings would have begun in [``since``, ``until``), if each had ended at once.

    Args:
        known: in order of time; a turn of a schedule counts at its instant alone.
        labelled: when labels came, ascending.
    """
    leaves = policy.when.leaves()
    state = [UNKNOWN] * len(leaves)
    began: list[Start] = []
    last = since
    for at, changes in _by_instant(known, leaves_with_labels(policy), labelled):
        if not since <= at < until:
            continue
        for change in changes:
            state[change.leaf] = change.finding
        for leaf, condition in enumerate(leaves):
            if condition.kind == "labels":
                new = bisect_right(labelled, at) - bisect_right(labelled, last)
                state[leaf] = labels_found(condition, new, since=last)
        if holds(policy.when, state):
            start = _start(policy, began, at, enough=bisect_right(labelled, at))
            if start is not None and start < until and (not began or start > began[-1].at):
                began.append(Start(start, in_one_sentence(state), start - at))
                last, state = start, [UNKNOWN] * len(leaves)
        state = [UNKNOWN if leaves[leaf].kind == "schedule" else one for leaf, one in enumerate(state)]
    return began


def leaves_with_labels(policy: Policy) -> list[int]:
    """Return which conditions count labels."""
    return [leaf for leaf, condition in enumerate(policy.when.leaves()) if condition.kind == "labels"]


def _by_instant(
    known: Sequence[Known], counting: Sequence[int], labelled: Sequence[datetime]
) -> list[tuple[datetime, list[Known]]]:
    instants: dict[datetime, list[Known]] = {}
    for one in known:
        instants.setdefault(one.at, []).append(one)
    if counting:
        for at in labelled[:: max(1, len(labelled) // MOST_LOOKS)]:
            instants.setdefault(at, [])
    return sorted(instants.items())


def _start(policy: Policy, began: Sequence[Start], at: datetime, *, enough: int) -> datetime | None:
    """Return when it would start, once pauses have passed; None where rows are too few, or a person would start it."""
    for _ in range(10):
        situation = Situation(
            now=at, last_ended=began[-1].at if began else None, starts=[one.at for one in began], labels=enough
        )
        hold = held_by(policy, situation)
        if hold is None or hold.rule == "person":
            return at
        if hold.until is None:
            return None
        at = hold.until
    return None
