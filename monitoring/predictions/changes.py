"""What a table of the lake gained since a state of it: read from Delta's own log, so that nothing has to be kept beside it.

Files that are only joined (``OPTIMIZE``) say in the log that no data changed, and are passed over. Once the log of a state is cleaned
up, everything in the table may be new.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec
import pyarrow as pa

from monitoring.predictions import lake


@dataclass(frozen=True)
class Added:
    """A file with new rows.

    Attributes:
        at: the range of its column ``at``; None where the log does not say, or it has none.
    """

    path: Path
    model: str
    day: date
    at: tuple[datetime, datetime] | None


def added_since(name: str, version: int | None) -> tuple[list[Added], int | None]:
    """Return the files that a table gained after ``version`` (None: all it holds), and the version that it has now.

    The version is None before anything was written.
    """
    table = lake.open_table(name)
    if table is None:
        return [], None
    now = table.version()
    try:
        if version is not None:
            return [file for n in range(version + 1, now + 1) for file in _of_commit(name, n)], now
    except FileNotFoundError:
        pass
    return list(_all(name, pa.table(table.get_add_actions(flatten=True)).to_pylist())), now


def _of_commit(name: str, version: int) -> Iterator[Added]:
    root = lake.table_path(name)
    for line in (root / "_delta_log" / f"{version:020d}.json").read_bytes().splitlines():
        add = msgspec.json.decode(line).get("add")
        if not add or not add.get("dataChange"):
            continue
        stats = msgspec.json.decode(add.get("stats") or "{}")
        ends = [stats.get(end, {}).get("at") for end in ("minValues", "maxValues")]
        at = (datetime.fromisoformat(ends[0]), datetime.fromisoformat(ends[1])) if all(ends) else None
        of = add["partitionValues"]
        yield Added(root / unquote(add["path"]), of["model"], date.fromisoformat(of["day"]), at)


def _all(name: str, files: list[dict[str, Any]]) -> Iterator[Added]:
    root = lake.table_path(name)
    for file in files:
        at = (file["min.at"], file["max.at"]) if file.get("min.at") and file.get("max.at") else None
        yield Added(root / unquote(file["path"]), file["partition.model"], file["partition.day"], at)


def hours_of(files: list[Added]) -> set[datetime]:
    """Return the hours in which rows of some files may lie; the log keeps milliseconds alone."""
    found = set()
    for file in files:
        if file.at is None:
            midnight = datetime.fromisoformat(f"{file.day}T00:00:00+00:00")
            found |= {midnight + timedelta(hours=hour) for hour in range(24)}
            continue
        hour = file.at[0].replace(minute=0, second=0, microsecond=0)
        while hour <= file.at[1] + timedelta(milliseconds=1):
            found.add(hour)
            hour += timedelta(hours=1)
    return found
