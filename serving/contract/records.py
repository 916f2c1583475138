"""The prediction record, and the segments that hold it."""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

# Upper edges of the latency histogram, in microseconds: 1-2-5 steps from 50 us to 10 s; the last bin is open.
LATENCY_EDGES_US = (
    50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
    1_000_000, 2_000_000, 5_000_000, 10_000_000,
)  # fmt: skip


HASHED = "hashed:"  # what a value begins with that the model's policy keeps from the log: as a keyed hash,
MASKED = "•••"  # or hidden but for its end


def is_withheld(value: object) -> bool:
    """Whether ``value`` stands in a record for one that the model's policy keeps from the log."""
    return isinstance(value, str) and value.startswith((HASHED, MASKED))


Value = float | int | bool | str | None


class PredictionRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One row answered (or failed) by one version. Fields are only ever added at the end."""

    request_id: str
    row: int  # position in the request, from 0
    at: float  # seconds since the epoch, UTC, when the request arrived
    model: str
    model_id: int
    number: int  # version
    arm: str
    table_version: int
    weight_bp: int  # of the arm, in force at the request
    key_hash: int  # 64-bit hash of the caller's key, which decided the arm
    pinned: bool  # the caller named the version or forced the arm: never enters verdicts
    status: int  # as HTTP
    latency_us: int
    inputs: dict[str, Value]
    outputs: dict[str, float | int | str]  # empty where the request failed
    error: str = ""
    caller_id: int = 0  # of the token that asked; 0 where none was shown or asked for
    shadows: tuple[int, ...] = ()  # versions in whose shadow's share it falls: asked the same once it was answered


class PredictionBatch(msgspec.Struct, frozen=True, gc=False):
    """The rows of one request that one version answered: what they share once, and their values by column."""

    shared: PredictionRecord  # of the first row, without inputs and outputs
    inputs: dict[str, list[Value]]  # empty where the model's policy keeps all columns from the log
    outputs: dict[str, list[float | int | str]]  # at least one

    def records(self) -> Iterator[PredictionRecord]:
        """Yield the record of each row."""
        known = msgspec.structs.astuple(self.shared)
        before, after = known[2:_INPUTS], known[_INPUTS + 2 :]
        inputs, outputs = (zip(*columns.values(), strict=True) for columns in (self.inputs, self.outputs))
        for row, answered in enumerate(outputs):
            given = dict(zip(self.inputs, next(inputs, ()), strict=True))
            fields = (known[0], row, *before, given, dict(zip(self.outputs, answered, strict=True)), *after)
            yield _make(*fields)


_make: Callable[..., PredictionRecord] = PredictionRecord
_INPUTS = PredictionRecord.__struct_fields__.index("inputs")
_LENGTH = struct.Struct("<I")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(PredictionRecord).decode
_decode_batch = msgspec.msgpack.Decoder(PredictionBatch).decode

SEALED = ".segment"  # a finished segment; a file being written ends in .open


def frame(record: PredictionRecord | PredictionBatch) -> bytes:
    """Return the record as a segment holds it: four bytes of length (little endian), then MessagePack.

    A record is an array there and a batch a map, so that the first byte tells them apart.
    """
    body = _encode(record)
    return _LENGTH.pack(len(body)) + body


def read_segment(path: Path) -> Iterator[PredictionRecord]:
    """Yield the records of a segment; a torn last record (its writer was killed) was never acknowledged and is left out."""
    data = path.read_bytes()
    at = 0
    while at + _LENGTH.size <= len(data):
        (length,) = _LENGTH.unpack_from(data, at)
        end = at + _LENGTH.size + length
        if end > len(data):
            return
        held = data[at + _LENGTH.size : end]
        if _is_map(held):
            yield from _decode_batch(held).records()
        else:
            yield _decode(held)
        at = end


def _is_map(held: bytes) -> bool:
    return held[0] >> 4 == 8  # MessagePack's maps of up to 15 fields: 0x80 to 0x8f


def sealed_segments(root: Path) -> list[Path]:
    """Return finished segments, oldest first: ``root/<spool id>/<number>.segment``; never one without those before it.

    A listing may miss a file that is renamed meanwhile, and still show a later one. Segments are sealed in order, so
    whatever the first listing shows, the second one has all that came before.
    """
    newest: dict[Path, Path] = {}
    for path in root.glob(f"*/*{SEALED}"):
        newest[path.parent] = max(path, newest.get(path.parent, path))
    return sorted(p for p in root.glob(f"*/*{SEALED}") if p.parent in newest and p <= newest[p.parent])
