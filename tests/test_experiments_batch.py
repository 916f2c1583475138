"""Batch scoring as a team uses it: asked for by page and API, done by a job, refused where the input is none of theirs."""

import numpy as np
import pytest
from deltalake import DeltaTable

from experiments.models import BatchScoring, inputs_of
from experiments.scoring.batch import BatchFailedError
from experiments.services import batch_start
from jobs.models import Job
from jobs.states import State
from registry.errors import ConflictError, InvalidError, RoleError
from registry.models import AuditEvent, ModelVersion, Role
from tests import factories
from tests.api import Api
from tests.data_sets import make_data
from tests.gateways import boosted, flights, make_boosted

pytestmark = pytest.mark.django_db


@pytest.fixture
def team():
    return factories.make_team("travel")


@pytest.fixture
def version(team, settings):
    """A version whose verified files are a real LightGBM model."""
    made = factories.make_version(factories.make_model(team, name="flight-delay"), servable=False)
    files = make_boosted(settings.ARTIFACT_ROOT)
    columns = [
        {"name": c.name, "type": c.type, "required": c.required, "categories": c.categories} for c in files.columns
    ]
    ModelVersion.objects.filter(pk=made.pk).update(
        artifact_state="verified", artifact_digest=files.digest, format="lightgbm", artifact_path="v1",
        manifest=[{"path": f.path, "size": f.size, "sha256": f.sha256} for f in files.manifest],
        signature={"inputs": columns},
    )  # fmt: skip
    return ModelVersion.objects.select_related("model__team").get(pk=made.pk)


@pytest.fixture
def folder(team, settings, tmp_path):
    """The team's inputs: 400 flights as CSV."""
    settings.BATCH_ROOT = tmp_path / "batch"
    place = inputs_of(team)
    place.mkdir(parents=True)
    frame, _ = flights()
    frame.assign(booking=[f"b-{i}" for i in range(len(frame))]).to_csv(place / "today.csv", index=False)
    return place


@pytest.fixture
def engineer(team):
    return factories.make_actor(team, Role.ENGINEER)


@pytest.mark.django_db(transaction=True)
def test_a_file_of_the_folder_becomes_a_table(version, folder, engineer):
    batch_start(actor=engineer, version=version, place="today.csv", format="csv", keep=["booking"])

    (job,) = factories.run_jobs("evaluation")

    assert (job.state, job.error) == (State.SUCCEEDED, "")
    scoring = BatchScoring.objects.get(job=job)
    table = DeltaTable(scoring.output)
    found = table.to_pandas().sort_values("row", ignore_index=True)
    np.testing.assert_array_equal(found.probability, boosted().predict(flights()[0]))
    assert found.booking.tolist() == [f"b-{i}" for i in range(400)]
    assert (scoring.rows, job.result["rows"]) == (400, 400)
    (commit,) = table.history()
    assert (commit["job"], commit["digest"]) == (f"/jobs/{job.pk}/", version.artifact_digest)
    assert list(
        AuditEvent.objects.filter(action__startswith="batch").order_by("seq").values_list("action", flat=True)
    ) == [
        "batch.start",
        "batch.finish",
    ]


@pytest.mark.django_db(transaction=True)
def test_rows_of_a_data_set_are_scored_and_named_in_the_table(version, team, folder, engineer, settings, tmp_path):
    settings.DATA_ROOT = tmp_path / "datasets"
    frame, _ = flights()
    data = make_data(team, frame.astype({"carrier": str}))
    batch_start(actor=engineer, version=version, dataset_version=data, keep=["name"])

    (job,) = factories.run_jobs("evaluation")

    assert (job.state, job.error) == (State.SUCCEEDED, "")
    (commit,) = DeltaTable(BatchScoring.objects.get(job=job).output).history()
    assert (commit["data_set"], commit["data_digest"]) == (str(data), data.digest)


@pytest.mark.django_db(transaction=True)
def test_a_job_says_why_the_input_does_not_fit_and_writes_nothing(version, folder, engineer):
    (folder / "today.csv").write_text("booking,carrier\nb-1,AA\n")
    batch_start(actor=engineer, version=version, place="today.csv", format="csv")

    with pytest.raises(BatchFailedError, match=r"today\.csv lacks the columns hour, wet; it has booking, carrier"):
        factories.run_jobs("evaluation")

    scoring = BatchScoring.objects.get()
    assert (scoring.rows, scoring.output.exists()) == (None, False)


@pytest.mark.parametrize(
    "place", ["../other/in/x.csv", "/etc/passwd", "none.csv", "link.csv", "a\x00b", "sub/../../x"]
)  # fmt: skip
def test_what_is_not_in_the_teams_folder_is_not_found(version, folder, engineer, place, tmp_path):
    (tmp_path / "secret.csv").write_text("x")
    (folder / "link.csv").symlink_to(tmp_path / "secret.csv")

    with pytest.raises(InvalidError) as refused:
        batch_start(actor=engineer, version=version, place=place, format="csv")

    assert refused.value.field == "place"
    assert not Job.objects.exists()


def test_who_may_ask_and_for_what(version, folder, engineer, team):
    other = make_data(factories.make_team("fraud"), flights()[0][["hour"]])
    with pytest.raises(RoleError):
        batch_start(actor=factories.make_actor(team, Role.VIEWER), version=version, place="today.csv")
    for given in ({}, {"place": "today.csv", "horizon": 3}, {"dataset_version": other}):
        with pytest.raises(InvalidError):
            batch_start(actor=engineer, version=version, **given)
    unread = factories.make_version(version.model, servable=False)
    with pytest.raises(ConflictError, match="cannot score"):
        batch_start(actor=engineer, version=unread, place="today.csv")
    assert not BatchScoring.objects.exists()


def test_the_page_starts_one_and_lists_those_before(client, version, folder, team):
    client.force_login(factories.make_user(team, Role.ENGINEER))
    page = f"{version.path}score/"

    missing = client.post(page, {"place": "none.csv", "format": "csv", "keep": ""})
    started = client.post(page, {"place": "today.csv", "format": "csv", "keep": "booking, carrier"})

    assert missing.status_code == 422
    assert "put the file there, then ask again" in missing.content.decode()
    scoring = BatchScoring.objects.get()
    assert (started.status_code, started.url) == (302, f"/jobs/{scoring.job_id}/")
    assert scoring.keep == ["booking", "carrier"]
    BatchScoring.objects.update(rows=400)
    listed = client.get(page).content.decode()
    assert "today.csv" in listed
    assert str(scoring.output) in listed


def test_the_api_starts_one_and_lists_those_of_ones_teams(version, folder, team):
    api = Api(team, Role.ENGINEER)
    body = {
        "model": "flight-delay",
        "version": version.number,
        "place": "today.csv",
        "format": "csv",
        "keep": ["booking"],
    }

    started = api.post("batch-scorings", body)
    unknown = api.post("batch-scorings", body | {"version": 9})

    assert started.status_code == 202
    assert unknown.status_code == 400
    (listed,) = api.get("batch-scorings?model=flight-delay").json()["results"]
    assert (listed["place"], listed["state"], listed["output"]) == ("today.csv", "queued", None)
    stranger = Api(factories.make_team("fraud"), Role.ENGINEER)
    assert stranger.get("batch-scorings").json()["results"] == []
