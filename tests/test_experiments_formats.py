"""ONNX and safetensors versions, registered by MLflow's stock client, are measured as the files themselves answer."""

import mlflow
import numpy as np
import onnxruntime
import pandas as pd
import pytest
import safetensors.numpy
import skl2onnx
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from experiments.scoring.predicting import CHILD_ROWS, ScoringError, predict
from experiments.selectors import dataset_rows
from experiments.services import evaluation_start
from jobs.states import State
from registry.access import Actor
from registry.models import Evidence, ModelVersion
from tests.artifacts import logged_version, mlmodel
from tests.factories import make_team, read_files, run_jobs
from tests.test_experiments_jobs import rows, world  # noqa: F401  fixtures

pytest_plugins = ["tests.mlflow_server"]


@pytest.fixture
def member(world, join):  # noqa: F811
    """An engineer of the data's team, by whom MLflow's client speaks."""
    engineer, _, data = world
    joined = join(engineer.teams()[0])
    with joined.signed_in():
        mlflow.set_experiment(data.dataset.name)
        yield joined


def whole_columns(data):
    """Return the columns of numbers without gaps, and their MLflow types."""
    types = {column["name"]: column["type"] for column in data.columns}
    numbers = [n for n in data.features() if n not in data.categorical() and not data.profile[n]["nulls"]]
    return numbers, ModelSignature(Schema([ColSpec(types[name], name) for name in numbers]))


def fitted(data, names):
    learn = dataset_rows(data, "train")
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(learn[names], learn[data.target])


def logged_onnx(data, name):
    names, signature = whole_columns(data)
    kind = skl2onnx.common.data_types.FloatTensorType([None, len(names)])
    graph = skl2onnx.to_onnx(
        fitted(data, names), initial_types=[("columns", kind)], options={"zipmap": False}, target_opset=18
    )
    with mlflow.start_run():
        mlflow.onnx.log_model(
            graph, name="model", signature=signature, registered_model_name=name, save_as_external_data=False,
            pip_requirements=[],
        )  # fmt: skip
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    given = dataset_rows(data, "held_out")[names].to_numpy(dtype=np.float32)
    return session.run(["probabilities"], {"columns": given})[0][:, 1]


def logged_safetensors(data, name, folder, client):
    names, signature = whole_columns(data)
    scaler, regression = (step for _, step in fitted(data, names).steps)
    weight = (regression.coef_ / scaler.scale_).astype(np.float32)
    bias = (regression.intercept_ - (weight * scaler.mean_).sum(axis=1)).astype(np.float32)
    folder.mkdir()
    safetensors.numpy.save_file(
        {"0.weight": weight, "0.bias": bias}, folder / "model.safetensors", {"architecture": "dense", "output": "logit"}
    )
    description = mlflow.models.Model(signature=signature)
    description.add_flavor("safetensors", data="model.safetensors")
    description.save(folder / "MLmodel")
    with mlflow.start_run() as run:
        mlflow.log_artifacts(folder, "model")
    client.create_registered_model(name)
    client.create_model_version(name, f"runs:/{run.info.run_id}/model", run.info.run_id)
    given = dataset_rows(data, "held_out")[names].to_numpy(dtype=np.float64)
    return 1 / (1 + np.exp(-(given @ weight.T.astype(np.float64) + bias).ravel()))


def check_evidence(world, member, expected):  # noqa: F811
    """Evaluate the version of the data's name, and hold what was measured against the ``expected`` answers."""
    _, _, data = world
    version = read_files(ModelVersion.objects.select_related("model__team").get(model__name=f"{data.dataset.name}-2"))
    evaluation_start(actor=Actor(member.user, "test"), version=version, dataset_version=data)

    (job,) = run_jobs("evaluation")

    assert (job.state, version.refusal) == (State.SUCCEEDED, "")
    held_out = dataset_rows(data, "held_out")
    np.testing.assert_allclose(predict(version, held_out), expected, rtol=1e-9)
    found = dict(Evidence.objects.filter(version=version, data_slice="").values_list("metric", "value"))
    labels = held_out[data.target]
    assert found["roc_auc"] == pytest.approx(roc_auc_score(labels, expected), abs=1e-9)
    assert found["average_precision"] == pytest.approx(average_precision_score(labels, expected), abs=1e-9)
    return version


def test_onnx_is_measured(world, member):  # noqa: F811
    _, _, data = world
    expected = logged_onnx(data, f"{data.dataset.name}-2")

    assert check_evidence(world, member, expected).format == "onnx"


def test_safetensors_is_measured(world, member, tmp_path):  # noqa: F811
    _, _, data = world
    expected = logged_safetensors(data, f"{data.dataset.name}-2", tmp_path / "model", member.client)

    assert check_evidence(world, member, expected).format == "safetensors"


def score_graph(width, output="probabilities"):
    """A graph of two columns that answers ``width`` values a row."""
    weight = np.arange(2 * width, dtype=np.float32).reshape(2, width)
    node = helper.make_node("MatMul", ["x", "weight"], [output])
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])
    answer = helper.make_tensor_value_info(output, TensorProto.FLOAT, [None, width])
    graph = helper.make_graph([node], "g", [given], [answer], [numpy_helper.from_array(weight, "weight")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9).SerializeToString()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("graph", "missing", "reason"),
    [
        (score_graph(3), False, "answers 3 values a row"),
        (score_graph(2, "values"), False, "answers 2 values a row"),
        (score_graph(1), True, "no number for 2 of 4 rows"),
    ],
    ids=["three classes", "two values", "a missing value"],
)
def test_what_is_no_probability_a_row_is_not_measured(verified_onnx, graph, missing, reason):
    version, given = verified_onnx(graph)

    with pytest.raises(ScoringError, match=reason):
        predict(version, given.replace(1.0, np.nan) if missing else given)


@pytest.mark.django_db
def test_rows_are_answered_in_parts_and_in_their_order(verified_onnx, monkeypatch):
    version, given = verified_onnx(score_graph(1))
    monkeypatch.setattr("experiments.scoring.predicting.CHILD_ROWS", 3)

    assert CHILD_ROWS > 3
    assert predict(version, given).tolist() == given["b"].tolist()


@pytest.fixture
def verified_onnx():
    def version(graph):
        inputs = [{"name": name, "type": "double", "required": True} for name in "ab"]
        flavors = {"onnx": {"data": "model.onnx"}, "python_function": {"loader_module": "mlflow.onnx"}}
        files = {"MLmodel": mlmodel(flavors, inputs), "model.lgb": None, "model.onnx": graph}
        found = read_files(logged_version(make_team(), files))
        assert found.format == "onnx"
        return found, pd.DataFrame({"a": [1.0, 2, 3, 4], "b": [0.25, 0.5, 0.75, 1]})

    return version
