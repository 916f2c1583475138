"""What the Files tab of a version says: servable, not servable with the way out, refused, not read yet."""

import html
import json
import pickle
import re
import shlex

import pytest
from django.urls import reverse

from registry import tasks
from registry.asking import example_body
from registry.histograms import profile_of
from registry.services import reference_record
from tests import factories
from tests.artifacts import logged_version, mlmodel
from tests.browser import check_page, log_in
from tests.factories import run_jobs
from tests.gateways import as_columns, flights

EXAMPLE = {"columns": ["carrier", "distance", "hour", "wet"], "data": [["AA", 733.0, 17, True], ["UA", None, 6, False]]}
DECLARED = {
    "MLmodel": mlmodel(
        saved_input_example_info={"artifact_path": "input_example.json"}, metadata={"license": "Apache-2.0"}
    ),
    "input_example.json": json.dumps(EXAMPLE),
    "requirements.txt": "lightgbm==4.7.0\nmlflow==3.17.2\nnumpy==2.4.6\npandas==3.0.6\nscikit-learn==1.9.1\n",
    "python_env.yaml": "python: 3.11.9\n",
}


def files_tab(client, version) -> str:
    client.force_login(version.created_by)
    return client.get(version.path, {"tab": "files"}).content.decode()


@pytest.mark.django_db
def test_servable_version_shows_what_was_read(client):
    page = files_tab(client, factories.read_files(logged_version(factories.make_team(), DECLARED)))

    for said in ("LightGBM text", "Servable", "Not signed", "input_example.json", "733.0", "missing", "Python 3.11.9",
                 "scikit-learn==1.9.1", "Apache-2.0", "/bom"):  # fmt: skip
        assert said in page


@pytest.mark.django_db
def test_version_says_how_the_gateway_is_asked_with_a_row_that_it_takes(client):
    version = factories.read_files(logged_version(factories.make_team(), DECLARED))
    client.force_login(version.created_by)

    command = shlex.split(html.unescape(re.search(r">(curl [^<]+)<", client.get(version.path).content.decode())[1]))

    assert command[1].endswith(f"/models/{version.model.name}/invocations")
    columns = [column["name"] for column in version.signature["inputs"]]
    row = [dict(zip(EXAMPLE["columns"], EXAMPLE["data"][0], strict=True))[name] for name in columns]
    assert json.loads(command[-1]) == {"dataframe_split": {"columns": columns, "data": [row]}}


def test_what_no_example_tells_is_made_up_by_type():
    inputs = [
        {"name": "a", "type": "double"},
        {"name": "b", "type": "string", "categories": ["x", "y"]},
        {"name": "c", "type": "long"},
    ]

    assert json.loads(example_body(inputs, {}))["dataframe_split"]["data"] == [[1.0, "x", 1]]


@pytest.mark.django_db
def test_version_that_cannot_be_served_shows_the_way_out(client):
    files = {
        "MLmodel": mlmodel({"sklearn": {"pickled_model": "model.pkl"}}),
        "model.lgb": None,
        "model.pkl": pickle.dumps(1),
    }

    page = files_tab(client, factories.read_files(logged_version(factories.make_team(), files)))

    for said in ("Not servable", "It holds a pickle (model.pkl)", "Log the scikit-learn model as skops",
                 "serialization_format=&quot;skops&quot;"):  # fmt: skip
        assert said in page


@pytest.mark.django_db
def test_refused_version_shows_why_and_no_files(client):
    page = files_tab(
        client, factories.read_files(logged_version(factories.make_team(), {"model.lgb": pickle.dumps(1)}))
    )

    assert "model.lgb is not what its name says" in page
    assert "SHA-256" not in page


@pytest.mark.django_db
def test_unread_version_is_read_on_request(client):
    version = logged_version(factories.make_team())
    assert "The files are not read yet" in files_tab(client, version)

    answer = client.post(reverse("version_verify", args=[version.model.name, 1]))

    assert answer.headers["Location"] == f"{version.path}?tab=files"
    assert reverse("job_panel") in files_tab(client, version)
    (job,) = run_jobs("registry")
    assert f"job {job.pk}" in files_tab(client, version)


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_files_tab_holds_in_both_widths_and_themes(page, live_server):
    team = factories.make_team("travel")
    served = factories.read_files(logged_version(team, DECLARED))
    rows = as_columns(flights()[0])
    columns = profile_of(dict(zip(EXAMPLE["columns"], rows, strict=True)), served.signature["inputs"])
    reference_record(version=served, source="training", rows=400, columns=columns)
    factories.approve(factories.make_promotion(served.model, version=served))
    pickled = {"MLmodel": mlmodel({"sklearn": {"pickled_model": "model.pkl"}}), "model.pkl": pickle.dumps(1)}
    other = factories.read_files(logged_version(team, pickled))
    waiting = logged_version(team)
    tasks.read_versions()
    log_in(page, factories.make_user(team), live_server)

    for version in (served, other, waiting):
        check_page(page, f"{version.path}?tab=files", live_server)
