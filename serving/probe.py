"""Parsing a model for the first time in a child that may die: ``python -m serving.probe FORMAT``.

A malformed file can crash a library or exhaust memory. The child reads one line of JSON (the columns) and the model's
bytes from standard input, limits itself, loads, predicts, and exits 0; anything else is a refusal.
"""

import os
import resource
import subprocess
import sys
from pathlib import Path

import msgspec

from serving.contract import Column
from serving.runtimes import ModelError, load_runtime

CPU_SECONDS = 30
MEMORY_BYTES = 4 * 1024**3
UNSOUND = 3  # exit code: the reason is on standard error


def probe(format_name: str, data: bytes, columns: list[Column]) -> None:
    """Return if a child could load the model and predict with it.

    Raises:
        ModelError: it could not; says why, or how the child died.
    """
    try:
        child = subprocess.run(  # noqa: S603  our own interpreter and module
            [sys.executable, "-m", "serving.probe", format_name],
            input=msgspec.json.encode(columns) + b"\n" + data,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=2 * CPU_SECONDS, check=False,
            cwd=Path(__file__).parent.parent,
            env={"PATH": os.defpath, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONNOUSERSITE": "1"},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ModelError(f"the model could not be loaded within {2 * CPU_SECONDS} s") from None
    if child.returncode < 0:
        raise ModelError(f"loading the model killed a trial process (signal {-child.returncode})")
    if child.returncode:
        lines = child.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise ModelError(lines[-1][:500])


def main() -> int:
    """Load the model on standard input and return the exit code."""
    _limit(resource.RLIMIT_CPU, CPU_SECONDS)
    _limit(resource.RLIMIT_AS, MEMORY_BYTES)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    columns, _, data = sys.stdin.buffer.read().partition(b"\n")
    try:
        load_runtime(sys.argv[1], data, msgspec.json.decode(columns, type=list[Column]))
    except (ModelError, MemoryError, ValueError, TypeError, KeyError) as error:
        sys.stderr.write(f"{error or type(error).__name__}\n")
        return UNSOUND
    return 0


def _limit(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))


if __name__ == "__main__":
    sys.exit(main())
