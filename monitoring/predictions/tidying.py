"""Care of the lake: joining the small files of frequent commits, forgetting what is past its time, deleting what no reader needs.

Each is a commit of its own beside the shipper's, and may be interrupted and repeated: the shipper's memory of its segments is
part of the table, not of the files that are replaced here. A conflict with another writer fails the job, which is tried again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import pyarrow as pa

from monitoring.labelling.labels import TABLE as LABELS
from monitoring.predictions.lake import PREDICTIONS, open_table, writing

TABLES = (PREDICTIONS, LABELS)
SMALL_BYTES = 32 * 1024 * 1024
TARGET_BYTES = 128 * 1024 * 1024
FEW = 16  # small files of today that are not worth joining yet


@dataclass(frozen=True)
class Partition:
    """One model's day in one table.

    Attributes:
        model: its name at the time.
        model_ids: of the models that had this name on that day.
        small: how many files are below ``SMALL_BYTES``.
    """

    table: str
    model: str
    day: date
    model_ids: frozenset[int]
    files: int
    small: int
    rows: int

    def is_scattered(self, today: date) -> bool:
        """Whether joining its files is due."""
        return self.small > (FEW if self.day >= today else 1)

    def is_past(self, keep_days: Mapping[int, int], default: int, today: date) -> bool:
        """Whether nobody who owns it keeps it any longer."""
        longest = max(keep_days.get(model_id, default) for model_id in self.model_ids)
        return self.day < today - timedelta(days=longest)


def partitions() -> list[Partition]:
    """Return what the lake holds, oldest first."""
    found: dict[tuple[str, str, date], Partition] = {}
    for name in TABLES:
        table = open_table(name)
        files = pa.table(table.get_add_actions(flatten=True)).to_pylist() if table else []
        for file in files:
            key = (name, file["partition.model"], file["partition.day"])
            ids = frozenset((file["min.model_id"], file["max.model_id"]))
            small = file["size_bytes"] < SMALL_BYTES
            held = found.get(key, Partition(*key, frozenset(), 0, 0, 0))
            found[key] = Partition(
                *key, held.model_ids | ids, held.files + 1, held.small + small, held.rows + file["num_records"]
            )
    return sorted(found.values(), key=lambda p: (p.day, p.table, p.model))


def join_files(partition: Partition) -> None:
    """Rewrite the small files of a partition as few large ones."""
    if table := open_table(partition.table):
        table.optimize.compact(
            partition_filters=[("model", "=", partition.model), ("day", "=", str(partition.day))],
            target_size=TARGET_BYTES, max_concurrent_tasks=1, writer_properties=writing(partition.rows),
        )  # fmt: skip


def forget(partition: Partition) -> None:
    """Take a partition out of its table; a reader of an earlier state of it still finds the files for a day."""
    if table := open_table(partition.table):
        name = partition.model.replace("'", "''")
        table.delete(f"model = '{name}' AND day = DATE '{partition.day}'")


def sweep(tables: Iterable[str] = TABLES) -> int:
    """Delete the files that were replaced or forgotten more than a day ago, and return how many."""
    return sum(len(table.vacuum(dry_run=False)) for name in tables if (table := open_table(name)))
