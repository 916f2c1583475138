"""The models that scenarios run on: a thinner data set, a small champion each, and candidates logged by MLflow's stock client."""

import os
from collections.abc import Sequence
from typing import Any

import lightgbm
import mlflow
import onnx
import pandas as pd
from django.conf import settings
from django.utils import timezone
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema

from controlplane.demo import description
from controlplane.demo.model import DATASET
from controlplane.demo.people import TRAVEL, person
from controlplane.demo.playing import Named
from experiments.builders.catalogue import BUILDERS, describe
from experiments.models import Dataset, DatasetVersion
from experiments.rows.frames import load_frame, save_frame
from experiments.selectors import dataset_rows
from experiments.services import dataset_create, dataset_version_add
from registry.errors import ConflictError
from registry.models import CriteriaSet, ModelVersion, RegisteredModel, Task, Team
from registry.services import criteria_agree, criteria_draft, model_create

THIN = "flights-2013-sample"
THIN_ROWS = 16_000  # so that a version is measured within seconds
EXPERIMENT = "rehearsals"
FEWER_TREES, MORE_TREES = 60, 8  # of a champion, and what a candidate learns beyond it
PARAMS = {
    "objective": "binary", "num_leaves": 15, "learning_rate": 0.08, "min_data_in_leaf": 40, "feature_fraction": 0.6,
    "num_threads": 1, "deterministic": True, "verbose": -1,
}  # fmt: skip

CRITERIA: list[dict[str, Any]] = [
    {
        "metric": "average_precision", "direction": "at_least", "threshold": -0.05, "basis": "value",
        "against_champion": True, "data_set": THIN,
        "reason": "A candidate ranks late flights about as well as the version that serves, or the rehearsal shows nothing.",
    }
]  # fmt: skip


def lab_data(name: str = THIN, *, without: Sequence[str] = ()) -> DatasetVersion | None:
    """Return a sample of the demo's flights, made where it is missing; None before the flights are there, or while another makes it.

    Args:
        without: columns that are left out.
    """
    if sample := DatasetVersion.objects.filter(dataset__name=name).select_related("dataset").first():
        return sample
    flights = DatasetVersion.objects.filter(dataset__name=DATASET).select_related("dataset").first()
    if flights is None:
        return None
    engineer, team = person("engineer"), Team.objects.get(slug=TRAVEL)
    rows = load_frame(flights.parquet, flights.digest)
    sample_rows = rows.iloc[:: max(len(rows) // THIN_ROWS, 1)].drop(columns=list(without)).reset_index(drop=True)
    try:
        dataset = Dataset.objects.filter(name=name).first() or dataset_create(
            actor=engineer, team=team, name=name, description=f"Every so-many-th flight of {flights}, for rehearsals."
        )
    except ConflictError:
        return None
    described = describe(
        BUILDERS["flights"], sample_rows, save_frame(sample_rows, settings.DATA_ROOT), now=timezone.now()
    )
    return dataset_version_add(actor=engineer, dataset=dataset, description=described)


def lab_model(scenario: Named, criteria: list[dict[str, Any]] = CRITERIA) -> RegisteredModel:
    """Return the scenario's model with its agreed criteria, made where it is missing."""
    engineer, product, approver = (person(name) for name in ("engineer", "product", "approver"))
    model = RegisteredModel.objects.live().filter(name=scenario.model).first() or model_create(
        actor=engineer, team=Team.objects.get(slug=TRAVEL), name=scenario.model, task=Task.CLASSIFICATION, risk_tier=3,
        purpose="Rehearse: nobody is warned by this model.", description=f"Scenario: {scenario.title.lower()}.",
    )  # fmt: skip
    drafted = model.criteria_sets.first() or criteria_draft(
        actor=product,
        model=model,
        criteria=criteria,
        note="What a rehearsal needs.",
        cases="flights",
        events="badly late flights",
    )
    if drafted.state == CriteriaSet.State.DRAFT:
        criteria_agree(actor=approver, criteria_set_id=drafted.pk)
    return model


def trained(data: DatasetVersion, *, candidate: int = 0) -> lightgbm.Booster:
    """Return the champion's trees; for a candidate those and some more, so that it answers nearly alike.

    Args:
        candidate: its number, from which it learns in its own order; 0 for the champion.
    """
    rows = dataset_rows(data, "train")
    names = [column["name"] for column in _numbers(data)]
    champion = _fit(rows[names], rows[data.target], FEWER_TREES, seed=1)
    return _fit(rows[names], rows[data.target], MORE_TREES, seed=candidate, begin=champion) if candidate else champion


def _fit(
    rows: pd.DataFrame, late: "pd.Series[int]", trees: int, *, seed: int, begin: lightgbm.Booster | None = None
) -> lightgbm.Booster:
    return lightgbm.train(PARAMS | {"seed": seed}, lightgbm.Dataset(rows, late), trees, init_model=begin)


def register(model: RegisteredModel, graph: onnx.ModelProto, data: DatasetVersion, what: str) -> ModelVersion:
    """Log a graph and register it as the next version, by MLflow's client in the engineer's name."""
    os.environ |= {
        "MLFLOW_TRACKING_URI": settings.MLFLOW_URL,
        "MLFLOW_TRACKING_TOKEN": description.read()["users"]["engineer"]["token"],
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    }
    optional = {name for name, facts in data.profile.items() if facts["nulls"]}
    columns = [ColSpec(c["type"], c["name"], required=c["name"] not in optional) for c in _numbers(data)]
    experiment = mlflow.set_experiment(EXPERIMENT)
    with mlflow.start_run(experiment_id=experiment.experiment_id, run_name=what):
        logged = mlflow.onnx.log_model(
            graph, name="model", signature=ModelSignature(Schema(columns)), registered_model_name=model.name,
            pip_requirements=[], save_as_external_data=False, await_registration_for=0,
        )  # fmt: skip
    return model.versions.get(number=logged.registered_model_version)


def _numbers(data: DatasetVersion) -> list[dict[str, str]]:
    """Return the features that are numbers, in order."""
    categories = data.categorical()
    return [c for c in data.columns if c["role"] == "feature" and c["name"] not in categories]
