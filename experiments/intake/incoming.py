"""A file on its way: written to disk as it arrives, hashed meanwhile, and never more of it than may be. No ORM and no clock."""

import hashlib
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self

from registry.errors import InvalidError

MAGIC = 4  # first bytes, by which a format is known


class TooLargeError(InvalidError):
    """A file is larger than may be taken; says the limit and the way out."""

    code = "too-large"
    status = 413

    def __init__(self, most_bytes: int) -> None:
        super().__init__(
            f"The file is larger than {most_bytes:,} bytes, the most that one upload may hold. Send it as Parquet, which takes a "
            "fraction of a CSV; declare a Delta table or a PostgreSQL query as the source instead; or ask whoever runs the platform "
            "to raise SOURCE_MAX_BYTES.",
            field="file",
        )


class Incoming:
    """One file that arrives in pieces; within a ``with`` it is deleted again unless it was kept.

    Attributes:
        path: where it lies.
        size: bytes that have arrived.
        begins: its first bytes.
    """

    def __init__(self, root: Path, most_bytes: int) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.path, self.most_bytes = root / uuid.uuid4().hex, most_bytes
        self.size, self.begins = 0, b""
        self._hash, self._file, self._kept = hashlib.sha256(), self.path.open("xb"), False

    def write(self, piece: bytes) -> None:
        """Take the next piece.

        Raises:
            TooLargeError: it would be more than may be; nothing of the piece is written.
        """
        if self.size + len(piece) > self.most_bytes:
            raise TooLargeError(self.most_bytes)
        self._file.write(piece)
        self._hash.update(piece)
        self.size += len(piece)
        if len(self.begins) < MAGIC:
            self.begins = (self.begins + piece)[:MAGIC]

    @property
    def digest(self) -> str:
        """Return ``sha256:…`` over what has arrived."""
        return f"sha256:{self._hash.hexdigest()}"

    def close(self) -> None:
        """See that all of it lies on disk."""
        self._file.close()

    def keep(self) -> None:
        """Let it stay."""
        self.close()
        self._kept = True

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Delete it, unless it was kept and nothing went wrong since."""
        self.close()
        if error is not None or not self._kept:
            self.path.unlink(missing_ok=True)
