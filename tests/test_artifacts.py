"""Reading an artifact's folder: what is served, what is not and why, and what is refused."""

import json
import os
import pickle
import zipfile

import pytest
import yaml

from registry.artifacts import ArtifactError, read_artifact
from serving.contract import File, manifest_digest

COLUMNS = [{"name": "distance", "type": "double", "required": True}, {"name": "carrier", "type": "string"}]
BOOSTER = "tree\nversion=v4\nfeature_names=distance carrier\nfeature_infos=[0:9] 0:1\n\nTree=0\nend\n\npandas_categorical:{}\n"


def mlmodel(flavors=None, inputs=COLUMNS, **fields) -> str:
    flavors = flavors or {"lightgbm": {"data": "model.lgb"}, "python_function": {"loader_module": "mlflow.lightgbm"}}
    signature = {"inputs": json.dumps(inputs), "outputs": "[]"} if inputs is not None else None
    return yaml.safe_dump({"flavors": flavors, "signature": signature, **fields})


@pytest.fixture
def folder(settings):
    folder = settings.ARTIFACT_ROOT / "workspaces/team-1/1/abc/artifacts/model"
    folder.mkdir(parents=True)
    (folder / "MLmodel").write_text(mlmodel())
    (folder / "model.lgb").write_text(BOOSTER.format('[["AA", "UA"]]'))
    return folder


@pytest.fixture
def skops(folder):
    (folder / "model.lgb").unlink()
    flavors = {"sklearn": {"pickled_model": "model.skops"}, "python_function": {"loader_module": "mlflow.sklearn"}}
    (folder / "MLmodel").write_text(mlmodel(flavors))
    with zipfile.ZipFile(folder / "model.skops", "w") as archive:
        archive.writestr("schema.json", "{}")
    return folder


def test_lightgbm_text_with_its_categories(folder):
    reading = read_artifact(folder)

    assert (reading.format, reading.refusal, reading.servable) == ("lightgbm", "", True)
    assert reading.path == "workspaces/team-1/1/abc/artifacts/model"
    assert reading.signature["inputs"] == [
        {"name": "distance", "type": "double", "required": True},
        {"name": "carrier", "type": "string", "required": True, "categories": ["AA", "UA"]},
    ]
    assert [file["path"] for file in reading.manifest] == ["MLmodel", "model.lgb"]
    assert reading.digest == manifest_digest([File(**file) for file in reading.manifest])


def test_digest_follows_every_byte(folder):
    before = read_artifact(folder).digest
    (folder / "notes").mkdir()
    (folder / "notes/a.txt").write_text("more")

    assert read_artifact(folder).digest != before


def test_skops_archive(skops):
    assert read_artifact(skops).format == "skops"


def test_categories_of_a_column_that_no_tree_uses(folder):
    text = BOOSTER.format('[["AA", "UA"]]').replace("[0:9] 0:1", "[0:9] none")
    (folder / "model.lgb").write_text(text)

    assert read_artifact(folder).signature["inputs"][1]["categories"] == ["AA", "UA"]


@pytest.mark.parametrize(
    ("path", "content", "reason"),
    [
        ("model.pkl", "", "holds a pickle"),
        ("extra/weights.PT", "", "holds a pickle"),
        ("MLmodel", mlmodel(inputs=None), "lacks a signature"),
        ("MLmodel", mlmodel(inputs=[{"type": "tensor"}]), "lacks a signature"),
        ("MLmodel", mlmodel(inputs=[{"name": "at", "type": "datetime"}]), "column at is of type datetime"),
        ("MLmodel", mlmodel(inputs=COLUMNS[:1]), "differ in carrier"),
        ("MLmodel", mlmodel({"pytorch": {"data": "x"}}), "flavour is pytorch"),
        ("MLmodel", mlmodel({"lightgbm": {"data": "../model.lgb"}}), "flavour is lightgbm"),
        ("MLmodel", mlmodel({"lightgbm": {"data": "model.lgb", "code": "code"}}), "code of its own"),
        ("MLmodel", mlmodel({"lightgbm": {"data": "model.lgb"}, "python_function": {"loader_module": "mine"}}),
         "code of its own"),
        ("model.lgb", BOOSTER.format("null"), "do not match"),
        ("model.lgb", BOOSTER.format("[[1, 2]]"), "not of its type, string"),
    ],
    ids=map(str, range(12)),
)  # fmt: skip
def test_not_servable_and_why(folder, path, content, reason):
    (folder / path).parent.mkdir(exist_ok=True)
    (folder / path).write_text(content)

    reading = read_artifact(folder)

    assert reason in reading.refusal.replace("Column", "column")
    assert (reading.format, reading.servable) == ("other", False)
    assert reading.digest.startswith("sha256:")


def test_files_without_a_description_are_kept_and_not_served(folder):
    (folder / "MLmodel").unlink()

    assert "no MLmodel file" in read_artifact(folder).refusal


def test_pickle_under_another_name_is_refused(folder, skops):
    (skops / "model.skops").write_bytes(pickle.dumps({"a": 1}))

    with pytest.raises(ArtifactError, match="not what its name says"):
        read_artifact(folder)


@pytest.mark.parametrize("content", ["pickled", "tree\nfeature_infos=[0:9] 0:1\n\npandas_categorical:[[\n"])
def test_broken_lightgbm_text_is_refused(folder, content):
    (folder / "model.lgb").write_text(content)

    with pytest.raises(ArtifactError, match=r"model\.lgb"):
        read_artifact(folder)


@pytest.mark.parametrize("content", ["a: [", "[]", "flavors: x", "\x00"])
def test_broken_description_is_refused(folder, content):
    (folder / "MLmodel").write_text(content)

    with pytest.raises(ArtifactError, match="MLmodel"):
        read_artifact(folder)


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


def test_categories_follow_the_order_of_the_model_not_of_the_signature(folder):
    inputs = [{"name": "carrier", "type": "string"}, {"name": "distance", "type": "double"},
              {"name": "day of week", "type": "long"}]  # fmt: skip
    (folder / "MLmodel").write_text(mlmodel(inputs=inputs))
    text = BOOSTER.format('[[1, 2], ["AA", "UA"]]')
    text = text.replace("distance carrier", "day_of_week distance carrier").replace("[0:9] 0:1", "0:1 [0:9] 0:1")
    (folder / "model.lgb").write_text(text)

    columns = {c["name"]: c.get("categories") for c in read_artifact(folder).signature["inputs"]}

    assert columns == {"carrier": ["AA", "UA"], "distance": None, "day of week": ["1", "2"]}
