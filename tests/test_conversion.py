"""scikit-learn pipelines are served as ONNX where both answer the same: converted at the reading, signed, verified, loaded."""

import hashlib
import json
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest
import skops.io
from django.conf import settings
from django.db import ProgrammingError, transaction
from django.urls import reverse
from django.utils import timezone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression

from registry.converted import converted_path
from registry.models import AuditEvent, Role, VersionReading
from registry.selectors import converted_file, signature_of
from registry.signing import public_key_file, sign_manifest
from rollouts.routes import compose
from serving.contract import PARITY, Column, ConversionRequest, Converted, File, write_table
from serving.conversion import convert, sample
from serving.fleet import Fleet
from serving.runtimes import load_runtime
from serving.signatures import Trust
from tests.api import Api
from tests.artifacts import PLAIN, logged_version, mlmodel
from tests.factories import approve, make_model, make_promotion, make_team, make_user, make_version, read_files
from tests.gateways import COLUMNS, as_columns, flights, make_pipeline, make_route, make_table, pipeline

FLIGHTS, LATE = flights()
ROWS = as_columns(FLIGHTS)
EXAMPLE = {"columns": list(FLIGHTS.columns), "rows": [[column[i] for column in ROWS] for i in range(8)]}
NUMBERS = [Column("distance", "double"), Column("hour", "long")]


def converted(estimator, columns=NUMBERS, example=None):
    return convert(ConversionRequest(skops.io.dumps(estimator), columns, example or {}))


def fit(estimator, columns=("distance", "hour")):
    return estimator.fit(FLIGHTS[list(columns)].fillna(0.0), LATE)


def test_graph_answers_as_the_pipeline_does_also_where_values_are_missing():
    found = converted(pipeline(), COLUMNS, EXAMPLE)

    graph = load_runtime("onnx", found.model, COLUMNS)
    expected = pipeline().predict_proba(FLIGHTS)[:, 1]
    assert (found.reason, found.rows) == ("", 8 + 256)
    assert found.difference <= PARITY
    np.testing.assert_allclose(graph.predict(ROWS, len(FLIGHTS)), expected, atol=PARITY)
    assert FLIGHTS.distance.isna().any()
    assert not graph.slow


@pytest.mark.parametrize("estimator", [LogisticRegression(), LinearRegression()])
def test_model_of_numbers_needs_no_example(estimator):
    assert converted(fit(estimator)).model


def test_made_up_rows_are_always_the_same_and_miss_what_may_be_missing():
    rows = sample(COLUMNS, EXAMPLE)

    assert rows == sample(COLUMNS, EXAMPLE)
    assert {column.name: None in values for column, values in zip(COLUMNS, rows, strict=True)} == {
        "carrier": False, "distance": True, "hour": False, "wet": False,
    }  # fmt: skip
    assert set(rows[0]) == {"AA", "B6", "UA"}


def counting_from(base):
    """A sum that needs more digits than a graph's floats have."""
    rows = pd.DataFrame({"a": base + np.arange(100), "b": np.arange(100)})
    return LinearRegression().fit(rows, rows.a - base + rows.b)


@pytest.mark.parametrize(
    ("estimator", "columns", "example", "why"),
    [
        (lambda: fit(HistGradientBoostingClassifier(max_iter=3)), NUMBERS, {}, "it cannot be converted: "),
        (pipeline, [Column("carrier", "string"), *COLUMNS[1:]], {}, "log the model with an input_example"),
        (lambda: fit(LogisticRegression()), [Column("distance", "double", required=False), NUMBERS[1]], {},
         "the original fails on rows that its signature allows: ValueError"),
        (lambda: counting_from(2**25), [Column("a", "long"), Column("b", "long")],
         {"columns": ["a", "b"], "rows": [[2**25 + i, i] for i in (1, 5)]}, "away from the original, more than 1e-05"),
    ],
)  # fmt: skip
def test_why_the_original_is_served(estimator, columns, example, why):
    found = converted(estimator(), columns, example)

    assert found.model == b""
    assert why in found.reason


# --- in the registry ---


def logged_pipeline(team=None):
    """A version that is a pipeline with an input example, read."""
    example = {"columns": EXAMPLE["columns"], "data": EXAMPLE["rows"]}
    flavors = {"sklearn": {"pickled_model": "model.skops"}, "python_function": {"loader_module": "mlflow.sklearn"}}
    description = mlmodel(
        flavors, PLAIN, saved_input_example_info={"artifact_path": "example.json", "type": "dataframe"}
    )
    files = {"MLmodel": description, "model.lgb": None, "model.skops": skops.io.dumps(pipeline()),
             "example.json": json.dumps(example)}  # fmt: skip
    return read_files(logged_version(team or make_team(), files))


