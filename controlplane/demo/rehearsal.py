"""Running a scenario of a rollout: what people would do on the pages, by the same services; callers meanwhile; and what comes of it."""

import time
from dataclasses import dataclass

from controlplane.demo import graphs, lab
from controlplane.demo.people import person
from controlplane.demo.playing import AFTERWARDS_S, LOOK_EVERY_S, PATIENCE_S, Ended, Play, StoppedError, succeeded
from controlplane.demo.scenarios import Scenario
from controlplane.demo.starting import refuse_open
from controlplane.demo.traffic import champion_of
from experiments.models import DatasetVersion
from experiments.services import evaluation_start
from registry.models import ArtifactState, ModelVersion, Promotion, RegisteredModel
from registry.services import promotion_request
from rollouts.models import Rollout
from rollouts.services import promotion_plan_save
from rollouts.states import State
from serving.contract import BASIS_POINTS

APPROVED = "Measured on later months and good enough; the rollout shows the rest."


@dataclass
class Rehearsal(Play):
    """One run of a scenario of a rollout."""

    scenario: Scenario

    def play(self) -> Ended:
        """Bring a candidate, send traffic, and follow the rollout to its end."""
        data = self.until(lab.lab_data, "the demo's flights to be built")
        model = lab.lab_model(self.scenario)
        refuse_open(self.scenario)
        if champion_of(model.name) is None:
            self.say(0.0, "The first champion is trained and promoted.")
            self._propose(self._registered(model, data), "The first version, for rehearsals.")
        candidate = self._registered(model, data, candidate=True)
        self._measure(candidate, data)
        self.say(0.2, f"Candidate {candidate} is registered and measured.")
        with self.traffic(model, data) as traffic:
            promotion = self._propose(candidate, self.scenario.shows, plan=self.scenario.plan(self.speed))
            rollout = self._followed(promotion)
            self.stopping.wait(AFTERWARDS_S)
        self.tell(traffic)
        told = f"{rollout.get_state_display()}: {rollout.outcome or rollout.waiting_for}"
        return Ended("rollout", rollout.path, rollout.state == self.scenario.ends, told)

    def _registered(self, model: RegisteredModel, data: DatasetVersion, *, candidate: bool = False) -> ModelVersion:
        """Return the next version, its files read."""
        model.refresh_from_db()
        booster = lab.trained(data, candidate=model.last_number + 1 if candidate else 0)
        build = getattr(graphs, self.scenario.graph if candidate else "graph_of")
        version = lab.register(model, build(booster), data, f"{self.scenario.name}-{model.last_number + 1}")
        version = self.until(lambda: _settled(version), f"the files of {version} to be read")
        if version.artifact_state != ArtifactState.VERIFIED or version.refusal:
            raise StoppedError(f"{version} is refused: {version.refusal}")
        return version

    def _measure(self, version: ModelVersion, data: DatasetVersion) -> None:
        """Have the version measured on months that training never saw, beside the champion."""
        job = evaluation_start(actor=person("engineer"), version=version, dataset_version=data)
        self.until(lambda: succeeded(job), f"{version} to be measured")

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
        return self.approve(promotion, APPROVED)

    def _followed(self, promotion: Promotion) -> Rollout:
        """Tell the rollout's log as it comes, until it is over or waits for a person."""
        rollout = self.until(
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


def _settled(version: ModelVersion) -> ModelVersion | None:
    version = ModelVersion.objects.select_related("model__team").get(pk=version.pk)
    return version if version.artifact_state != ArtifactState.UNREAD else None
