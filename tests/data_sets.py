"""Small data set versions, and versions of models that say they were trained on one."""

import pandas as pd
from django.conf import settings
from django.utils import timezone

from experiments.builders.catalogue import Builder, describe
from experiments.models import DatasetVersion
from experiments.rows.frames import save_frame
from experiments.services import dataset_create, dataset_version_add
from registry.models import ModelVersion
from registry.services import version_create
from tests.factories import approve, make_actor, make_promotion


def make_data(team, features: pd.DataFrame) -> DatasetVersion:
    """Keep rows of one hour each from 2026 on, of which the first two thirds are for training and the rest for replay."""
    count = len(features)
    at = pd.date_range("2026-01-01", periods=count, freq="h", tz="UTC").astype("datetime64[us, UTC]")
    frame = features.assign(late=[n % 2 for n in range(count)], at=at, name=[f"row-{n}" for n in range(count)])
    until = f"{at[count * 2 // 3]:%Y-%m-%d}"
    builder = Builder(
        name="small", title="", params=object, build=lambda _: frame, features=dict.fromkeys(map(str, features), "for tests"),
        target="late", target_meaning="", time_column="at", key="name", source="made up",
        splits={"train": ("2026-01-01", until), "replay": (until, "2027-01-01")},
    )  # fmt: skip
    actor = make_actor(team)
    dataset = dataset_create(actor=actor, team=team, name=f"small-{actor.user.pk}")
    description = describe(builder, frame, save_frame(frame, settings.DATA_ROOT), now=timezone.now())
    return dataset_version_add(actor=actor, dataset=dataset, description=description)


def make_trained_champion(model, data_digest, inputs) -> ModelVersion:
    """A champion with these input columns that was trained on the data with this digest."""
    version = version_create(
        actor=make_actor(model.team), model=model, source="runs:/abc/model", data_digest=data_digest
    )
    ModelVersion.objects.filter(pk=version.pk).update(
        artifact_state="verified", artifact_digest=data_digest, format="lightgbm", signature={"inputs": inputs}
    )
    return approve(make_promotion(model, version=ModelVersion.objects.get(pk=version.pk))).version
