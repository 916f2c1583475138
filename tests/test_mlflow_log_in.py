"""From a link into MLflow's pages, over our log-in, to the very place that the link names, in a real browser."""

import pytest

from registry.models import Role
from tests.browser import log_in_by_form
from tests.factories import PASSWORD, make_user
from tests.mlflow_server import start_mlflow

pytest_plugins = ["tests.mlflow_server"]
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def web(live_server):
    """Where our pages answer: under the address of MLflow's, since the two share a cookie."""
    return live_server.url.replace("localhost", "127.0.0.1")


@pytest.fixture(scope="module")
def mlflow_database(worker_id):
    return f"mlflow_log_in_{worker_id}"


@pytest.fixture(scope="module")
def mlflow_process(web, mlflow_database, django_db_setup, database_name, django_db_blocker, tmp_path_factory):
    """An MLflow process that sends people to the live server's log-in."""
    home = tmp_path_factory.mktemp("mlflow-log-in")
    with start_mlflow(home, mlflow_database, database_name, django_db_blocker, WEB_URL=web) as server:
        yield server


@pytest.fixture
def mlflow_url(engineer, settings):
    """Where the process answers, as the live server's settings name it too."""
    settings.MLFLOW_URL = engineer.server.url
    policy = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": policy | {"form-action": ["'self'", engineer.server.url]}}
    return engineer.server.url


@pytest.fixture
def run(engineer, mlflow_url):
    """A run's page, as a link from elsewhere names it."""
    experiment = engineer.client.create_experiment("flights")
    made = engineer.client.create_run(experiment, run_name="the-run-that-was-asked-for")
    place = f"#/experiments/{experiment}/runs/{made.info.run_id}?workspace=team-{engineer.team.pk}"
    return f"{mlflow_url}/{place}"


def test_log_in_leads_to_the_place_behind_the_hash(engineer, run, page, web, faults):
    user = make_user(engineer.team, Role.VIEWER)

    page.goto(run)
    page.wait_for_url(f"{web}/login/**")
    log_in_by_form(page, user.username, "wrong")
    page.get_by_text("User name and password do not match.").wait_for()
    faults.clear()
    log_in_by_form(page, user.username, PASSWORD)

    page.get_by_text("the-run-that-was-asked-for").first.wait_for()
    assert page.url == run
    faults.clear()  # MLflow asks for its assistant, which is not offered


def test_hash_leads_to_no_other_host(engineer, page, web, mlflow_url, faults):
    user = make_user(engineer.team, Role.VIEWER)

    page.goto(f"{web}/login/?next={mlflow_url}/#@elsewhere.example/")
    log_in_by_form(page, user.username, PASSWORD)

    page.wait_for_url(f"{mlflow_url}/**")
    faults.clear()
