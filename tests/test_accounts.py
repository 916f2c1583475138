"""Log-in is slow to guess, sessions end, and nobody is sent anywhere they should not go (T35, T36)."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.utils import timezone

from registry import services
from registry.access import Actor
from registry.models import ApiToken, AuditEvent, LoginFailure
from registry.throttle import pause_s
from tests.browser import check_page, log_in, log_in_by_form
from tests.factories import PASSWORD, make_team, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def person():
    return make_user(make_team(), username="engineer")


def attempt(username="engineer", *, right=False, after=timedelta()):
    password = PASSWORD if right else "wrong"
    return services.login_attempt(username=username, password=password, address="127.0.0.1", now=timezone.now() + after)


def sign_in(client, password=PASSWORD, **more):
    return client.post("/login/", {"username": "engineer", "password": password, **more})


def actions():
    return list(AuditEvent.objects.order_by("seq").values_list("action", flat=True))


@pytest.mark.parametrize(("failures", "pause"), [(0, 0), (1, 0), (2, 1), (3, 2), (4, 4), (50, 60)])
def test_each_failure_doubles_the_pause(failures, pause):
    assert pause_s(failures) == pause


def test_log_in_returns_to_the_deep_link(client, person):
    asked = client.get("/models/?team=flight-ops")
    assert asked["Location"] == "/login/?next=/models/%3Fteam%3Dflight-ops"

    answer = sign_in(client, next="/models/?team=flight-ops")

    assert answer["Location"] == "/models/?team=flight-ops"
    assert actions() == ["session.login"]


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil.example"]
)
def test_log_in_leads_to_no_other_site(client, person, target):
    assert sign_in(client, next=target)["Location"] == "/"


def test_log_in_changes_the_session_key(client, person):
    client.get("/login/")
    session = client.session
    session["planted"] = True
    session.save()
    before = client.cookies["sessionid"] = session.session_key

    sign_in(client)

    assert client.session.session_key != before
    assert not Session.objects.filter(session_key=before).exists()


def test_five_failures_lock_the_name_and_are_audited(person):
    for minute in range(5):
        attempt(after=timedelta(minutes=minute))

    locked = attempt(right=True, after=timedelta(minutes=5))

    assert locked.user is None
    assert locked.locked
    assert actions() == ["session.login_failed"] * 5 + ["session.locked"]


def test_lock_opens_by_itself(person, settings):
    for minute in range(5):
        attempt(after=timedelta(minutes=minute))

    opened = attempt(right=True, after=timedelta(minutes=4, seconds=settings.LOGIN_LOCK_SECONDS))

    assert opened.user == person
    assert LoginFailure.objects.get().count == 0


def test_attempt_within_the_pause_is_not_looked_at(person):
    for _ in range(2):
        attempt()

    hasty = attempt(right=True)

    assert hasty.user is None
    assert not hasty.locked


def test_unknown_name_is_answered_like_a_known_one(client, person):
    answers = {}
    for name in ("engineer", "nobody"):
        answers[name] = [client.post("/login/", {"username": name, "password": "wrong"}) for _ in range(6)]

    told = {name: [a.context["form"].non_field_errors() for a in given] for name, given in answers.items()}
    assert told["engineer"] == told["nobody"]
    assert [a.status_code for a in answers["engineer"]] == [a.status_code for a in answers["nobody"]]
    assert answers["nobody"][-1].status_code == 429
    assert 0 < int(answers["nobody"][-1]["Retry-After"]) <= 900


def test_trail_never_keeps_a_name_that_no_user_has():
    attempt(username="my secret password")

    assert AuditEvent.objects.get().payload["user"] == ""


@pytest.mark.django_db(transaction=True)
def test_parallel_attempts_get_no_more_tries_than_attempts_in_a_row(person):
    def guess(_):
        try:
            return attempt()
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(guess, range(24)))

    assert AuditEvent.objects.filter(action="session.login_failed").count() == 5
    assert AuditEvent.objects.filter(action="session.locked").count() == 1


def test_inactive_user_cannot_log_in(client, person):
    person.is_active = False
    person.save()

    assert sign_in(client).status_code == 200
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize(
    ("clock", "age", "why"),
    [
        ("seen_at", "SESSION_IDLE_SECONDS", "without use"),
        ("began_at", "SESSION_ABSOLUTE_SECONDS", "after you logged in"),
    ],
)
def test_session_ends_and_says_why(client, person, settings, clock, age, why):
    sign_in(client)
    session = client.session
    session[clock] -= getattr(settings, age) + 1
    session.save()

    sent_away = client.get("/models/")

    assert sent_away["Location"] == "/login/?next=/models/"
    assert why in client.get("/login/").content.decode()
    sign_in(client)
    assert "ended" not in client.session


def test_poll_does_not_keep_a_session_alive(client, person):
    sign_in(client)
    session = client.session
    session["seen_at"] -= 600
    session.save()

    client.get("/models/", headers={"X-Poll": "1"})
    unattended = client.session["seen_at"]
    client.get("/models/")

    assert unattended == session["seen_at"]
    assert client.session["seen_at"] > unattended


def test_piece_of_a_page_leaves_for_the_log_in_page(client):
    answer = client.get("/models/", headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/jobs/?state=x"})

    assert answer.status_code == 401
    assert answer["HX-Redirect"] == "/login/?next=/jobs/%3Fstate%3Dx"


def test_form_sent_after_the_session_ended_leads_back_to_its_page(client):
    answer = client.post("/models/new/", headers={"Referer": "http://testserver/models/new/"})
    elsewhere = client.post("/models/new/", headers={"Referer": "http://evil.example/models/new/"})

    assert answer["Location"] == "/login/?next=/models/new/"
    assert elsewhere["Location"] == "/login/?next=/"


def test_log_out_ends_the_session_and_is_audited(client, person):
    sign_in(client)

    answer = client.post("/logout/")

    assert answer["Location"] == "/login/"
    assert client.get("/models/").status_code == 302
    assert actions() == ["session.login", "session.logout"]


def test_log_out_needs_a_token_against_forged_requests(person):
    client = Client(enforce_csrf_checks=True)
    client.force_login(person)

    answer = client.post("/logout/")

    assert answer.status_code == 403
    assert "Nothing was changed" in answer.content.decode()
    assert "_auth_user_id" in client.session


@pytest.mark.parametrize(("deployment", "shown"), [("demo", True), ("production", False), ("test", False)])
def test_only_the_demo_names_its_users(client, person, settings, deployment, shown):
    settings.DEPLOYMENT = deployment

    assert ("var/demo.json" in client.get("/login/").content.decode()) is shown


def make_token(client, team, name="nightly", **more):
    return client.post("/settings/tokens/", {"name": name, "team": team.pk, "scopes": ["read"], "days": 30, **more})


def test_token_is_shown_once_and_only_its_digest_is_kept(client, person):
    client.force_login(person)

    made = make_token(client, person.memberships.get().team)

    secret, token = made.context["secret"], ApiToken.objects.get()
    assert made.content.decode().count(secret) > 0
    assert "no-store" in made["Cache-Control"]
    assert token.digest == f"sha256:{hashlib.sha256(secret.encode()).hexdigest()}"
    assert secret not in client.get("/settings/").content.decode()
    assert token.expires_at - token.created_at < timedelta(days=31)
    assert actions() == ["token.create"]


@pytest.mark.parametrize("change", [{"name": " "}, {"scopes": ["root"]}, {"scopes": []}, {"days": "-1"}])
def test_token_with_a_bad_field_is_not_made(client, person, change):
    client.force_login(person)

    answer = make_token(client, person.memberships.get().team, **change)

    assert answer.status_code == 400
    assert not ApiToken.objects.exists()


def test_token_for_a_foreign_team_is_not_made(client, person):
    client.force_login(person)

    answer = make_token(client, make_team("elsewhere"))

    assert answer.status_code == 400
    assert not ApiToken.objects.exists()


def test_token_is_revoked_by_its_owner_alone(client, person):
    client.force_login(person)
    make_token(client, person.memberships.get().team)
    token = ApiToken.objects.get()
    stranger = Client()
    stranger.force_login(make_user(person.memberships.get().team))

    refused = stranger.post(f"/settings/tokens/{token.pk}/revoke/")
    token.refresh_from_db()
    assert (refused.status_code, token.revoked_at) == (404, None)
    client.post(f"/settings/tokens/{token.pk}/revoke/")

    token.refresh_from_db()
    assert token.revoked_at is not None


def test_hostile_token_name_is_printed_as_text(client, person):
    client.force_login(person)

    printed = make_token(client, person.memberships.get().team, name='"><svg onload=alert(1)>').content.decode()

    assert "<svg onload" not in printed


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_log_in_and_settings_are_accessible_and_fit(page, person, live_server, settings):
    settings.DEPLOYMENT = "demo"
    check_page(page, "/login/", live_server)
    team = person.memberships.get().team
    services.token_create(actor=Actor(person, "session"), user=person, team=team, name="nightly", scopes=["read"])
    log_in(page, person, live_server)

    check_page(page, "/settings/", live_server)


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_person_makes_and_revokes_a_token(page, person, live_server):
    log_in(page, person, live_server)
    page.goto("/settings/")

    page.get_by_role("button", name="New token").click()
    page.get_by_label("Name").fill("nightly")
    page.get_by_role("button", name="Make the token").click()
    page.get_by_role("heading", name="Token “nightly” is made").wait_for()
    page.get_by_role("button", name="Revoke nightly").click()
    page.get_by_role("button", name="Revoke", exact=True).click()

    page.get_by_role("status").get_by_text("Nothing can use it any more").wait_for()


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_person_logs_in_with_the_browser(page, person, live_server, settings, faults):
    settings.DEPLOYMENT = "demo"
    page.goto("/models/")
    page.get_by_role("button", name="Fill in engineer").click()
    log_in_by_form(page, "engineer", "wrong")
    page.get_by_role("alert").get_by_text("do not match").wait_for()
    log_in_by_form(page, "engineer", PASSWORD)

    page.wait_for_url("**/models/")
    page.get_by_role("button", name="engineer: account and settings").click()
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login/")
