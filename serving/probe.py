"""Parsing a model for the first time in a child that may die: ``python -m serving.probe FORMAT``.

The child reads one line of JSON (the columns) and the model's bytes from standard input, loads, predicts, and exits 0;
anything else is a refusal. It answers how many bytes of memory the model takes.
"""

import gc
import resource
import sys
import time
from pathlib import Path

import msgspec

from serving.contract import Column
from serving.runtimes import ModelError, load_runtime
from serving.trial import CPU_SECONDS, UNSOUND, TrialError, limit_this_process, run_trial


def probe(format_name: str, data: bytes, columns: list[Column]) -> int:
    """Return how many bytes the model takes in memory, if a child could load it and predict with it.

    Raises:
        ModelError: it could not; says why, or how the child died.
    """
    try:
        return int(run_trial("serving.probe", format_name, given=msgspec.json.encode(columns) + b"\n" + data))
    except TrialError as error:
        raise ModelError(str(error)) from error


def main() -> int:
    """Load the model on standard input and return the exit code."""
    limit_this_process()
    columns, _, data = sys.stdin.buffer.read().partition(b"\n")
    try:
        taken = measured(sys.argv[1], data, msgspec.json.decode(columns, type=list[Column]))
    except (ModelError, MemoryError, ValueError, TypeError, KeyError) as error:
        sys.stderr.write(f"{error or type(error).__name__}\n")
        return UNSOUND
    sys.stdout.write(str(taken))
    return 0


def measured(format_name: str, data: bytes, columns: list[Column]) -> int:
    """Load the model and return by how many bytes that made this process grow.

    It is loaded twice, and the second time counts: the first one brings the library's own code and tables into memory. A
    model that takes long is loaded once.
    """
    first = _resident()
    models = [load_runtime(format_name, data, columns)]
    if time.process_time() < CPU_SECONDS / 4:
        first = _resident()
        models.append(load_runtime(format_name, data, columns))
    return max(0, _resident() - first)


def _resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


if __name__ == "__main__":
    sys.exit(main())
