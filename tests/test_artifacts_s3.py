"""Artifacts in S3, as moto serves it: logged, registered, verified, scored and downloaded by clients that notice nothing."""

import hashlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

import boto3
import mlflow
import numpy as np
import pytest
import requests
from botocore.exceptions import ClientError
from django.utils import timezone

from controlplane.embedded import free_port
from experiments.scoring.predicting import predict
from registry import services
from registry.adapters import read_source
from registry.artifacts import ArtifactError
from registry.converted import converted_path
from registry.models import ModelVersion, VersionReading
from registry.signing import public_key_file
from registry.staging import deposit, stage
from registry.tasks import stage_versions
from rollouts.routing import routing_publish
from tests.factories import approve, make_actor, make_model, make_promotion, make_version, read_files
from tests.gateways import RunningGateway
from tests.mlflow_server import start_mlflow
from tests.test_mlflow_protocol import log_booster, rows  # noqa: F401  a fixture

pytest_plugins = ["tests.mlflow_server"]
BUCKET = "models"


@pytest.fixture(scope="module")
def aws():
    """Run moto's server with one empty bucket, and name it in the usual variables."""
    url = f"http://127.0.0.1:{free_port()}"
    named = {
        "AWS_ENDPOINT_URL": url, "MLFLOW_S3_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-central-1", "AWS_EC2_METADATA_DISABLED": "true",
    }  # fmt: skip
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", url.rpartition(":")[2]],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with pytest.MonkeyPatch.context() as patch:
        for name, value in named.items():
            patch.setenv(name, value)
        try:
            for _ in range(600):
                try:
                    requests.get(url, timeout=5)
                    break
                except requests.RequestException:
                    time.sleep(0.1)
            s3 = boto3.client("s3")
            s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
            yield s3
        finally:
            server.terminate()
            server.wait(10)


@pytest.fixture(scope="module")
def mlflow_database(worker_id):
    return f"mlflow_s3_{worker_id}"


@pytest.fixture(scope="module")
def mlflow_process(aws, mlflow_database, django_db_setup, database_name, django_db_blocker, tmp_path_factory):
    """An MLflow process of the module's own, which keeps artifacts in the bucket."""
    home = tmp_path_factory.mktemp("mlflow-s3")
    with start_mlflow(
        home, mlflow_database, database_name, django_db_blocker, ARTIFACT_ROOT=f"s3://{BUCKET}/registry"
    ) as server:
        yield server


@pytest.fixture
def store(settings, mlflow_server):
    settings.ARTIFACT_STORE = f"s3://{BUCKET}/registry"


