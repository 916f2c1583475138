"""From registered to servable: a job reads the files, and says what it found to people, programs and the gateway."""

import pickle

import pytest
import skops.io
from django.db import DatabaseError, transaction

from jobs.models import Job
from registry import services, tasks
from registry.models import ArtifactState, AuditEvent, ModelVersion, Role, VersionReading
from registry.selectors.servables import is_routable
from tests import factories
from tests.api import Api, problem
from tests.artifacts import LIGHTGBM, folder_of, logged_version, mlmodel
from tests.factories import run_jobs
from tests.gateways import boosted

pytestmark = pytest.mark.django_db


@pytest.fixture
def team():
    return factories.make_team()


@pytest.fixture
def engineer(team):
    return Api(team)


def verify(engineer, version):
    return engineer.post(f"models/{version.model.name}/versions/{version.number}/verify")


def test_registered_version_is_read_by_a_job(team):
    version = logged_version(team)

    tasks.read_versions()
    tasks.read_versions()

    (job,) = Job.objects.filter(kind="artifact_read")
    assert (job.queue, job.scope, job.subject, job.state) == ("registry", team.slug, version.path, "queued")
    (done,) = run_jobs("registry")
    version.refresh_from_db()
    assert done.result == {"version": version.path, "artifact_state": "verified"}
    assert (version.artifact_state, version.format, version.refusal) == (ArtifactState.VERIFIED, "lightgbm", "")
    assert (version.reading.job, version.reading.flavors) == (done, ["lightgbm", "python_function"])
    assert is_routable(version)
    tasks.read_versions()
    assert Job.objects.count() == 1
    actions = AuditEvent.objects.filter(subject=version.path).order_by("seq").values_list("action", flat=True)
    assert list(actions) == ["version.create", "version.read", "version.verify"]


def test_source_that_names_nothing_is_refused_without_a_job(team):
    version = factories.make_version(factories.make_model(team), servable=False)

    tasks.read_versions()

    version.refresh_from_db()
    assert (version.artifact_state, Job.objects.count()) == (ArtifactState.REFUSED, 0)
    assert version.refusal == f"{team.name} has no run abc in MLflow."


def test_failed_reading_waits_for_a_person(team, engineer):
    version = logged_version(team)
    tasks.read_versions()
    Job.objects.update(state="failed")

    tasks.read_versions()
    assert Job.objects.count() == 1
    assert verify(engineer, version).status_code == 202

    assert Job.objects.count() == 2
    run_jobs("registry")
    assert verify(engineer, version).status_code == 200


def test_verify_says_what_was_found(team, engineer):
    version = logged_version(team, {"requirements.txt": "lightgbm==4.7.0\n"})

    waits = verify(engineer, version)
    assert (waits.status_code, waits.json()["artifact_state"]) == (202, "unread")
    run_jobs("registry")
    found = verify(engineer, version)

    assert (found.status_code, found.json()["artifact_state"], found.json()["is_servable"]) == (200, "verified", True)
    assert found.json()["reading"]["dependencies"] == {
        "python": "", "packages": ["lightgbm==4.7.0"], "from": ["requirements.txt"]
    }  # fmt: skip
    assert found.json()["reading"]["job"] == Job.objects.get().pk


def test_viewer_asks_for_no_reading(team):
    version = logged_version(team)

    problem(verify(Api(team, Role.VIEWER), version), 403)

    assert not Job.objects.exists()


FOREIGN = {**LIGHTGBM, "python_function": {"loader_module": "os"}}
CODE = {"lightgbm": {"data": "model.lgb", "code": "code"}}
REFUSED = {
    "T5 pickle": ({"model.pkl": pickle.dumps(1)}, 415, "It holds a pickle (model.pkl)"),
    "T5 joblib": ({"MLmodel": mlmodel({"sklearn": {}}), "m.joblib": b"x"}, 415, "It holds a joblib file (m.joblib)"),
    "T5 torch": ({"MLmodel": mlmodel({"pytorch": {}}), "data/model.pt": b"x"}, 415, "It holds a PyTorch pickle"),
    "T6 text": ({"model.lgb": pickle.dumps({"a": 1})}, 422, "model.lgb is not what its name says"),
    "T6 skops": (
        {"MLmodel": mlmodel({"sklearn": {"pickled_model": "model.skops"}}), "model.skops": pickle.dumps({"a": 1})}, 422,
        "model.skops is not what its name says",
    ),
    "T7 loader": ({"MLmodel": mlmodel(FOREIGN)}, 422, "It names a loader of its own (os)"),
    "T7 code": ({"MLmodel": mlmodel(CODE), "code/evil.py": "raise SystemExit"}, 422, "It brings code of its own"),
    "T10 crash": (
        {"model.lgb": boosted().model_to_string().replace("left_child=", "left_child=99999 ")}, 422,
        "Reading the model killed the process that tried it",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_hostile_artifact_is_refused_and_never_routed(team, engineer, name):
    files, status, reason = REFUSED[name]
    version = logged_version(team, files)
    verify(engineer, version)
    run_jobs("registry")

    answer = problem(verify(engineer, version), status)

    assert answer["detail"].startswith(reason)
    assert answer["unmet"][0]["who"].startswith("whoever logs the model. ")
    version.refresh_from_db()
    assert not is_routable(version)
    (audited,) = AuditEvent.objects.filter(subject=version.path, action="version.verify")
    assert audited.payload["refusal"] == version.refusal


@pytest.mark.parametrize("kind", ["symlink_to", "hardlink_to"])
def test_link_in_an_artifact_is_422(team, engineer, tmp_path, kind):  # T4
    version = logged_version(team)
    (tmp_path / "secret").write_text("root:x")
    getattr(folder_of(version) / "data.txt", kind)(tmp_path / "secret")
    verify(engineer, version)
    run_jobs("registry")

    answer = problem(verify(engineer, version), 422)

    assert answer["detail"] == "data.txt is a link. An artifact holds files of its own alone."
    version.refresh_from_db()
    assert (version.artifact_state, version.manifest) == (ArtifactState.REFUSED, [])


def test_sound_model_of_untrusted_types_is_kept_and_not_served(team, engineer):
    files = {"MLmodel": mlmodel({"sklearn": {"pickled_model": "model.skops"}}), "model.lgb": None,
             "model.skops": skops.io.dumps(Api)}  # fmt: skip
    version = logged_version(team, files)
    verify(engineer, version)
    run_jobs("registry")

    answer = problem(verify(engineer, version), 422)

    assert answer["detail"] == "In model.skops: the file names types that are not trusted: tests.api.Api."
    version.refresh_from_db()
    assert (version.artifact_state, version.format, version.is_servable) == (ArtifactState.VERIFIED, "skops", False)


def test_what_was_read_is_fixed_in_the_database(team):
    version = factories.read_files(logged_version(team))

    for change in (
        lambda: ModelVersion.objects.filter(pk=version.pk).update(refusal="Another reason"),
        lambda: ModelVersion.objects.filter(pk=version.pk).update(artifact_state="refused"),
        lambda: ModelVersion.objects.filter(pk=version.pk).update(artifact_path="elsewhere"),
        lambda: VersionReading.objects.filter(version=version).update(licence="MIT"),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()


def test_second_reading_changes_nothing(team):
    version = factories.read_files(logged_version(team))
    before = version.artifact_digest
    (folder_of(version) / "model.lgb").write_text("tree\nevil")

    assert services.version_read_start(version_id=version.pk).state == "succeeded"

    version.refresh_from_db()
    assert version.artifact_digest == before
