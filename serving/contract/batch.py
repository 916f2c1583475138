"""What a batch scoring is told, and what it tells while it runs."""

from typing import Literal

import msgspec

from serving.contract.routing import Version

BatchFormat = Literal["parquet", "csv", "delta"]
CHUNK_ROWS = 20_000
SPEC_ERROR = 2  # exit code: the input or the version does not allow it; the reason is on standard error


class BatchSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """One input scored with one version, into a Delta table of its own."""

    name: str  # of this scoring, unique: a second attempt finds by it what a first one finished
    model: str
    task: str
    version: Version
    input: str  # absolute path of a file, a folder of files, or a Delta table
    format: BatchFormat
    output: str  # absolute path of the table to make
    keep: list[str] = []  # columns of the input to write beside the predictions
    horizon: int | None = None  # of a forecast
    chunk_rows: int = CHUNK_ROWS
    scheduler: str = ""  # address of a Dask scheduler; empty: this process alone
    lineage: dict[str, str] = {}  # written into the table's commit


class BatchProgress(msgspec.Struct, frozen=True):
    """How far a scoring is; one line of JSON for each chunk that was scored, and one at the end."""

    rows: int
    of: int | None  # rows of the input; None where that is not known beforehand
    input_version: int | None = None  # of a Delta table, as it was read
