"""The demo's first model: its purpose, its acceptance criteria, its objectives and its data set. All of it is quick."""

from typing import Any

from django.conf import settings
from django.utils import timezone

from controlplane.demo.people import TRAVEL, person
from experiments.models import Dataset
from experiments.services import dataset_build_start, dataset_create
from jobs.models import Job
from monitoring.services import quality_policy_change, slo_create
from registry.models import RegisteredModel, Task, Team
from registry.services import criteria_agree, criteria_draft, model_create

MODEL = "flight-delay"
DATASET = "flights-2013"

PURPOSE = (
    "An hour before departure, warn travellers whose flight will probably arrive more than an hour late, so that they "
    "can rebook while seats are left. We can warn about one flight in twenty; a false warning costs trust."
)

CRITERIA: list[dict[str, Any]] = [
    {
        "metric": "average_precision", "direction": "at_least", "threshold": 0.35, "basis": "interval",
        "reason": "Warnings must be far better than chance: ranking at random would reach 0.09.",
    },
    {
        "metric": "recall_at_5pct_alerts", "direction": "at_least", "threshold": 0.25, "basis": "interval",
        "reason": "Of the travellers who will be badly late, at least a quarter must be among the 5% whom we warn.",
    },
    {
        "metric": "recall_at_5pct_alerts", "direction": "at_least", "threshold": 0.2, "data_slice": "origin=JFK",
        "reason": "Travellers from the airport that is hardest to predict must not be left without warnings.",
    },
    {
        "metric": "calibration_error", "direction": "at_most", "threshold": 0.03, "basis": "interval",
        "reason": "The app shows the probability: where it says 40%, about 40 in 100 flights must be late.",
    },
    {
        "metric": "average_precision", "direction": "at_least", "threshold": 0.0, "basis": "interval",
        "against_champion": True,
        "reason": "A change has a cost for everybody, so a new version must surely be better than the one that serves.",
    },
    {
        "metric": "brier_score", "direction": "at_most", "threshold": 0.08, "blocking": False,
        "reason": "A probability that is off everywhere by a little shows here first.",
    },
]  # fmt: skip

OBJECTIVES: list[dict[str, Any]] = [
    {"kind": "availability", "objective": "0.999", "window_days": 28},
    # One machine serves while it trains.
    {"kind": "latency", "objective": "0.99", "window_days": 28, "threshold_ms": 100.0},
    # Labels of the demo come within a minute; an hour of them is judged together.
    {
        "kind": "quality", "objective": "0.9", "window_days": 7, "metric": "brier_score", "slice_s": 3600, "slice_target": 0.1,
        "maturity_s": 300, "min_coverage": 0.5, "description": "The probabilities that travellers see are about right.",
    },
]  # fmt: skip
# A flight's delay is known within minutes of the prediction, at the demo's clock. The objective watches; a limit here would tell it twice.
QUALITY: dict[str, Any] = {
    "maturity_s": 300, "watched_s": 3600, "min_coverage": 0.5,
    "slices": {"origin": ["EWR", "JFK", "LGA"]},
}  # fmt: skip


def seed_model() -> Job | None:
    """Make sure of the model and all that it needs before it can be trained; return the job that builds its rows.

    Returns: None where the rows were asked for before.
    """
    engineer, product, approver = (person(name) for name in ("engineer", "product", "approver"))
    team = Team.objects.get(slug=TRAVEL)
    model = RegisteredModel.objects.live().filter(name=MODEL).first() or model_create(
        actor=engineer, team=team, name=MODEL, task=Task.CLASSIFICATION, risk_tier=2, purpose=PURPOSE,
        description="Will this flight arrive more than 60 minutes late?",
    )  # fmt: skip
    drafted = model.criteria_sets.first() or criteria_draft(
        actor=product, model=model, note="First set, after talks with the travel desk.",
        cases="flights", events="badly late flights",
        criteria=[{"data_set": DATASET, **criterion} for criterion in CRITERIA],
    )  # fmt: skip
    if drafted.state == drafted.State.DRAFT and drafted.number == 1:
        criteria_agree(actor=approver, criteria_set_id=drafted.pk)
    if not model.slos.exists():
        for objective in OBJECTIVES:
            slo_create(actor=product, model=model, **objective)
    if not model.quality_policies.exists():
        quality_policy_change(
            actor=product,
            model=model,
            now=timezone.now(),
            reason="Delays are known minutes after the demo's flights.",
            **QUALITY,
        )
    dataset = Dataset.objects.filter(name=DATASET).first() or dataset_create(
        actor=engineer, team=team, name=DATASET,
        description="Flights that left New York in 2013, with what was known an hour before departure.",
    )  # fmt: skip
    if Job.objects.filter(kind="dataset_build", subject=dataset.path).exists():
        return None
    job = dataset_build_start(
        actor=engineer, dataset=dataset, builder="flights", params={"keep_one_in": settings.DEMO_KEEP_ONE_IN}
    )
    return job
