"""Only what was registered is loaded, byte for byte; what is refused leaves the last good version serving."""

import os
import pickle
import weakref

import msgspec
import pytest

from serving.artifacts import ArtifactError, read_model_file
from serving.contract import Arm, File, manifest_digest, write_table
from serving.fleet import Fleet
from tests.gateways import make_artifact, make_boosted, make_route, make_table

MODEL = b"tree\nweights"


def refusal(version) -> tuple[int, str]:
    with pytest.raises(ArtifactError) as caught:
        read_model_file(version)
    return caught.value.status, str(caught.value)


def test_unchanged_files_are_read(tmp_path):
    version = make_artifact(tmp_path, "model.lgb", MODEL, extra={"MLmodel": b"flavors:", "deep/notes.txt": b""}.items())

    assert read_model_file(version) == MODEL


@pytest.mark.parametrize("changed", ["model.lgb", "MLmodel"])
@pytest.mark.parametrize("content", [b"tree\nwEights", b"tree\nweights and more", b""])
def test_bytes_changed_after_registration_are_refused(tmp_path, changed, content):  # T9
    version = make_artifact(tmp_path, "model.lgb", MODEL, extra={"MLmodel": MODEL}.items())
    (tmp_path / changed).write_bytes(content)

    status, why = refusal(version)

    assert status == 422
    assert why.startswith(f"{changed} has changed: ")


def test_manifest_changed_with_the_bytes_is_refused(tmp_path):
    registered = make_artifact(tmp_path / "a", "model.lgb", MODEL)
    other = make_artifact(tmp_path / "b", "model.lgb", b"tree\nothers")

    forged = msgspec.structs.replace(registered, folder=other.folder, manifest=other.manifest)

    assert refusal(forged) == (422, "the manifest is not the one that was registered: its digest differs")


@pytest.mark.parametrize("name", ["model.pkl", "model.joblib", "model.pt", "model.lgb.pkl"])
@pytest.mark.parametrize("format_name", ["lightgbm", "skops"])
def test_formats_that_run_code_are_not_allowed(tmp_path, name, format_name):  # T5
    version = make_artifact(tmp_path, name, pickle.dumps({}), format_name=format_name)

    assert refusal(version) == (
        415,
        f"{name} is not of an allowed format: lightgbm, xgboost, skops, onnx, safetensors, retriever",
    )


def test_format_beyond_the_list_is_not_allowed(tmp_path):
    version = make_artifact(tmp_path, "model.lgb", MODEL, format_name="pyfunc")

    assert refusal(version)[0] == 415


def test_missing_file_and_file_outside_the_manifest_are_refused(tmp_path):
    version = make_artifact(tmp_path, "model.lgb", MODEL)
    (tmp_path / "other.lgb").write_bytes(MODEL)

    assert refusal(msgspec.structs.replace(version, file="other.lgb")) == (422, "other.lgb is not in the manifest")
    (tmp_path / "model.lgb").unlink()
    assert refusal(version) == (422, "model.lgb cannot be opened: No such file or directory")


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_links_are_refused(tmp_path, link):
    version = make_artifact(tmp_path / "a", "model.lgb", MODEL)
    (tmp_path / "outside").write_bytes(MODEL)
    (tmp_path / "a/model.lgb").unlink()
    link(tmp_path / "outside", tmp_path / "a/model.lgb")

    status, why = refusal(version)

    assert status == 422
    assert "link" in why or "symbolic" in why


def test_linked_folder_is_refused(tmp_path):
    version = make_artifact(tmp_path / "a", "deep/model.lgb", MODEL)
    (tmp_path / "a/deep").rename(tmp_path / "outside")
    (tmp_path / "a/deep").symlink_to(tmp_path / "outside")

    assert refusal(version) == (422, "deep/model.lgb passes a link")


def test_pipe_in_place_of_a_file_does_not_hang_the_loader(tmp_path):
    version = make_artifact(tmp_path, "model.lgb", MODEL)
    (tmp_path / "model.lgb").unlink()
    os.mkfifo(tmp_path / "model.lgb")

    assert refusal(version) == (422, "model.lgb is a link or no plain file")


@pytest.mark.parametrize("path", ["../outside.lgb", "/etc/model.lgb", "a/../../outside.lgb", "a\x00.lgb"])
def test_paths_outside_the_folder_are_refused_unopened(tmp_path, path):
    (tmp_path / "outside.lgb").write_bytes(MODEL)
    inside = make_artifact(tmp_path / "a", "model.lgb", MODEL)
    manifest = [File(path, inside.manifest[0].size, inside.manifest[0].sha256)]
    version = msgspec.structs.replace(inside, file=path, manifest=manifest, digest=manifest_digest(manifest))

    assert refusal(version) == (422, f"{path!r} lies outside the artifact's folder")


@pytest.fixture
def fleet(tmp_path):
    return Fleet(tmp_path / "table.json", lambda snapshot: None)


def numbers(fleet) -> list[int]:
    return sorted(loaded.number for loaded in fleet.snapshot.loaded())


def champion(fleet) -> int:
    return fleet.snapshot.routes["flight-delay"].route.arms[0].number


