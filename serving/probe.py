"""Parsing a model for the first time in a child that may die: ``python -m serving.probe FORMAT``.

The child reads one line of JSON (the columns) and the model's bytes from standard input, loads, predicts, and exits 0;
anything else is a refusal.
"""

import sys

import msgspec

from serving.contract import Column
from serving.runtimes import ModelError, load_runtime
from serving.trial import UNSOUND, TrialError, limit_this_process, run_trial


def probe(format_name: str, data: bytes, columns: list[Column]) -> None:
    """Return if a child could load the model and predict with it.

    Raises:
        ModelError: it could not; says why, or how the child died.
    """
    try:
        run_trial("serving.probe", format_name, given=msgspec.json.encode(columns) + b"\n" + data)
    except TrialError as error:
        raise ModelError(str(error)) from error


def main() -> int:
    """Load the model on standard input and return the exit code."""
    limit_this_process()
    columns, _, data = sys.stdin.buffer.read().partition(b"\n")
    try:
        load_runtime(sys.argv[1], data, msgspec.json.decode(columns, type=list[Column]))
    except (ModelError, MemoryError, ValueError, TypeError, KeyError) as error:
        sys.stderr.write(f"{error or type(error).__name__}\n")
        return UNSOUND
    return 0


if __name__ == "__main__":
    sys.exit(main())
