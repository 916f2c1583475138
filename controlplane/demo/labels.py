"""What became of the demo's predictions, told late: a flight's delay is known hours after its travellers asked."""

import heapq
import json
import logging
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

import msgspec

logger = logging.getLogger(__name__)

TIMEOUT_S = 10
MOST_WAITING = 200_000  # labels that are kept while the control plane does not answer; older ones are then lost


def known_after(row: dict[str, Any]) -> timedelta:
    """Return how long after a prediction its outcome is known: it is made an hour before departure and asks for an hour's delay."""
    return timedelta(minutes=float(row.get("block_minutes", 0)) + 120)


class LateLabels:
    """Collects outcomes and hands those that are due to the API, a batch at a time.

    Args:
        token: of a person who may give labels.
        clock: how many times faster than the world's clock the replay's runs.
        every_s: between two batches; each is one line of the audit trail.
    """

    def __init__(self, web_url: str, model: str, token: str, *, clock: float, every_s: float = 30.0) -> None:
        self.given = 0
        self._address = f"{web_url}/api/v1/models/{quote(model)}/labels"
        self._token, self._clock, self._every_s = token, clock, every_s
        self._waiting: list[tuple[float, str, Any]] = []  # a heap: when it is due, the request, the outcome
        self._lock = threading.Lock()

    def note(self, request_id: str, row: dict[str, Any], outcome: Any) -> None:
        """Take an outcome, to be told once it would be known."""
        due = time.monotonic() + known_after(row).total_seconds() / self._clock
        with self._lock:
            if len(self._waiting) < MOST_WAITING:
                heapq.heappush(self._waiting, (due, request_id, outcome))

    def run(self, stopping: threading.Event) -> None:
        """Tell what is due, again and again, until told to stop."""
        while not stopping.wait(self._every_s):
            self.tell()

    def tell(self) -> None:
        """Send what is due; what was not taken waits for the next time."""
        due = self._due()
        if not due:
            return
        known = datetime.now(UTC)
        lines = b"\n".join(msgspec.json.encode({"request_id": r, "time": known, "value": v}) for _, r, v in due)
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/x-ndjson"}
        try:
            with urlopen(Request(self._address, lines, headers), timeout=TIMEOUT_S) as answer:  # noqa: S310
                self.given += json.load(answer)["added"]
        except OSError as error:
            logger.warning("%s labels were not taken and are sent again: %s", len(due), error)
            with self._lock:
                self._waiting = list(heapq.merge(due, sorted(self._waiting)))

    def _due(self) -> list[tuple[float, str, Any]]:
        with self._lock:
            found = []
            while self._waiting and self._waiting[0][0] <= time.monotonic():
                found.append(heapq.heappop(self._waiting))
            return found
