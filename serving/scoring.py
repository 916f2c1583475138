"""What a gateway would answer for many rows, by its own loader, in a child that may die: ``python -m serving.scoring``.

It reads a :class:`~serving.contract.ScoringRequest` and answers :class:`~serving.contract.Scores`, both as MessagePack. So
a version is measured on exactly what callers would get.
"""

import sys
import time

import msgspec

from serving.contract import FORECASTING, Scores, ScoringRequest, Version
from serving.families import fit
from serving.horizons import HORIZON, MOST_PREDICTIONS
from serving.protocol import Fault
from serving.runtimes import ModelError, Runtime, load_runtime
from serving.runtimes.searching import Searching
from serving.trial import UNSOUND, limit_this_process


def main() -> int:
    """Answer the request on standard input and return the exit code."""
    limit_this_process()
    given = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=ScoringRequest)
    try:
        runtime = load_runtime(given.format, given.model, given.columns)
        found = (
            _documents(given, runtime) if given.k else _steps(given, runtime) if given.steps else _rows(given, runtime)
        )
    except (ModelError, Fault, MemoryError, ValueError, TypeError, KeyError) as error:
        sys.stderr.write(f"{error or type(error).__name__}\n")
        return UNSOUND
    sys.stdout.buffer.write(msgspec.msgpack.encode(found))
    return 0


def _rows(given: ScoringRequest, runtime: Runtime) -> Scores:
    answer = runtime.predict(given.values, len(given.values[0]))
    return Scores(runtime.output.name, runtime.output.width, answer)


def _documents(given: ScoringRequest, runtime: Runtime) -> Scores:
    """Return what is found for each query, and how long that took; the first query once more before, since it warms caches."""
    if not isinstance(runtime, Searching):
        raise ModelError(f"a model of the format {given.format} finds no documents")
    k, (queries,) = min(given.k, runtime.most), given.values
    runtime.predict([queries[:1], [k]], 1)
    values: list[float] = []
    took, cpu = [], []
    for query in queries:
        clock, processor = time.perf_counter(), time.process_time()
        values += runtime.predict([[query], [k]], 1)
        took.append(1000 * (time.perf_counter() - clock))
        cpu.append(1000 * (time.process_time() - processor))
    return Scores(runtime.output.name, 2 * k, values, list(runtime.documents), took, cpu)


def _steps(given: ScoringRequest, runtime: Runtime) -> Scores:
    """Return the steps of each row that a caller gets who says nothing; of a model that answers several at once, all of them."""
    version = Version(0, given.format, "", "", "", [], given.columns, parameters=given.parameters)
    family, wrapped, asked = fit(FORECASTING, version, runtime)
    named = dict(zip((column.name for column in given.columns), given.values, strict=True))
    values, rows = [named[column.name] for column in asked], len(given.values[0])
    steps = given.parameters.get(HORIZON, runtime.output.width)
    at_once = max(1, MOST_PREDICTIONS // steps)
    answer: list[float] = []
    for begun in range(0, rows, at_once):
        some = [column[begun : begun + at_once] for column in values]
        answer += wrapped.predict(*family.widen({HORIZON: steps}, some, len(some[0])))
    return Scores(wrapped.output.name, steps, answer)


if __name__ == "__main__":
    sys.exit(main())
