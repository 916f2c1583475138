"""Callers for the demo: real rows of the months after training, sent to the gateway in the order in which they happened."""

import http.client
import itertools
import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

import msgspec
import pandas as pd
from django.db import OperationalError, connection

from controlplane.demo.inference import infer_body
from experiments.models import DatasetVersion
from experiments.selectors import dataset_rows
from monitoring.selectors import reference_of
from registry.models import Alias, ModelVersion
from serving.contract import CHAMPION

logger = logging.getLogger(__name__)

SPLIT = "replay"
TIMEOUT_S = 10
LONGEST_PAUSE_S = 10.0
REPORT_EVERY_S = 30.0
CATCH_UP_S = 0.5  # what a slow answer held up is made good; longer pauses are not


def champion_of(model: str) -> ModelVersion | None:
    """Return the version that serves under this name; None before the first promotion."""
    found = Alias.objects.filter(model__name=model, model__archived_at__isnull=True, name=CHAMPION)
    alias = found.select_related("version__model").first()
    return alias.version if alias else None


@dataclass
class Traffic:
    """One caller at a steady rate, until ``stopping`` is set.

    Attributes:
        rate: requests per second.
        token: what the gateway knows this caller by; none is shown where it is empty.
        answers: HTTP statuses since the last report; 0 where the gateway could not be reached.
    """

    gateway_url: str
    model: str
    rate: float
    stopping: threading.Event
    token: str = ""
    answers: Counter[int] = field(default_factory=Counter)
    _connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        """Send rows until told to stop; wait wherever something is not ready yet.

        Raises:
            DatasetVersion.DoesNotExist: the champion's training data are no data set here.
        """
        version = self._first_champion()
        if version is None:
            return
        data = reference_of(version)
        logger.info("replaying %s to %s, %g requests per second", data, self.model, self.rate)
        pause, due, reported = 0.0, time.monotonic(), 0.0
        for row, at in itertools.chain.from_iterable(_replay(data) for _ in itertools.count()):
            if time.monotonic() - reported > REPORT_EVERY_S:
                version = self._champion_after(version)
                self._report(at)
                reported = time.monotonic()
            due = max(due + 1 / self.rate, time.monotonic() - CATCH_UP_S)
            if self.stopping.wait(max(due - time.monotonic(), 0)):
                break
            status = self._send(msgspec.json.encode(infer_body(version.signature["inputs"], row)), str(row[data.key]))
            self.answers[status] += 1
            if status in (0, 401, 404) or status >= 500:  # not there, not told of us or the model yet, or in trouble
                pause = min(max(pause * 2, 0.5), LONGEST_PAUSE_S)
                self._close()  # the gateway keeps no connection idle for so long
                self.stopping.wait(pause)
            else:
                pause = 0.0
        self._close()

    def _first_champion(self) -> ModelVersion | None:
        if version := champion_of(self.model):
            return version
        logger.info("waiting for %s to have a champion", self.model)
        while version is None and not self.stopping.wait(2):
            version = champion_of(self.model)
        self._until_served()
        return version

    def _until_served(self) -> None:
        """Wait until the gateway has loaded its first champion, as a caller's own health check would."""
        ready = Request(f"{self.gateway_url}/v2/models/{quote(self.model)}/ready", headers=self._credentials())  # noqa: S310
        while not self.stopping.is_set():
            try:
                with urlopen(ready, timeout=TIMEOUT_S):  # noqa: S310
                    return
            except OSError:
                self.stopping.wait(0.5)

    def _champion_after(self, version: ModelVersion) -> ModelVersion:
        """Return the champion of now; without the database the gateway goes on as before, and so do its callers."""
        try:
            return champion_of(self.model) or version
        except OperationalError:
            connection.close()
            return version

    def _send(self, body: bytes, key: str) -> int:
        """Return the status of the answer; 0 where there is none."""
        headers = {"Content-Type": "application/json", "X-Route-Key": key} | self._credentials()
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection(urlsplit(self.gateway_url).netloc, timeout=TIMEOUT_S)
            self._connection.request("POST", f"/v2/models/{quote(self.model)}/infer", body, headers)
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            self._close()
            return 0
        return answer.status

    def _credentials(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def _close(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None

    def _report(self, at: datetime) -> None:
        if self.answers:
            told = ", ".join(f"{count} x {status or 'no answer'}" for status, count in sorted(self.answers.items()))
            logger.info("%s: %s; now at flights of %s", self.model, told, f"{at:%Y-%m-%d %H:%M}")
            self.answers.clear()


def _replay(data: DatasetVersion) -> Iterator[tuple[dict[str, Any], datetime]]:
    """Yield the rows that came after training, with their instants, in order of time."""
    rows = dataset_rows(data, SPLIT).sort_values(data.time_column, kind="stable")
    columns = [str(name) for name in rows]
    for values in rows.itertuples(index=False, name=None):
        row = dict(zip(columns, values, strict=True))
        yield row, pd.Timestamp(row[data.time_column]).to_pydatetime()
