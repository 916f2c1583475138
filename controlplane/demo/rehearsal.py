"""Running a scenario: what people would do on the pages, by the same services; callers meanwhile; and waiting for what comes of it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from django.conf import settings
from django.db import connection

from controlplane.demo import description, graphs, lab
from controlplane.demo.callers import Caller
from controlplane.demo.labels import LateLabels
from controlplane.demo.people import CALLER, person
from controlplane.demo.scenarios import Scenario
from controlplane.demo.starting import refuse_open
from controlplane.demo.traffic import Traffic, champion_of
from experiments.models import DatasetVersion
from experiments.services import evaluation_start
from jobs.models import Job
from jobs.states import State as JobState
from jobs.tasks import nudge
from registry import selectors
from registry.models import ArtifactState, ModelVersion, Promotion, RegisteredModel
from registry.services import promotion_approve, promotion_request
from rollouts.models import Rollout
from rollouts.services import promotion_plan_save
from rollouts.states import State
from serving.contract import BASIS_POINTS

WINTER = "2013-10-01"
LOOK_EVERY_S = 0.3
PATIENCE_S = 600.0  # for any one thing that jobs, gateways or a rollout are to do
AFTERWARDS_S = 5.0  # of traffic after the end, so that one sees who answers then
CONNECTIONS = 4
CLOCK = 2000.0

Found = TypeVar("Found")


class StoppedError(Exception):
    """The rehearsal was told to stop, or waited too long for something."""


@dataclass
class Rehearsal:
    """One run of a scenario.

    Attributes:
        rate: requests per second.
        speed: how many times faster than usual the plan's phases pass.
        say: is told the share done, and each step in words.
        stopping: ends it early; the rollout is then left as it is, without traffic.
    """

    scenario: Scenario
    rate: float
    speed: float
    say: Callable[[float, str], None]
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> Rollout:
        """Bring a candidate, send traffic, and return the rollout at its end.

        Raises:
            ConflictError: a rollout of an earlier run waits for a person's decision.
            StoppedError: it was stopped, or something did not come about.
        """
        try:
            data = self._until(lab.lab_data, "the demo's flights to be built")
            model = lab.lab_model(self.scenario)
            refuse_open(self.scenario)
            if champion_of(model.name) is None:
                self.say(0.0, "The first champion is trained and promoted.")
                self._propose(self._registered(model, data), "The first version, for rehearsals.")
            candidate = self._registered(model, data, candidate=True)
            self._measure(candidate, data)
            self.say(0.2, f"Candidate {candidate} is registered and measured.")
            with self._traffic(model, data) as traffic:
                promotion = self._propose(candidate, self.scenario.shows, plan=self.scenario.plan(self.speed))
                rollout = self._followed(promotion)
                self.stopping.wait(AFTERWARDS_S)
            told = ", ".join(f"{count} x {status or 'no answer'}" for status, count in sorted(traffic.total.items()))
            self.say(1.0, f"Requests: {told}.")
            return rollout
        finally:
            connection.close()

    def _registered(self, model: RegisteredModel, data: DatasetVersion, *, candidate: bool = False) -> ModelVersion:
        """Return the next version, its files read."""
        model.refresh_from_db()
        booster = lab.trained(data, candidate=model.last_number + 1 if candidate else 0)
        build = getattr(graphs, self.scenario.graph if candidate else "graph_of")
        version = lab.register(model, build(booster), data, f"{self.scenario.name}-{model.last_number + 1}")
        version = self._until(lambda: _settled(version), f"the files of {version} to be read")
        if version.artifact_state != ArtifactState.VERIFIED or version.refusal:
            raise StoppedError(f"{version} is refused: {version.refusal}")
        return version

    def _measure(self, version: ModelVersion, data: DatasetVersion) -> None:
        """Have the version measured on months that training never saw, beside the champion."""
        job = evaluation_start(actor=person("engineer"), version=version, dataset_version=data)
        nudge.delay_on_commit(job.queue)
        self._until(lambda: _succeeded(job), f"{version} to be measured")

    def _propose(self, version: ModelVersion, why: str, plan: dict[str, object] | None = None) -> Promotion:
        """Have the engineer ask and the approver agree."""
        promotion = promotion_request(actor=person("engineer"), version=version, description=why)
        if plan:
            promotion_plan_save(
                actor=person("engineer"),
                promotion=promotion,
                document=plan,
                note=f"Scenario: {self.scenario.title.lower()}.",
            )
        promotion.refresh_from_db()
        seen = selectors.promotion_binding(promotion, selectors.promotion_checks(promotion))
        return promotion_approve(
            actor=person("approver"), promotion_id=promotion.pk, seen=seen.digest,
            reason="Measured on later months and good enough; the rollout shows the rest.",
        )  # fmt: skip

    @contextmanager
    def _traffic(self, model: RegisteredModel, data: DatasetVersion) -> Iterator[Traffic]:
        """Send requests to the model, and what became of them to the API, as long as the body lasts."""
        described, stopping = description.read(), threading.Event()
        labels = LateLabels(settings.WEB_URL, model.name, described["users"]["engineer"]["token"], clock=CLOCK)
        traffic = Traffic(
            Caller(settings.GATEWAY_URL, model.name, described["callers"].get(CALLER, "")), self.rate, stopping,
            data=data, since=WINTER, connections=CONNECTIONS, labels=labels,
        )  # fmt: skip
        self._until(traffic.caller.is_served, f"the gateway to serve {model.name}")
        threads = [threading.Thread(target=_closing(work)) for work in (traffic.run, lambda: labels.run(stopping))]
        for thread in threads:
            thread.start()
        try:
            yield traffic
        finally:
            stopping.set()
            for thread in threads:
                thread.join()

    def _followed(self, promotion: Promotion) -> Rollout:
        """Tell the rollout's log as it comes, until it is over or waits for a person."""
        rollout = self._until(
            lambda: Rollout.objects.filter(promotion=promotion).select_related("candidate").first(),
            "the rollout to begin",
        )
        self.say(0.25, f"Rollout {rollout.path} begins.")
        told, share = 0, 0.25
        deadline = time.monotonic() + PATIENCE_S * 6
        while time.monotonic() < deadline and not self.stopping.wait(LOOK_EVERY_S):
            rollout.refresh_from_db()
            for act in rollout.acts.filter(pk__gt=told):
                told = act.pk
                share = max(share, 0.3 + 0.6 * act.weight_bp / BASIS_POINTS)
                at = f" at {act.weight_bp / 100:g}%" if act.weight_bp else ""
                self.say(share, f"{act.after.replace('_', ' ').capitalize()}{at}: {act.text}")
            if not State(rollout.state).is_open or rollout.state == State.AWAITING:
                return rollout
        raise StoppedError(f"It was stopped; {rollout.path} goes on without traffic.")

    def _until(self, look: Callable[[], Found | None], what: str) -> Found:
        """Return what ``look`` finds in the end."""
        deadline = time.monotonic() + PATIENCE_S
        while not (found := look()):
            if self.stopping.wait(LOOK_EVERY_S) or time.monotonic() > deadline:
                raise StoppedError(f"It was stopped, waiting for {what}.")
        return found


def _settled(version: ModelVersion) -> ModelVersion | None:
    version = ModelVersion.objects.select_related("model__team").get(pk=version.pk)
    return version if version.artifact_state != ArtifactState.UNREAD else None


def _succeeded(job: Job) -> bool:
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
