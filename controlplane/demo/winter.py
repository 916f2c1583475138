"""What happens to travel in the drift scenario: the weather turns, and with it who is late. Pure: real rows in, changed rows out.

The first winter holds up large aircraft, which wait to be de-iced; the summer after it small ones, which wait for a gate. So the
scenario can be run again: what was learnt of one season is wrong in the next.
"""

import hashlib
import math
from typing import Any

Row = dict[str, Any]

LARGE = 150  # seats
OFTEN, SELDOM = 0.85, 0.03  # of a flight that waits and of one that does not: how likely it is badly late
# What is added to a column, then what it is multiplied by.
WINTER = {"temperature": (-40.0, 1.0), "wind_speed": (6.0, 1.6), "visibility": (0.0, 0.4), "pressure": (-18.0, 1.0)}
SUMMER = {"temperature": (35.0, 1.0), "humidity": (0.0, 1.4), "visibility": (0.0, 0.7), "pressure": (12.0, 1.0)}


def season_of(row: Row, season: int, *, target: str, key: str) -> Row:
    """Return a row as the season would have made it, with what then became of it.

    Args:
        season: counts from 1; odd ones are winters.
        target, key: names of the columns that hold the outcome and name the row.
    """
    winter = season % 2 == 1
    changed = dict(row)
    for name, (added, times) in (WINTER if winter else SUMMER).items():
        if isinstance(row.get(name), int | float) and not math.isnan(row[name]):
            changed[name] = (row[name] + added) * times
    seats = row.get("seats")
    large = isinstance(seats, int | float) and seats > LARGE
    changed[target] = int(_chance(str(row[key]), season) < (OFTEN if large == winter else SELDOM))
    return changed


def _chance(name: str, season: int) -> float:
    """Return a number in [0, 1) that is the row's own, the same in each run."""
    return int.from_bytes(hashlib.sha256(f"{season}/{name}".encode()).digest()[:8], "big") / 2**64
