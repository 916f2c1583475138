"""Callers for the demo: real rows of the months after training, sent to the gateway in a random but fixed order.

In order of time the first hour would be one day of one weather, and each demo would begin with drift that means nothing.
"""

import itertools
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pandas as pd
from django.db import OperationalError, connection

from controlplane.demo.callers import Caller, Travellers
from controlplane.demo.inference import infer_body
from controlplane.demo.labels import LateLabels
from experiments.models import DatasetVersion
from experiments.selectors import dataset_rows
from monitoring.selectors import reference_of
from registry.models import Alias, ModelVersion
from serving.contract import CHAMPION

logger = logging.getLogger(__name__)

SPLIT = "replay"
LONGEST_PAUSE_S = 10.0
REPORT_EVERY_S = 30.0
CATCH_UP_S = 0.5  # what a slow answer held up is made good; longer pauses are not
NOT_THERE = (0, 401, 404, 503)  # no gateway, not told of us or the model yet, or not loaded

Row = dict[str, Any]
Change = Callable[[Row], Row]


def champion_of(model: str) -> ModelVersion | None:
    """Return the version that serves under this name; None before the first promotion."""
    found = Alias.objects.filter(model__name=model, model__archived_at__isnull=True, name=CHAMPION)
    alias = found.select_related("version__model").first()
    return alias.version if alias else None


@dataclass
class Traffic:
    """Callers of one model at a steady rate, until ``stopping`` is set.

    Attributes:
        rate: requests per second.
        data: whose rows are replayed; None: those of the champion's training data.
        since: the first day that is replayed; empty: all.
        connections: how many requests are on their way at once.
        labels: is told what became of each answered row.
        change: what a row, with its outcome, is changed to before it is sent.
        answers: HTTP statuses since the last report; 0 where the gateway could not be reached.
        total: the same since the start.
    """

    caller: Caller
    rate: float
    stopping: threading.Event
    data: DatasetVersion | None = None
    since: str = ""
    connections: int = 1
    labels: LateLabels | None = None
    change: Change | None = None
    answers: Counter[int] = field(default_factory=Counter)
    total: Counter[int] = field(default_factory=Counter)
    _travellers: Travellers = field(default_factory=Travellers)
    _pause: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> None:
        """Send rows until told to stop; wait wherever something is not ready yet.

        Raises:
            DatasetVersion.DoesNotExist: the champion's training data are no data set here.
        """
        version = self._first_champion()
        if version is None:
            return
        data = self.data or reference_of(version)
        logger.info("replaying %s to %s, %g requests per second", data, self.caller.model, self.rate)
        free = threading.Semaphore(self.connections)
        due, reported = time.monotonic(), 0.0
        with ThreadPoolExecutor(self.connections, "caller") as callers:
            for row in itertools.chain.from_iterable(replay(data, self.since) for _ in itertools.count()):
                if time.monotonic() - reported > REPORT_EVERY_S:
                    version = self._champion_after(version)
                    self._report()
                    reported = time.monotonic()
                free.acquire()  # so a caller who waits for an answer learns of trouble before asking again
                due = max(due + 1 / self.rate, time.monotonic() - CATCH_UP_S)
                if self.stopping.wait(max(due - time.monotonic(), self._pause)):
                    break
                row = self.change(row) if self.change else row
                body = msgspec.json.encode(infer_body(version.signature["inputs"], row))
                sent = callers.submit(self._send, body, row, row[data.target])
                sent.add_done_callback(lambda _: free.release())

    def _send(self, body: bytes, row: Row, outcome: Any) -> None:
        status, request_id = self.caller.ask(body, self._travellers.next())
        with self._lock:
            self.answers[status] += 1
            self.total[status] += 1
        if status in NOT_THERE:
            self._pause = min(max(self._pause * 2, 0.5), LONGEST_PAUSE_S)
            self.caller.close()  # the gateway keeps no connection idle for so long
            return
        self._pause = 0.0
        if self.labels and status == 200:
            self.labels.note(request_id, row, outcome)

    def _first_champion(self) -> ModelVersion | None:
        if version := champion_of(self.caller.model):
            return version
        logger.info("waiting for %s to have a champion", self.caller.model)
        while version is None and not self.stopping.wait(2):
            version = champion_of(self.caller.model)
        while not self.stopping.is_set() and not self.caller.is_served():
            self.stopping.wait(0.5)
        return version

    def _champion_after(self, version: ModelVersion) -> ModelVersion:
        """Return the champion of now; without the database the gateway goes on as before, and so do its callers."""
        try:
            return champion_of(self.caller.model) or version
        except OperationalError:
            connection.close()
            return version

    def _report(self) -> None:
        with self._lock:
            told = ", ".join(f"{count} x {status or 'no answer'}" for status, count in sorted(self.answers.items()))
            self.answers.clear()
        if told:
            given = f"; {self.labels.given} outcomes told" if self.labels else ""
            logger.info("%s: %s%s", self.caller.model, told, given)


def replay(data: DatasetVersion, since: str = "") -> Iterator[Row]:
    """Yield the rows that came after training, from the day ``since`` on if one is given: in a random order, which is always the same."""
    rows = dataset_rows(data, SPLIT)
    if since:
        rows = rows[rows[data.time_column] >= pd.Timestamp(since, tz="UTC")]
    rows = rows.sort_values(data.time_column, kind="stable").sample(frac=1.0, random_state=1)
    columns = [str(name) for name in rows]
    for values in rows.itertuples(index=False, name=None):
        yield dict(zip(columns, values, strict=True))
