"""The chunks of a batch on a Dask cluster, in order: the predictions are those of one process, whoever makes them.

Workers need this code and the artifact's folder. A scheduler runs whatever it is sent, so it belongs in a network of its own.
"""

import functools
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import pyarrow as pa
from distributed import Client

from serving.batch.reading import BatchError
from serving.batch.scoring import score
from serving.contract import BatchSpec, Version
from serving.loading import load, measure
from serving.snapshot import Servable

AHEAD = 2  # chunks on their way for each thread of the cluster


def scored(spec: BatchSpec, chunks: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the predictions of each chunk; only so many are in memory as keep the workers busy.

    Raises:
        BatchError: there is no scheduler, it has no workers, or a chunk cannot be scored.
    """
    try:
        client: Any = Client(spec.scheduler, timeout="10s", set_as_default=False)
    except OSError as error:
        raise BatchError(f"no Dask scheduler answers at {spec.scheduler}") from error
    with client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise BatchError(f"the Dask scheduler at {spec.scheduler} has no workers")
        text = msgspec.json.encode(spec)
        waiting: deque[Any] = deque()
        first = 0
        for chunk in chunks:
            waiting.append(client.submit(_score, text, chunk, first, pure=False, retries=2))
            first += chunk.num_rows
            if len(waiting) > AHEAD * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _score(text: bytes, chunk: pa.RecordBatch, first: int) -> pa.RecordBatch:
    spec = msgspec.json.decode(text, type=BatchSpec)
    return score(spec, _servable(msgspec.json.encode(spec.version), spec.task), chunk, first)


@functools.lru_cache(maxsize=2)
def _servable(text: bytes, task: str) -> Servable:
    version = msgspec.json.decode(text, type=Version)
    return load(version, task, measure(version))
