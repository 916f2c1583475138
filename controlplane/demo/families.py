"""The demo's other models: one for each further family, from real rows to evidence, made in the background by the same jobs.

They begin once the first model's better version is trained, and wait for nobody: each look takes the steps that can be taken.
"""

from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from controlplane.demo.model import MODEL
from controlplane.demo.people import TRAVEL, person
from experiments.models import Dataset, DatasetVersion, TrainingRun
from experiments.services import dataset_build_start, dataset_create, training_start
from jobs.models import Job
from registry.models import RegisteredModel, Task, Team
from registry.services import model_create

EARLIER = 2  # versions of the first model, which a visitor waits for


@dataclass(frozen=True)
class Family:
    """One model with the rows it is made of and the ways that it is trained, plainest first."""

    model: str
    task: Task
    purpose: str
    description: str
    dataset: str
    builder: str
    about: str
    pipelines: tuple[str, ...]
    thinned: int = 1  # of the rows' groups, one in so many is kept
    params: dict[str, Any] = field(default_factory=dict)


FAMILIES = (
    Family(
        "flight-order", Task.RANKING, "Show travellers first the flights of a route and day that will run well.",
        "Which flight of the day should be offered first?", "flight-rankings", "rankings",
        "Flights out of New York in 2013, by route and day, with a grade for how each ran.", ("lambdamart",), thinned=4,
    ),
    Family(
        "trips-forecast", Task.FORECASTING, "Plan the travel desk's staff two years ahead, by region and purpose.",
        "How many trips will be made in each of the next quarters?", "tourism", "tourism",
        "Quarterly overnight trips within Australia, 1998 to 2017: 304 series.",
        ("seasonal-naive", "lightgbm-recursive", "lightgbm-direct"),
    ),
    Family(
        "sensor-anomaly", Task.ANOMALY, "Have somebody look at readings unlike all others before a system trusts them.",
        "Which readings are unlike the rest?", "shuttle", "shuttle",
        "49,097 readings of nine sensors, 7.15% of them anomalies; models learn without the label.", ("isolation-forest",),
    ),
    Family(
        "docs-search", Task.RETRIEVAL, "Hand the page that answers a developer's question to whoever writes the answer.",
        "Which page of the documentation answers?", "library-docs", "library-docs",
        "Reference pages of Python libraries; queries are their summaries without the words of their names.",
        ("bm25", "hybrid-retrieval"), thinned=4,
    ),
)  # fmt: skip


def advance() -> bool:
    """Take the steps that can be taken now; tell whether there are more to come.

    Raises:
        RefusedError: a person has taken one of the models another way.
    """
    if not settings.DEMO_FAMILIES:
        return False
    if TrainingRun.objects.filter(version__model__name=MODEL).count() < EARLIER:
        return True
    more = [_advance(family) for family in FAMILIES]  # each has its turn
    return any(more)


def _advance(family: Family) -> bool:
    """Take the next step of one family; tell whether another follows."""
    team, engineer = Team.objects.get(slug=TRAVEL), person("engineer")
    dataset = Dataset.objects.filter(name=family.dataset).first() or dataset_create(
        actor=engineer, team=team, name=family.dataset, description=family.about
    )
    model = RegisteredModel.objects.live().filter(name=family.model).first() or model_create(
        actor=engineer, team=team, name=family.model, task=family.task, risk_tier=3, purpose=family.purpose,
        description=family.description,
    )  # fmt: skip
    rows = dataset.versions.order_by("id").first()
    if rows is None:
        if not Job.objects.filter(kind="dataset_build", subject=dataset.path).exists():
            keep = family.thinned * settings.DEMO_KEEP_ONE_IN
            dataset_build_start(actor=engineer, dataset=dataset, builder=family.builder, params={"keep_one_in": keep})
        return True
    return _train_next(family, model, rows)


def _train_next(family: Family, model: RegisteredModel, rows: DatasetVersion) -> bool:
    for pipeline in family.pipelines:
        if Job.objects.filter(kind="train", subject=model.path, params__pipeline=pipeline).exists():
            continue
        training_start(
            actor=person("engineer"), model=model, pipeline=pipeline, dataset_version=rows, params=family.params
        )
    return False
