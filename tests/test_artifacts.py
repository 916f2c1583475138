"""Reading an artifact's folder: what is served, what is not and why, and what is refused."""

import hashlib
import json
import os
import pickle

import pytest
import skops.io
import yaml
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from registry.artifacts import ArtifactError, read_artifact
from registry.conversions import CONVERSIONS
from registry.mlflow.server import _no_room
from serving.categories import with_categories
from serving.contract import FORMATS, Column, File, manifest_digest
from serving.reading import read
from serving.recognition import DECLARED, OTHER_FLAVORS
from tests.artifacts import PLAIN, mlmodel
from tests.gateways import boosted, pipeline

BOOSTED = boosted().model_to_string()


def found(folder):
    """Read a folder as the child does, in this process."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return read(folder, [file_of(folder, path) for path in files])


def file_of(folder, path) -> File:
    data = path.read_bytes()
    return File(path.relative_to(folder).as_posix(), len(data), hashlib.sha256(data).hexdigest())


@pytest.fixture
def folder(settings):
    folder = settings.ARTIFACT_ROOT / "workspaces/team-1/1/abc/artifacts/model"
    folder.mkdir(parents=True)
    (folder / "MLmodel").write_text(mlmodel())
    (folder / "model.lgb").write_text(BOOSTED)
    return folder


SKOPS = {"sklearn": {"pickled_model": "model.skops"}, "python_function": {"loader_module": "mlflow.sklearn"}}


@pytest.fixture
def skops_folder(folder):
    (folder / "model.lgb").unlink()
    (folder / "MLmodel").write_text(mlmodel(SKOPS))
    (folder / "model.skops").write_bytes(skops.io.dumps(pipeline()))
    return folder


def test_lightgbm_text_with_its_categories(folder):
    reading = read_artifact(folder)

    assert (reading.format, reading.refusal) == ("lightgbm", "")
    assert reading.path == "workspaces/team-1/1/abc/artifacts/model"
    assert reading.signature["inputs"] == [PLAIN[0] | {"categories": ["AA", "B6", "UA"]}, *PLAIN[1:]]
    assert [file["path"] for file in reading.manifest] == ["MLmodel", "model.lgb"]
    assert reading.digest == manifest_digest([File(**file) for file in reading.manifest])


def test_digest_follows_every_byte(folder):
    before = read_artifact(folder).digest
    (folder / "notes").mkdir()
    (folder / "notes/a.txt").write_text("more")

    assert read_artifact(folder).digest != before


def test_skops_archive(skops_folder):
    assert (found(skops_folder).format, found(skops_folder).refusal) == ("skops", "")


def test_categories_of_a_column_that_no_tree_uses(folder):
    (folder / "model.lgb").write_text(BOOSTED.replace("feature_infos=-1:1:0:2", "feature_infos=none"))

    assert found(folder).columns[0].categories == ["AA", "B6", "UA"]


@pytest.mark.parametrize(
    ("path", "content", "kind", "reason"),
    [
        ("model.pkl", "", "lightgbm-pickle", "holds a pickle"),
        ("extra/weights.PT", "", "lightgbm-pickle", "holds a pickle"),
        ("MLmodel", mlmodel(inputs=None), "lightgbm", "lacks a signature"),
        ("MLmodel", mlmodel(inputs=[{"type": "tensor"}]), "lightgbm", "lacks a signature"),
        ("MLmodel", mlmodel(inputs=[{"name": "at", "type": "datetime"}]), "lightgbm", "Column at is of type datetime"),
        ("MLmodel", mlmodel(inputs=PLAIN[1:]), "lightgbm", "differ in carrier"),
        ("MLmodel", mlmodel({"pytorch": {"data": "x"}}), "torch", "flavour is pytorch"),
        ("MLmodel", mlmodel({"lightgbm": {"data": "../model.lgb"}}), "other", "flavour is lightgbm"),
        ("MLmodel", mlmodel({"lightgbm": {"data": "model.lgb", "code": "code"}}), "code", "code of its own"),
        ("MLmodel", mlmodel({"lightgbm": {"data": "model.lgb"}, "python_function": {"loader_module": "mine"}}),
         "code", "a loader of its own (mine)"),
        ("model.lgb", BOOSTED.replace('[["AA", "B6", "UA"]]', "[[1, 2, 3]]"), "lightgbm", "not of its type, string"),
        ("model.lgb", BOOSTED.replace('[["AA", "B6", "UA"]]', "null"), "lightgbm", "do not match"),
    ],
    ids=map(str, range(12)),
)  # fmt: skip
def test_not_servable_and_why(folder, path, content, kind, reason):
    (folder / path).parent.mkdir(exist_ok=True)
    (folder / path).write_text(content)

    reading = found(folder)

    assert reason in reading.refusal
    assert (reading.format, reading.unsound) == (kind, "")


def test_files_without_a_description_are_kept_and_not_served(folder):
    (folder / "MLmodel").unlink()

    assert "no MLmodel file" in found(folder).refusal


@pytest.mark.parametrize(
    ("kind", "name"),
    [("lightgbm", "model.lgb"), ("xgboost", "model.ubj"), ("xgboost", "model.json"), ("skops", "model.skops"),
     ("onnx", "model.onnx"), ("safetensors", "model.safetensors")],
)  # fmt: skip
def test_pickle_under_another_name_is_refused(folder, kind, name):  # T6
    flavor, field = DECLARED[kind]
    (folder / "MLmodel").write_text(mlmodel({flavor: {field: name}}))
    (folder / name).write_bytes(pickle.dumps({"a": 1}))

    assert found(folder).unsound.startswith(f"{name} is not what its name says: ")


def test_refusal_comes_back_from_the_child(skops_folder):
    (skops_folder / "model.skops").write_bytes(pickle.dumps({"a": 1}))

    with pytest.raises(ArtifactError, match="not what its name says"):
        read_artifact(skops_folder)


def test_text_that_kills_the_library_kills_a_child_alone(folder):  # T10
    (folder / "model.lgb").write_text(BOOSTED.replace("left_child=", "left_child=99999 "))

    with pytest.raises(ArtifactError, match=r"killed the process that tried it \(signal (6|11)\)"):
        read_artifact(folder)


@pytest.mark.parametrize("content", ["pickled", "tree\nfeature_infos=[0:9] 0:1\n\npandas_categorical:[[\n"])
def test_broken_lightgbm_text_is_refused(folder, content):
    (folder / "model.lgb").write_text(content)

    assert found(folder).unsound.startswith("model.lgb is not what its name says")


@pytest.mark.parametrize("content", ["a: [", "[]", "flavors: x", "\x00", "[" * 100_000, "x" * 1_000_001])
def test_broken_description_is_refused(folder, content):
    (folder / "MLmodel").write_text(content)

    assert "MLmodel" in found(folder).unsound


@pytest.mark.parametrize(
    "plant",
    [
        lambda f: (f / "link").symlink_to("/etc/passwd"),
        lambda f: (f / "link").symlink_to(f.parent, target_is_directory=True),
        lambda f: (f / "hard").hardlink_to(f / "MLmodel"),
        lambda f: os.mkfifo(f / "pipe"),
        lambda f: (f / "line\nbreak").write_text(""),
    ],
    ids=["symbolic link", "link to a folder", "hard link", "pipe", "control character"],
)
def test_what_is_no_plain_file_is_refused(folder, plant):
    plant(folder)

    with pytest.raises(ArtifactError):
        read_artifact(folder)


def test_folder_behind_a_link_is_refused(folder, settings):
    (settings.ARTIFACT_ROOT / "door").symlink_to(folder, target_is_directory=True)

    for path in (settings.ARTIFACT_ROOT / "door", settings.ARTIFACT_ROOT / "none", folder / ".." / ".."):
        with pytest.raises(ArtifactError, match="no files"):
            read_artifact(path)


def test_categories_follow_the_order_of_the_model_not_of_the_signature():
    columns = [Column("carrier", "string"), Column("distance", "double"), Column("day of week", "long")]
    header = "tree\nfeature_names=day_of_week distance carrier\nfeature_infos=0:1 [0:9] 0:1\n\nTree=0\n"
    text = f'{header}\npandas_categorical:[[1, 2], ["AA", "UA"]]\n'

    known = {column.name: column.categories for column in with_categories("lightgbm", text.encode(), columns)}

    assert known == {"carrier": ["AA", "UA"], "distance": None, "day of week": ["1", "2"]}


def test_what_the_artifact_says_of_itself(folder):
    (folder / "MLmodel").write_text(
        mlmodel(saved_input_example_info={"artifact_path": "input_example.json"}, metadata={"license": "Apache-2.0"})
    )
    rows = [["AA", 0.5, 17, True]] * 9 + [["UA", None, 3, "x" * 900]]
    (folder / "input_example.json").write_text(
        json.dumps({"columns": ["carrier", "distance", "hour", "wet"], "data": rows})
    )
    (folder / "requirements.txt").write_text(
        "# made by mlflow\nlightgbm==4.7.0\n--index-url https://elsewhere\nnumpy\n"
    )
    (folder / "python_env.yaml").write_text("python: 3.11.9\n")

    reading = found(folder)

    assert reading.dependencies == {
        "python": "3.11.9", "packages": ["lightgbm==4.7.0", "numpy"], "from": ["requirements.txt", "python_env.yaml"]
    }  # fmt: skip
    assert reading.example == {"columns": ["carrier", "distance", "hour", "wet"], "rows": rows[:5]}
    assert reading.licence == "Apache-2.0"


def test_dependencies_from_conda_alone(folder):
    conda = {"dependencies": ["python=3.11.4", "pip<=24", {"pip": ["lightgbm==4.7.0", "mlflow"]}]}
    (folder / "conda.yaml").write_text(yaml.safe_dump(conda))

    assert found(folder).dependencies == {
        "python": "3.11.4", "packages": ["lightgbm==4.7.0", "mlflow"], "from": ["conda.yaml"]
    }  # fmt: skip


@pytest.mark.parametrize("name", ["requirements.txt", "conda.yaml", "python_env.yaml", "input_example.json"])
@pytest.mark.parametrize("content", [b"\xff\xfe", b"[" * 100_000, b"a: [", b"[1]", b'{"columns": 1, "data": [2]}'])
def test_garbled_declarations_are_no_fault_of_the_model(folder, name, content):
    (folder / "MLmodel").write_text(mlmodel(saved_input_example_info={"artifact_path": "input_example.json"}))
    (folder / name).write_bytes(content)

    reading = found(folder)

    assert (reading.unsound, reading.refusal, reading.example) == ("", "", {})


def test_every_format_says_how_to_convert_it():
    kinds = {
        *FORMATS,
        *OTHER_FLAVORS.values(),
        "pickle",
        "joblib",
        "torch",
        "lightgbm-pickle",
        "xgboost-pickle",
        "code",
        "other",
    }

    assert set(CONVERSIONS) == kinds
    for conversion in CONVERSIONS.values():
        assert conversion.title
        assert conversion.advice


def test_full_disk_is_a_507_that_clients_do_not_try_again():  # F5
    async def upload(request):
        with open("/dev/full", "wb", buffering=0) as full:
            full.write(b"tree")

    async def lost(request):
        raise FileNotFoundError("gone")

    app = Starlette(routes=[Route("/full", upload), Route("/lost", lost)], exception_handlers={OSError: _no_room})
    client = TestClient(app, raise_server_exceptions=False)

    assert client.get("/full").status_code == 507
    assert "nothing of this file was kept" in client.get("/full").json()["message"]
    assert client.get("/lost").status_code == 500
