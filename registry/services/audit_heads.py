"""Heads of the audit chain, kept where the database's administrators cannot reach them."""

import os
import tempfile
from pathlib import Path

from registry.errors import ConflictError
from registry.selectors.audit_chain import chain_fault, chain_head, exported_heads


def audit_head_export(*, folder: Path) -> Path | None:
    """Write the signed head of the chain into ``folder``, beside those written before; none is ever replaced.

    Returns: the file; None where the chain is as long as the last time.

    Raises:
        ConflictError: the chain is broken, or no longer holds a head that was exported before.
        ValueError: a file in the folder is not a head of this installation.
    """
    folder.mkdir(parents=True, exist_ok=True)
    head = chain_head()
    path = folder / f"{head.seq:012d}.json"
    if head.seq == 0 or path.exists():
        return None
    if fault := chain_fault(*exported_heads(folder), head):
        raise ConflictError(f"The audit chain is broken at event {fault.seq}: {fault.what}. Its head is not exported.")
    handle, partial = tempfile.mkstemp(dir=folder, suffix=".partial")
    with os.fdopen(handle, "w") as file:
        file.write(head.signed())
        file.flush()
        os.fsync(file.fileno())
    os.link(partial, path)  # unlike a rename, it refuses to replace
    Path(partial).unlink()
    return path
