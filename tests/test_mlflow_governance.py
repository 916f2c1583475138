"""What MLflow's client may not do, and what it sees once a promotion has done it."""

import lightgbm
import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import RestException
from mlflow.models import infer_signature

from registry import services
from registry.models import Alias, ModelVersion, RegisteredModel
from tests.factories import approve, make_promotion, make_version, read_files

pytest_plugins = ["tests.mlflow_server"]


@pytest.fixture
def booster():
    features = pd.DataFrame({"distance": np.arange(100.0), "hour": np.arange(100.0) % 24})
    labels = (features["distance"] > 50).astype(int)
    trained = lightgbm.train({"objective": "binary", "verbose": -1}, lightgbm.Dataset(features, labels), 3)
    return trained, features


@pytest.fixture
def name(engineer, booster):
    """A model with one verified version, logged and registered by the client."""
    trained, features = booster
    mlflow.set_experiment(f"{engineer.team.slug}-flights")
    with mlflow.start_run():
        mlflow.lightgbm.log_model(
            trained, name="model", signature=infer_signature(features, trained.predict(features)),
            registered_model_name=f"{engineer.team.slug}-delay", pip_requirements=[],
        )  # fmt: skip
    version = ModelVersion.objects.get(model__name=f"{engineer.team.slug}-delay")
    read_files(version)
    return version.model.name


def promote(version):
    return approve(make_promotion(version.model, version=version))


def test_champion_moves_by_promotion_alone_and_is_then_loaded_by_any_client(engineer, name, booster):
    with pytest.raises(RestException, match="approved promotion") as error:
        engineer.client.set_registered_model_alias(name, "champion", 1)
    assert error.value.error_code == "PERMISSION_DENIED"
    assert not Alias.objects.filter(model__name=name).exists()

    promote(ModelVersion.objects.get(model__name=name))

    assert engineer.client.get_model_version_by_alias(name, "champion").version == "1"
    loaded = mlflow.pyfunc.load_model(f"models:/{name}@champion")
    assert np.allclose(loaded.predict(booster[1]), booster[0].predict(booster[1]))


@pytest.fixture
def champion(engineer, name):
    promote(ModelVersion.objects.get(model__name=name))
    return name


@pytest.mark.filterwarnings("ignore:.*deprecated since 2.9:FutureWarning")
def test_nothing_governed_is_moved_renamed_or_deleted(engineer, champion):
    version = make_version(RegisteredModel.objects.get(name=champion))
    client, calls = engineer.client, []
    for call, code in (
        (lambda: client.set_registered_model_alias(champion, "champion", version.number), "PERMISSION_DENIED"),
        (lambda: client.delete_registered_model_alias(champion, "champion"), "PERMISSION_DENIED"),
        (lambda: client.transition_model_version_stage(champion, 1, "Production"), "PERMISSION_DENIED"),
        (lambda: client.delete_model_version(champion, 1), "RESOURCE_CONFLICT"),
        (lambda: client.delete_registered_model(champion), "RESOURCE_CONFLICT"),
        (lambda: client.rename_registered_model(champion, "other"), "RESOURCE_CONFLICT"),
    ):
        with pytest.raises(RestException) as error:
            call()
        calls.append((error.value.error_code, code))

    assert [given for given, _ in calls] == [expected for _, expected in calls]
    assert client.get_model_version_by_alias(champion, "champion").version == "1"
    client.delete_model_version(champion, version.number)


def test_version_with_evidence_is_kept(engineer, name):
    version = ModelVersion.objects.get(model__name=name)
    services.evidence_record(version=version, metric="roc_auc", value=0.8)

    with pytest.raises(RestException, match="has evidence") as error:
        engineer.client.delete_model_version(name, 1)

    assert error.value.error_code == "RESOURCE_CONFLICT"
    version.refresh_from_db()
    assert version.archived_at is None


def test_aliases_are_free_where_a_team_is_not_governed(join):
    sandbox = join(governed=False)
    with sandbox.signed_in() as client:
        run = client.create_run(client.create_experiment(f"{sandbox.team.slug}-runs")).info.run_id
        name = client.create_registered_model(f"{sandbox.team.slug}-toy").name
        client.create_model_version(name, f"runs:/{run}/model", run)

        client.set_registered_model_alias(name, "champion", 1)

        assert client.get_model_version_by_alias(name, "champion").version == "1"