def test_tampered_champion_is_refused_and_the_last_good_one_keeps_serving(tmp_path, fleet):  # T9
    good, bad = make_boosted(tmp_path, 1), make_boosted(tmp_path, 2, 5)
    write_table(make_table(make_route(good), version=1), tmp_path / "table.json")
    fleet.follow()
    (tmp_path / "v2/model.lgb").write_bytes(b"tree\nevil")

    write_table(make_table(make_route(bad, good), version=2), tmp_path / "table.json")
    fleet.follow()

    assert (champion(fleet), numbers(fleet)) == (1, [1])
    assert fleet.snapshot.routes["flight-delay"].table_version == 1
    (refused,) = fleet.snapshot.refused
    assert (refused.model, refused.number, refused.status) == ("flight-delay", 2, 422)
    assert "model.lgb has changed" in refused.reason


def test_crashing_candidate_holds_up_nobody(tmp_path, fleet):  # T10
    good = make_boosted(tmp_path, 1)
    text = (tmp_path / "v1/model.lgb").read_bytes().replace(b"left_child=", b"left_child=99999 ")
    crashing = make_artifact(tmp_path / "v2", "model.lgb", text, number=2)
    other = msgspec.structs.replace(make_route(good, model="other"), model_id=2)

    write_table(make_table(make_route(good, crashing), other), tmp_path / "table.json")
    fleet.follow()

    assert champion(fleet) == 1
    assert fleet.snapshot.is_ready
    assert [(r.number, r.reason) for r in fleet.snapshot.refused] == [
        (2, "loading the model killed a trial process (signal 6)")
    ]


def test_model_without_any_good_version_is_not_ready(tmp_path, fleet):
    bad = make_artifact(tmp_path / "v1", "model.lgb", b"no tree")

    write_table(make_table(make_route(bad)), tmp_path / "table.json")
    fleet.follow()

    assert not fleet.snapshot.is_ready
    assert fleet.snapshot.refused[0].reason == "not a LightGBM text file"


def test_refused_version_is_tried_again_once_its_files_are_whole(tmp_path, fleet, monkeypatch):
    version = make_boosted(tmp_path, 1)
    whole = (tmp_path / "v1/model.lgb").read_bytes()
    (tmp_path / "v1/model.lgb").write_bytes(whole[:100])  # still being copied
    write_table(make_table(make_route(version)), tmp_path / "table.json")
    fleet.follow()
    (tmp_path / "v1/model.lgb").write_bytes(whole)

    fleet.follow()
    assert numbers(fleet) == []
    monkeypatch.setattr("serving.fleet.RETRY_REFUSED_S", 0.0)
    fleet.follow()

    assert numbers(fleet) == [1]
    assert fleet.snapshot.refused == []


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{", "truncated"),
        (b"{}", "missing required field"),
        (b'{"version": 1, "published_at": "", "routes": 1}', "array"),
    ],
)
def test_broken_table_changes_nothing(tmp_path, fleet, content, why):
    write_table(make_table(make_route(make_boosted(tmp_path, 1))), tmp_path / "table.json")
    fleet.follow()

    (tmp_path / "table.json").write_bytes(content)
    fleet.follow()

    assert (champion(fleet), numbers(fleet), fleet.snapshot.is_ready) == (1, [1], True)
    assert why in fleet.snapshot.table_error


def test_older_table_changes_nothing(tmp_path, fleet):
    one, two = make_boosted(tmp_path, 1), make_boosted(tmp_path, 2, 5)
    write_table(make_table(make_route(two), version=5), tmp_path / "table.json")
    fleet.follow()

    write_table(make_table(make_route(one), version=4), tmp_path / "table.json")
    fleet.follow()

    assert champion(fleet) == 2
    assert fleet.snapshot.table_error == "version 4 is older than 5, in force"


def test_versions_that_no_table_lists_are_let_go(tmp_path, fleet):
    one, two, three = (make_boosted(tmp_path, n, n) for n in (1, 2, 3))
    write_table(make_table(make_route(one, two), version=1), tmp_path / "table.json")
    fleet.follow()
    before = fleet.snapshot.routes["flight-delay"].servables[2]
    let_go = weakref.ref(fleet.snapshot.routes["flight-delay"].servables[1])

    route = make_route(two, three, arms=[Arm("champion", 2, 9_000), Arm("canary", 3, 1_000)])
    write_table(make_table(route, version=2), tmp_path / "table.json")
    fleet.follow()

    assert numbers(fleet) == [2, 3]
    assert fleet.snapshot.routes["flight-delay"].servables[2] is before  # kept warm, not loaded again
    assert let_go() is None


def test_what_is_loaded_switches_before_the_rest_is_loaded(tmp_path):
    one, two, three = (make_boosted(tmp_path, n, n) for n in (1, 2, 3))
    seen = []
    fleet = Fleet(
        tmp_path / "table.json", lambda s: seen.append((s.routes["flight-delay"].route.arms[0].number, len(s.loaded())))
    )
    write_table(make_table(make_route(one, two), version=1), tmp_path / "table.json")
    fleet.follow()
    seen.clear()

    write_table(make_table(make_route(two, one, three), version=2), tmp_path / "table.json")
    fleet.follow()

    assert seen == [(2, 2), (2, 3)]
