"""Files that are replaced whole."""

import os
from pathlib import Path


def replace(path: Path, data: bytes, *, mode: int) -> None:
    """Replace the file at ``path`` in one step, so that a reader sees the old or the new one whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)  # an older one may have another mode
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode), "wb") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())
    partial.replace(path)