@pytest.mark.django_db
def test_conversion_is_kept_with_the_reading_signed_at_approval_and_loaded(client, tmp_path):
    version = logged_pipeline()
    told = VersionReading.objects.get(version=version).conversion
    sha256 = told["file"]["sha256"]
    data = Path(settings.ARTIFACT_ROOT, converted_path(version.artifact_digest, sha256), "model.onnx").read_bytes()

    assert (told["rows"], told["tolerance"], told["reason"]) == (261, PARITY, "")
    assert told["file"] == {"path": "model.onnx", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    assert AuditEvent.objects.get(action="version.verify").payload["converted"] == told["file"]["sha256"]
    with pytest.raises(ProgrammingError, match="what was read of a version is fixed"), transaction.atomic():
        VersionReading.objects.filter(version=version).update(conversion={})

    approve(make_promotion(version.model, version=version))
    (route,) = compose()
    fleet = Fleet(tmp_path / "t.json", lambda s: None, trust=Trust([public_key_file(settings.SIGNING_KEY_FILE)]))
    write_table(make_table(route), tmp_path / "t.json")
    fleet.follow()

    assert signature_of(version).is_valid
    assert set(version.evidence.get(kind="signature").detail) == {"key", "bundle", "promotion", "converted"}
    servable = fleet.snapshot.routes[version.model.name].servables[1]
    assert (servable.format, servable.runs_as, servable.digest) == ("skops", "onnx", version.artifact_digest)
    client.force_login(make_user(version.model.team, Role.VIEWER))
    page = client.get(reverse("version", args=[version.model.name, 1]), {"tab": "files"}).content.decode()
    assert "Served as" in page
    assert "261 rows" in page
    shown = Api(version.model.team).get(f"models/{version.model.name}/versions/1").json()["reading"]["conversion"]
    assert shown == {"served_as": "onnx", **told}


@pytest.mark.django_db
def test_why_there_is_no_conversion_is_told(client):
    version = make_version(make_model(make_team()))
    told = {"rows": 256, "difference": 0.0, "tolerance": PARITY, "reason": "it cannot be converted: no <b>shape</b>"}
    VersionReading.objects.create(version=version, read_at=timezone.now(), conversion=told)

    client.force_login(make_user(version.model.team, Role.VIEWER))
    page = client.get(reverse("version", args=[version.model.name, version.number]), {"tab": "files"}).content.decode()
    assert version.is_servable
    assert converted_file(version) is None
    assert "not converted to ONNX: it cannot be converted: no &lt;b&gt;shape&lt;/b&gt;" in page
    shown = Api(version.model.team).get(f"models/{version.model.name}/versions/{version.number}").json()["reading"]
    assert shown["conversion"] == {"served_as": "skops", "file": None, **told}


# --- at the gateway ---


@pytest.fixture
def served(tmp_path):
    """A pipeline with its conversion, unsigned, as the routing table lists it."""
    version = make_pipeline(tmp_path)
    data = converted(pipeline(), COLUMNS, EXAMPLE).model
    file = File("model.onnx", len(data), hashlib.sha256(data).hexdigest())
    (tmp_path / "converted").mkdir()
    (tmp_path / "converted/model.onnx").write_bytes(data)
    return msgspec.structs.replace(version, converted=Converted(str(tmp_path / "converted"), file))


def followed(tmp_path, version, trust=None):
    fleet = Fleet(tmp_path / "t.json", lambda snapshot: None, trust=trust)
    write_table(make_table(make_route(version)), tmp_path / "t.json")
    fleet.follow()
    return fleet.snapshot


def test_changed_conversion_is_refused(tmp_path, served):  # T9
    path = Path(served.converted.folder, "model.onnx")
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")

    snapshot = followed(tmp_path, served)

    assert not snapshot.is_ready
    assert [r.reason for r in snapshot.refused] == ["model.onnx has changed: its SHA-256 is not the registered one"]


def test_changed_original_is_refused_though_its_conversion_is_whole(tmp_path, served):  # T9
    (Path(served.folder) / "model.skops").write_bytes(b"evil")

    assert "model.skops has changed" in followed(tmp_path, served).refused[0].reason


def test_conversion_to_another_format_is_refused(tmp_path, served):  # T5
    path = Path(served.converted.folder, "model.onnx")
    path.rename(path.with_name("model.pkl"))
    file = msgspec.structs.replace(served.converted.file, path="model.pkl")
    changed = msgspec.structs.replace(served.converted, file=file)

    (refused,) = followed(tmp_path, msgspec.structs.replace(served, converted=changed)).refused

    assert refused.reason == "model.pkl is not of the format that models are converted to"


@pytest.mark.django_db
def test_conversion_has_to_be_signed_as_the_version_is(tmp_path, served):
    bundle, _ = sign_manifest("v", msgspec.to_builtins(served.manifest))
    trust = Trust([public_key_file(settings.SIGNING_KEY_FILE)])
    half = msgspec.structs.replace(served, governed=True, signature=json.dumps(bundle))

    def with_signature(over):
        signed = json.dumps(sign_manifest("c", over)[0])
        changed = msgspec.structs.replace(served.converted, signature=signed)
        return msgspec.structs.replace(half, converted=changed)

    assert [r.reason for r in followed(tmp_path, half, trust).refused] == [
        "its converted file: it is not signed, and what answers has to be"
    ]
    other = with_signature(msgspec.to_builtins(served.manifest))
    assert [r.reason for r in followed(tmp_path, other, trust).refused] == [
        "its converted file: its signature is over other files"
    ]
    assert followed(tmp_path, with_signature([msgspec.to_builtins(served.converted.file)]), trust).is_ready
