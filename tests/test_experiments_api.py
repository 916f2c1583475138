"""The API of data sets, training and evaluation: what it takes, answers and refuses."""

import pandas as pd
import pytest

from experiments.models import Dataset, Evaluation
from jobs.models import Job
from registry.models import AuditEvent, Role
from tests import factories
from tests.data_sets import make_data

pytestmark = pytest.mark.django_db


@pytest.fixture
def team():
    return factories.make_team("travel")


@pytest.fixture
def data(team):
    version = make_data(team, pd.DataFrame({"x": [float(n) for n in range(60)]}))
    type(version).objects.filter(pk=version.pk).update(
        checks=[], splits={**version.splits, "held_out": version.splits["replay"]}
    )  # fmt: skip
    version.refresh_from_db()
    return version


@pytest.fixture
def api(client, team):
    """Calls with a token of an engineer, or of another role."""

    def call(method, address, body=None, *, role=Role.ENGINEER, of=None, scopes=("read", "write")):
        _, secret = factories.make_token(of or team, role, scopes)
        return getattr(client, method)(
            f"/api/v1/{address}", body, content_type="application/json", headers={"Authorization": f"Bearer {secret}"}
        )

    return call


def body(data, owned, **change):
    return {
        "model": owned.name, "dataset": data.dataset.name, "dataset_version": data.number, "pipeline": "baseline",
    } | change  # fmt: skip


def test_a_data_set_is_made_and_a_version_built_by_a_job(api, team):
    made = api("post", "datasets", {"name": "flights-2013"})
    started = api("post", "datasets/flights-2013/versions", {"builder": "flights", "params": {"keep_one_in": 3}})

    job = Job.objects.get(kind="dataset_build")
    assert (made.status_code, made.json()["path"]) == (201, "/datasets/flights-2013/")
    assert (started.status_code, started.json()["id"], started.headers["Location"]) == (
        202, job.pk, f"/api/v1/jobs/{job.pk}/",
    )  # fmt: skip
    assert job.params["params"] == {"keep_one_in": 3}
    assert set(AuditEvent.objects.values_list("action", flat=True)) >= {"dataset.create", "dataset.build"}


def test_a_version_is_shown_with_its_columns_and_digest(api, data):
    listed = api("get", f"datasets/{data.dataset.name}/versions").json()["results"]
    shown = api("get", f"datasets/{data.dataset.name}/versions/1").json()

    assert [row["digest"] for row in listed] == [data.digest]
    assert shown["columns"][0]["name"] == "x"
    assert shown["splits"]["train"]["rows"] == data.splits["train"]["rows"]


def test_training_takes_defaults_for_what_is_left_out(api, team, data):
    model = factories.make_model(team)

    answer = api("post", "training", body(data, model, pipeline="lightgbm", params={"trees": 50}))

    job = Job.objects.get(pk=answer.json()["id"])
    assert answer.status_code == 202
    assert (job.params["params"]["trees"], job.params["params"]["seed"]) == (50, 7)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"model": "nobodys"}, "/model"),
        ({"dataset": "nobodys"}, "/dataset"),
        ({"dataset_version": 9}, "/dataset_version"),
        ({"pipeline": "magic"}, "/pipeline"),
        ({"params": {"inverse_penalty": -1}}, "/params/inverse_penalty"),
        ({"params": {"inverse_penalty": "much"}}, "/params/inverse_penalty"),
        ({"params": {"rare_below": True}}, "/params/rare_below"),
        ({"params": {"colour": "blue"}}, "/params/colour"),
        ({"colour": "blue"}, "/colour"),
    ],
)
def test_a_value_that_is_not_acceptable_is_named(api, team, data, change, pointer):
    answer = api("post", "training", body(data, factories.make_model(team), **change))

    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert not Job.objects.exists()


def test_an_evaluation_is_started_once(api, team, data):
    version = factories.make_version(factories.make_model(team))
    asked = body(data, version.model, version=version.number)
    del asked["pipeline"]

    first, second = api("post", "evaluations", asked), api("post", "evaluations", asked)

    assert (first.status_code, second.status_code) == (202, 409)
    assert f"job {first.json()['id']}" in second.json()["detail"]
    assert Evaluation.objects.get().job_id == first.json()["id"]
    assert [row["state"] for row in api("get", f"evaluations?model={version.model.name}").json()["results"]] == [
        "queued"
    ]


def test_an_unverified_version_is_not_measured(api, team, data):
    version = factories.make_version(factories.make_model(team), servable=False)
    asked = body(data, version.model, version=version.number)
    del asked["pipeline"]

    answer = api("post", "evaluations", asked)

    assert answer.status_code == 409
    assert "not verified" in answer.json()["detail"]
    assert not Job.objects.exists()


@pytest.mark.parametrize("role", [Role.VIEWER, Role.PRODUCT, Role.APPROVER, Role.ADMIN])
def test_other_roles_start_nothing(api, team, data, role):
    model = factories.make_model(team)

    answers = [
        api("post", "datasets", {"name": "more"}, role=role),
        api("post", f"datasets/{data.dataset.name}/versions", {"builder": "flights"}, role=role),
        api("post", "training", body(data, model), role=role),
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert not Job.objects.exists()
    assert Dataset.objects.count() == 1


def test_another_teams_objects_do_not_exist(api, team, data):
    outside = factories.make_team("markets")

    shown = api("get", f"datasets/{data.dataset.name}/versions/1", of=outside)
    built = api("post", f"datasets/{data.dataset.name}/versions", {"builder": "flights"}, of=outside)
    trained = api("post", "training", body(data, factories.make_model(outside)), of=outside)

    assert (shown.status_code, built.status_code, trained.status_code) == (404, 404, 400)
    assert not Job.objects.exists()


def test_another_teams_data_are_not_trained_on_by_a_member_of_both(client, team, data):
    outside = factories.make_team("markets")
    user = factories.make_user(team)
    outside.memberships.create(user=user, role=Role.ENGINEER)
    client.force_login(user)

    answer = client.post("/api/v1/training", body(data, factories.make_model(outside)), content_type="application/json")

    assert answer.status_code == 400
    assert "another team's data" in answer.json()["detail"]
    assert not Job.objects.exists()


def test_a_token_that_may_only_read_starts_nothing(api, team, data):
    answer = api("post", "training", body(data, factories.make_model(team)), scopes=("read",))

    assert answer.status_code == 403
    assert not Job.objects.exists()