def keys(s3):
    return [found["Key"] for found in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def test_model_is_logged_verified_scored_and_downloaded(aws, engineer, store, rows, settings):  # noqa: F811
    booster, _, _ = log_booster(engineer.team, rows, registered_model_name=f"{engineer.team.slug}-delay")
    version = ModelVersion.objects.select_related("model__team").get(model__name=f"{engineer.team.slug}-delay")
    assert any(key.startswith(f"registry/workspaces/team-{engineer.team.pk}/") for key in keys(aws))

    outcome = read_source(version.source, version.run_id, team=version.model.team)
    version = services.version_settle(version_id=version.pk, outcome=outcome)

    assert (version.artifact_state, version.format, version.refusal) == ("verified", "lightgbm", "")
    assert np.allclose(predict(version, rows[0]), booster.predict(rows[0]))
    loaded = mlflow.lightgbm.load_model(f"models:/{version.model.name}/1")
    assert np.allclose(loaded.predict(rows[0]), booster.predict(rows[0]))

    folder = settings.ARTIFACT_ROOT / version.artifact_path
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    engineer.client.set_registered_model_alias(version.model.name, "shadow", 1)
    stage_versions()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == kept


def test_gateway_answers_with_a_version_that_lies_in_the_bucket(engineer, store, rows, settings, tmp_path):  # noqa: F811
    settings.ROUTING_TABLE_PATH = tmp_path / "routing/table.json"
    booster, _, _ = log_booster(engineer.team, rows, registered_model_name=f"{engineer.team.slug}-delay")
    version = ModelVersion.objects.select_related("model__team").get(model__name=f"{engineer.team.slug}-delay")
    version = read_files(version)
    approve(make_promotion(version.model, version=version))
    folder = settings.ARTIFACT_ROOT / version.artifact_path
    shutil.rmtree(folder)  # the gateway's host is not the one that read the files

    stage_versions()
    table = routing_publish(now=timezone.now())
    gateway = RunningGateway(tmp_path, SIGNING_TRUSTED_KEYS=str(public_key_file(settings.SIGNING_KEY_FILE)))
    gateway.start()
    try:
        asked = rows[0].iloc[:3]
        answer = gateway.infer(version.model.name, {"inputs": [
            {"name": "carrier", "shape": [3], "datatype": "BYTES", "data": asked.carrier.tolist()},
            {"name": "distance", "shape": [3], "datatype": "FP64", "data": asked.distance.tolist()},
        ]})  # fmt: skip
        served = gateway.status()
    finally:
        gateway.stop()

    assert (answer.status_code, answer.json()["model_version"]) == (200, "1")
    assert answer.json()["outputs"][0]["data"] == booster.predict(asked).tolist()
    assert (served["table"]["version"], served["refused"]) == (table.version, [])
    assert [one["digest"] for one in served["models"][version.model.name]["loaded"]] == [version.artifact_digest]


def test_converted_model_lies_in_the_bucket_too(engineer, store, settings):
    model = make_model(engineer.team, name=f"{engineer.team.slug}-pipeline")
    version = make_version(model)
    sha256 = hashlib.sha256(b"graph").hexdigest()
    path = Path(settings.ARTIFACT_ROOT, converted_path(version.artifact_digest, sha256), "model.onnx")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"graph")
    VersionReading.objects.create(version=version, conversion={"file": {"path": "model.onnx", "sha256": sha256}})
    services.alias_set(actor=make_actor(engineer.team), model=model, name="next", version=version)

    deposit(path.relative_to(settings.ARTIFACT_ROOT).as_posix())
    shutil.rmtree(path.parent)
    stage_versions()

    assert path.read_bytes() == b"graph"


def test_store_that_takes_nothing_is_named(store, settings):
    settings.ARTIFACT_STORE = "s3://no-such-bucket"
    (settings.ARTIFACT_ROOT / "made-here").write_bytes(b"graph")

    with pytest.raises(ArtifactError, match="The artifact store did not take made-here"):
        deposit("made-here")


def test_registered_files_in_the_bucket_do_not_change(aws, engineer, store, rows):  # noqa: F811
    log_booster(engineer.team, rows, registered_model_name=f"{engineer.team.slug}-delay")
    version = ModelVersion.objects.select_related("model__team").get(model__name=f"{engineer.team.slug}-delay")
    outcome = read_source(version.source, version.run_id, team=version.model.team)
    services.version_settle(version_id=version.pk, outcome=outcome)
    path = outcome.path.partition(f"team-{engineer.team.pk}/")[2]

    answer = engineer.send("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{path}/model.lgb", data=b"other")

    assert answer.status_code == 403
    assert aws.get_object(Bucket=BUCKET, Key=f"registry/{outcome.path}/model.lgb")["Body"].read() != b"other"


@pytest.mark.parametrize("name", ["../climbs", "a//b", "a/./b"])
def test_name_that_would_leave_the_folder_is_refused(aws, store, settings, name):
    aws.put_object(Bucket=BUCKET, Key=f"registry/workspaces/team-0/odd/{name}", Body=b"x")

    with pytest.raises(ArtifactError, match="none that an artifact needs"):
        stage("workspaces/team-0/odd")

    assert not Path(settings.ARTIFACT_ROOT, "workspaces/team-0/odd").exists()
    aws.delete_object(Bucket=BUCKET, Key=f"registry/workspaces/team-0/odd/{name}")


def test_store_that_does_not_answer_is_named(aws, store, settings, monkeypatch):
    settings.ARTIFACT_STORE = "s3://no-such-bucket"

    with pytest.raises(ArtifactError, match="did not hand over") as refused:
        stage("workspaces/team-0/absent")
    assert isinstance(refused.value.__cause__, ClientError)
