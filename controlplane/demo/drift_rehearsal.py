"""Running the drift scenario: usual traffic, then a season that the champion never saw; people approve, and all else happens by itself."""

import threading
from dataclasses import dataclass, field
from datetime import timedelta

from django.utils import timezone

from controlplane.demo import lab
from controlplane.demo.drift_scenario import CRITERIA, FAST_CLOCK, LIMIT, MATURITY_S, TREES, DriftScenario
from controlplane.demo.people import TRAVEL, person
from controlplane.demo.playing import Ended, Play, succeeded
from controlplane.demo.starting import refuse_open
from controlplane.demo.traffic import Change, Row, champion_of
from controlplane.demo.winter import season_of
from experiments.builders.flights import CATEGORICAL
from experiments.models import Dataset, DatasetVersion
from experiments.services import dataset_create, training_start
from monitoring.models import Retraining
from monitoring.quality.points import QualityPoint
from monitoring.retraining.states import State
from monitoring.selectors.quality import quality_series
from monitoring.services import quality_policy_change, retraining_policy_save
from monitoring.tasks import count_quality, look_for_drift, ship_labels
from registry.models import ModelVersion, RegisteredModel, Team
from registry.services import promotion_request

NUMBERS = "flights-2013-numbers"
USUAL = 300  # answers before the weather turns
ENOUGH = 400  # labelled predictions of the new champion, by which its quality is told
HOUR = timedelta(hours=1)
SHARES = {State.HELD: 0.35, State.FREEZING: 0.4, State.TRAINING: 0.5, State.EVALUATING: 0.6, State.PROPOSED: 0.7}
APPROVED = "Surely better on the latest rows, which neither version has seen, and all criteria are met."


@dataclass
class DriftRehearsal(Play):
    """One run of the drift scenario."""

    scenario: DriftScenario
    turned: threading.Event = field(default_factory=threading.Event)

    def play(self) -> Ended:
        """Send traffic, turn the weather, approve what is proposed, and see quality recover."""
        data = self.until(_numbers, "the demo's flights to be built")
        model = lab.lab_model(self.scenario, CRITERIA)
        refuse_open(self.scenario)
        if champion_of(model.name) is None:
            self.say(0.0, "The first champion is trained and promoted.")
            self._train_first(model, data)
        self._save_policies(model)
        season = Retraining.objects.filter(model=model, state=State.PROMOTED).count() + 1
        before = Retraining.objects.filter(model=model).first()
        change = self._change(data, season)
        with self.traffic(model, data, clock=FAST_CLOCK, every_s=2.0, change=change) as traffic:
            self.until(lambda: traffic.total[200] >= USUAL, "the usual traffic to be answered")
            self.turned.set()
            self.say(0.2, f"Season {season}: the weather turns, and other flights are late than before.")
            retraining = self.until(lambda: self._begun(model, before), "drift and the drop in quality to be found")
            self.say(0.3, f"Retraining {retraining.path} is due. {retraining.why}")
            self._follow(retraining)
            if retraining.state == self.scenario.ends:
                found = self.until(lambda: self._recovered(model), "quality to recover")
                told = f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f}), by {found.labelled} labels"
                self.say(0.95, f"Quality recovered: the area under the ROC curve is {told}; it was below {LIMIT}.")
        self.tell(traffic)
        told = f"{retraining.get_state_display().lower()}: {retraining.outcome}"
        return Ended("retraining", retraining.path, retraining.state == self.scenario.ends, told)

    def _train_first(self, model: RegisteredModel, data: DatasetVersion) -> None:
        """Have the engineer train and propose a first version, and the approver agree."""
        engineer = person("engineer")
        job = training_start(actor=engineer, model=model, pipeline="lightgbm", dataset_version=data, params=TREES)
        self.until(lambda: succeeded(job), "the first version to be trained")
        version = ModelVersion.objects.select_related("model__team").get(job=job)
        evaluation = version.evaluations.select_related("job").get()
        self.until(lambda: succeeded(evaluation.job), f"{version} to be measured")
        promotion = promotion_request(actor=engineer, version=version, description="The first version, for rehearsals.")
        self.approve(promotion, "Measured on later months, and good enough to begin with.")

    def _save_policies(self, model: RegisteredModel) -> None:
        """Have the engineer say how quality is told, and when the model is trained anew."""
        engineer = person("engineer")
        name = self.scenario.dataset
        if not Dataset.objects.filter(name=name).exists():
            dataset_create(
                actor=engineer, team=Team.objects.get(slug=TRAVEL), name=name,
                description="The latest labelled predictions, frozen whenever the model of the drift scenario is trained anew.",
            )  # fmt: skip
        quality_policy_change(
            actor=engineer, model=model, now=timezone.now(), maturity_s=MATURITY_S,
            reason="The rehearsal's clock runs fast.",
        )  # fmt: skip
        latest = model.retraining_policies.first()
        if latest is None or not latest.enabled:
            retraining_policy_save(
                actor=engineer,
                model=model,
                document=self.scenario.policy(),
                reason="Follow the weather, for rehearsals.",
            )

    def _change(self, data: DatasetVersion, season: int) -> Change:
        """Return what happens to rows: nothing, until the weather has turned."""

        def change(row: Row) -> Row:
            if not self.turned.is_set() and season == 1:
                return row
            now = season if self.turned.is_set() else season - 1
            return season_of(row, now, target=data.target, key=data.key)

        return change

    def _begun(self, model: RegisteredModel, before: Retraining | None) -> Retraining | None:
        _hurry()
        newest = Retraining.objects.filter(model=model).first()
        return newest if newest and (before is None or newest.pk > before.pk) else None

    def _follow(self, retraining: Retraining) -> None:
        """Tell each step as it comes; have the approver agree to what is proposed."""
        told = ""

        def ended() -> bool:
            nonlocal told
            retraining.refresh_from_db()
            said = f"{retraining.get_state_display()}: {retraining.outcome}"
            if said != told and retraining.outcome:
                told = said
                self.say(SHARES.get(State(retraining.state), 0.8), said)
            if (
                retraining.state == State.PROPOSED
                and retraining.promotion
                and retraining.promotion.state == "requested"
            ):
                self.approve(retraining.promotion, APPROVED)
            return retraining.ended_at is not None

        self.until(ended, "the retraining to end")

    def _recovered(self, model: RegisteredModel) -> QualityPoint | None:
        """Return how good the new champion is, once enough of its predictions are labelled and it is surely above the limit."""
        _hurry()
        now = timezone.now()
        points = quality_series(
            model, metric="roc_auc", since=now - HOUR, until=now, span=HOUR, version=champion_of(model.name), now=now
        )
        last = points[-1] if points else None
        return last if last and last.labelled >= ENOUGH and last.low is not None and last.low > LIMIT else None


def _numbers() -> DatasetVersion | None:
    """Return flights without categories: a destination that is new to a version trained on few rows would be refused."""
    return lab.lab_data(NUMBERS, without=CATEGORICAL)


def _hurry() -> None:
    """Have done at once what schedules would do within half a minute; each is safe to ask for at any time."""
    ship_labels.delay()
    count_quality.delay()
    look_for_drift.delay()
