"""What every run of a scenario has in common: callers meanwhile, the engineer who asks and the approver who agrees, and waiting."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from django.conf import settings
from django.db import connection

from controlplane.demo import description
from controlplane.demo.callers import Caller
from controlplane.demo.labels import LateLabels
from controlplane.demo.people import person
from controlplane.demo.traffic import Change, Traffic
from experiments.models import DatasetVersion
from jobs.models import Job
from jobs.states import State as JobState
from registry import selectors
from registry.models import Promotion, RegisteredModel
from registry.services import promotion_approve

LOOK_EVERY_S = 0.3
PATIENCE_S = 600.0  # for any one thing that jobs, gateways or a rollout are to do
AFTERWARDS_S = 5.0  # of traffic after the end, so that one sees who answers then
CONNECTIONS = 4
CLOCK = 2000.0
WINTER = "2013-10-01"

Found = TypeVar("Found")


class StoppedError(Exception):
    """The rehearsal was told to stop, or waited too long for something."""


class Named(Protocol):
    """What is played: a scenario of any kind."""

    @property
    def name(self) -> str:
        """What commands call it."""

    @property
    def path(self) -> str:
        """The address of its model."""

    @property
    def title(self) -> str:
        """What the page calls it."""

    @property
    def model(self) -> str:
        """The name of its model."""


@dataclass(frozen=True)
class Ended:
    """How a run ended.

    Attributes:
        what: ``rollout`` or ``retraining``.
        good: whether it ended as the scenario should.
        told: its state and why, in words.
    """

    what: str
    path: str
    good: bool
    told: str


@dataclass
class Play:
    """One run of a scenario.

    Attributes:
        rate: requests per second.
        speed: how many times faster than usual its phases pass.
        say: is told the share done, and each step in words.
        stopping: ends it early; what it began is then left as it is, without traffic.
    """

    scenario: Named
    rate: float
    speed: float
    say: Callable[[float, str], None]
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> Ended:
        """Play it, and return how it ended.

        Raises:
            ConflictError: what an earlier run began waits for a person's decision.
            StoppedError: it was stopped, or something did not come about.
        """
        try:
            return self.play()
        finally:
            connection.close()

    def play(self) -> Ended:
        """Do what people would do, and wait for what comes of it."""
        raise NotImplementedError

    def approve(self, promotion: Promotion, why: str) -> Promotion:
        """Have the approver agree to what is shown now."""
        promotion.refresh_from_db()
        seen = selectors.promotion_binding(promotion, selectors.promotion_checks(promotion))
        return promotion_approve(actor=person("approver"), promotion_id=promotion.pk, seen=seen.digest, reason=why)

    @contextmanager
    def traffic(
        self, model: RegisteredModel, data: DatasetVersion, *, clock: float = CLOCK, every_s: float = 30.0,
        change: Change | None = None,
    ) -> Iterator[Traffic]:  # fmt: skip
        """Send requests to the model, and what became of them to the API, as long as the body lasts.

        Args:
            clock: how many times faster than the world's clock outcomes are known.
            every_s: between two batches of labels.
            change: what a row and its outcome are changed to before it is sent.
        """
        described, stopping = description.read(), threading.Event()
        token = described["users"]["engineer"]["token"]
        labels = LateLabels(settings.WEB_URL, model.name, token, clock=clock, every_s=every_s)
        traffic = Traffic(
            Caller(settings.GATEWAY_URL, model.name, described["callers"].get(description.CALLER, "")), self.rate, stopping,
            data=data, since=WINTER, connections=CONNECTIONS, labels=labels, change=change,
        )  # fmt: skip
        self.until(traffic.caller.is_served, f"the gateway to serve {model.name}")
        threads = [threading.Thread(target=_closing(work)) for work in (traffic.run, lambda: labels.run(stopping))]
        for thread in threads:
            thread.start()
        try:
            yield traffic
        finally:
            stopping.set()
            for thread in threads:
                thread.join()

    def tell(self, traffic: Traffic) -> None:
        """Say what callers were answered."""
        told = ", ".join(f"{count} x {status or 'no answer'}" for status, count in sorted(traffic.total.items()))
        self.say(1.0, f"Requests: {told}.")

    def until(self, look: Callable[[], Found | None], what: str) -> Found:
        """Return what ``look`` finds in the end."""
        deadline = time.monotonic() + PATIENCE_S
        while not (found := look()):
            if self.stopping.wait(LOOK_EVERY_S) or time.monotonic() > deadline:
                raise StoppedError(f"It was stopped, waiting for {what}.")
        return found


def succeeded(job: Job) -> bool:
    """Tell whether a job has done its work.

    Raises:
        StoppedError: it never will.
    """
    job.refresh_from_db()
    if job.state in (JobState.FAILED, JobState.CANCELLED):
        raise StoppedError(f"{job.title} has {job.state}: see {job.path}")
    return job.state == JobState.SUCCEEDED


def _closing(work: Callable[[], object]) -> Callable[[], None]:
    """Return ``work`` for a thread of its own, which closes its connection to the database afterwards."""

    def closed() -> None:
        try:
            work()
        finally:
            connection.close()

    return closed
