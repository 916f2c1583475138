"""How a window of labelled rows is parted by time, so that nothing known later is learnt from. Pure: instants in, intervals out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

FEWEST = 20  # rows of a part


class SplitError(ValueError):
    """The rows cannot be parted; says why."""


@dataclass(frozen=True)
class Interval:
    """A part of the rows: from the first instant until before the second."""

    begins: datetime
    ends: datetime


def split(
    times: Sequence[datetime], *, held_out: float, validation: float, embargo: timedelta, known_until: datetime
) -> dict[str, Interval]:  # fmt: skip
    """Return the parts ``train``, ``validation`` and ``held_out``, oldest first.

    Between two parts lies a gap as long as labels take: what happened to the last row of one was known before the first row of the
    next was asked, as it will be when the new version serves. Rows in the gaps belong to no part.

    Args:
        times: of the rows' predictions, ascending.
        held_out, validation: shares of the rows.
        embargo: the gap.
        known_until: the newest training row of the champion; held-out rows are later, so that neither version has seen them.

    Raises:
        SplitError: a part would have too few rows.
    """
    if len(times) < 3 * FEWEST:
        raise SplitError(f"{len(times)} labelled rows cannot be parted by time; it takes {3 * FEWEST} at least.")
    last = times[-1] + timedelta(microseconds=1)
    first_held_out = times[-max(round(len(times) * held_out), 1)]
    if first_held_out <= known_until:
        later = [at for at in times if at > known_until]
        if not later:
            raise SplitError("The champion has learnt from all rows of the window, so none could judge it.")
        first_held_out = later[0]
    before = [at for at in times if at < first_held_out - embargo]
    if not before:
        raise SplitError(f"No row is {embargo} older than the held-out ones; a longer window has some.")
    first_validation = (
        before[-max(round(len(times) * validation), 1)] if len(before) > len(times) * validation else before[0]
    )
    train_ends = first_validation - embargo
    parts = {
        "train": Interval(times[0], train_ends),
        "validation": Interval(first_validation, first_held_out - embargo),
        "held_out": Interval(first_held_out, last),
    }
    for name, part in parts.items():
        rows = sum(part.begins <= at < part.ends for at in times)
        if rows < FEWEST:
            raise SplitError(
                f"The part {name.replace('_', '-')} would have {rows} rows, and takes {FEWEST}: with {embargo} between the parts "
                f"the window is too short, or has too few labels."
            )
    return parts
