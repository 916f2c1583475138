"""What a gateway would answer for many rows, by its own loader, in a child that may die: ``python -m serving.scoring``.

It reads a :class:`~serving.contract.ScoringRequest` and answers :class:`~serving.contract.Scores`, both as MessagePack. So
a version is measured on exactly what callers would get.
"""

import sys

import msgspec

from serving.contract import Scores, ScoringRequest
from serving.runtimes import ModelError, load_runtime
from serving.trial import UNSOUND, limit_this_process


def main() -> int:
    """Answer the request on standard input and return the exit code."""
    limit_this_process()
    given = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=ScoringRequest)
    try:
        runtime = load_runtime(given.format, given.model, given.columns)
        answer = runtime.predict(given.values, len(given.values[0]))
    except (ModelError, MemoryError, ValueError, TypeError, KeyError) as error:
        sys.stderr.write(f"{error or type(error).__name__}\n")
        return UNSOUND
    sys.stdout.buffer.write(msgspec.msgpack.encode(Scores(runtime.output.name, runtime.output.width, answer)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
