"""MLflow's own web interface with our log-in: opened in a browser, and linked with our pages in both directions."""

from urllib.parse import parse_qs

import pytest
import requests
from django.conf import settings
from django.test import Client

from registry import services
from registry.models import ModelVersion, Role
from tests.factories import PASSWORD, make_actor, make_user
from tests.test_mlflow_protocol import log_booster, rows  # noqa: F401  a fixture

pytest_plugins = ["tests.mlflow_server"]
HTML = {"Accept": "text/html,application/xhtml+xml"}


@pytest.mark.parametrize("path", ["/", "/static-files/static/js/x.js", "/?workspace=team-1&x=a%2Fb"])
def test_browser_without_a_session_is_sent_to_our_log_in(mlflow_server, path):
    answer = requests.get(f"{mlflow_server.url}{path}", headers=HTML, allow_redirects=False, timeout=10)

    assert answer.status_code == 302
    there, _, asked = answer.headers["Location"].partition("?")
    assert there == f"{settings.WEB_URL}/login/"
    (back,) = parse_qs(asked)["next"]
    assert back.endswith(path)


@pytest.mark.parametrize("headers", [{}, {**HTML, "Authorization": "Bearer cp_none"}])
def test_client_without_a_token_is_told_so(mlflow_server, headers):
    answer = requests.get(f"{mlflow_server.url}/", headers=headers, allow_redirects=False, timeout=10)

    assert (answer.status_code, answer.json()["error_code"]) == (401, "UNAUTHENTICATED")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("target", "leads_to"),
    [
        ("http://127.0.0.1:5000/", "http://127.0.0.1:5000/"),
        ("http://elsewhere.example/", "/"),
        ("//127.0.0.1:5001/", "/"),
    ],
)
def test_log_in_leads_to_mlflow_and_to_no_other_host(target, leads_to, settings):
    settings.MLFLOW_URL = "http://127.0.0.1:5000"
    user = make_user()

    answer = Client().post("/login/", {"username": user.username, "password": PASSWORD, "next": target})

    assert (answer.status_code, answer["Location"]) == (302, leads_to)


@pytest.fixture
def version(engineer, rows):  # noqa: F811
    log_booster(engineer.team, rows, registered_model_name=f"{engineer.team.slug}-delay")
    return ModelVersion.objects.select_related("model__team").get(model__name=f"{engineer.team.slug}-delay")


def test_run_names_what_was_registered_from_it(engineer, version):
    link = f"[{version.model.name} v1]({settings.WEB_URL}{version.path})"
    note = "mlflow.note.content"
    assert engineer.client.get_run(version.run_id).data.tags[note] == f"Registered as {link}"

    engineer.client.set_tag(version.run_id, note, "With more trees.")
    assert engineer.client.get_run(version.run_id).data.tags[note] == f"With more trees.\n\nRegistered as {link}"

    services.version_archive(actor=make_actor(engineer.team), version=version)
    assert engineer.client.get_run(version.run_id).data.tags[note] == "With more trees."


@pytest.mark.browser
def test_pages_open_with_our_log_in_and_link_to_ours(engineer, version, page, settings, faults):
    user = make_user(engineer.team, Role.VIEWER)
    client = Client()
    client.force_login(user)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": engineer.server.url}])
    settings.MLFLOW_URL = engineer.server.url
    ours = client.get(version.path).content.decode()
    run = f"{engineer.server.url}/#/runs/{version.run_id}?workspace=team-{engineer.team.pk}"
    assert run in ours

    page.goto(run)
    link = page.get_by_role("link", name=f"{version.model.name} v1")
    link.first.wait_for()
    assert link.first.get_attribute("href") == f"{settings.WEB_URL}{version.path}"
    page.goto(f"{engineer.server.url}/#/experiments?workspace=team-{engineer.team.pk}")
    page.get_by_role("link", name=f"{engineer.team.slug}-experiment").first.wait_for()
    faults.clear()  # MLflow asks for its assistant, which is not offered
