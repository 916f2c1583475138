"""What holds for the whole API: strict input, problem documents, Idempotency-Key, CSRF, and its own description."""

import threading

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from registry.models import Approval, IdempotencyKey, ModelVersion, RegisteredModel, Role
from tests import factories
from tests.api import problem
from tests.documented import DocumentedApi as Api

pytestmark = pytest.mark.django_db


@pytest.fixture
def team():
    return factories.make_team()


@pytest.fixture
def engineer(team):
    return Api(team)


LISTS = ["models", "promotions", "rollbacks", "tokens", "audit"]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    "query",
    ["ordering=team__memberships__user__password", "ordering=team.slug", "ordering=password", "ordering=",
     "created_by__password__startswith=a", "colour=red", "page_size=0", "page_size=201", "page_size=x", "cursor=x"],
)  # fmt: skip
def test_unknown_or_dotted_ordering_or_filter_is_400(engineer, path, query):  # T24
    document = problem(engineer.client.get(f"/api/v1/{path}?{query}"), 400)

    name = query.partition("=")[0]
    assert [(error["in"], error["pointer"]) for error in document["errors"]] == [("query", f"/{name}")]


@pytest.mark.parametrize("path", [*LISTS, "me", "inbox"])
@pytest.mark.parametrize("name", ["cursor", "page_size", "colour"])
def test_parameter_given_twice_is_400(engineer, path, name):  # T13
    problem(engineer.client.get(f"/api/v1/{path}?{name}=1&{name}=1"), 400)


@pytest.mark.parametrize("position", ["cD14", "cD0=", "cD0yMDI2LTk5LTk5", "bz0tMQ==", "Y" * 5000])
def test_cursor_of_another_list_is_400(engineer, position):
    problem(engineer.get("audit", cursor=position), 400)


def test_query_of_a_write_is_400(engineer):
    problem(engineer.post("models?dry_run=1", {"name": "a"}), 400)

    assert not RegisteredModel.objects.exists()


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": ";$(id)"}, "/name"),  # T25
        ({"name": "../x"}, "/name"),
        ({"name": ""}, "/name"),
        ({"name": "a\x00b"}, "/name"),
        ({"name": "x" * 257}, "/name"),
        ({"name": {"a": 1}}, "/name"),
        ({}, "/name"),
        ({"name": "a", "risk_tier": 0}, "/risk_tier"),
        ({"name": "a", "risk_tier": 10**40}, "/risk_tier"),
        ({"name": "a", "task": "guessing"}, "/task"),
        ({"name": "a", "created_by": 1}, "/created_by"),
        ({"name": "a", "a/b~c": 1}, "/a~1b~0c"),
        ({"name": "a", "team": "another"}, "/team"),
        ({"name": "a", "purpose": "\ud800"}, "/purpose"),
    ],
)
def test_bad_field_is_named_and_nothing_made(engineer, body, pointer):
    document = problem(engineer.post("models", body), 400)

    assert [error["pointer"] for error in document["errors"]] == [pointer]
    assert not RegisteredModel.objects.exists()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"name": NaN}', 400),
        (b'{"name": "a", "risk_tier": 1e999}', 400),
        (b'{"name": "a", "risk_tier": ' + b"9" * 5000 + b"}", 400),
        (b"[" * 10_000 + b"]" * 10_000, 400),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, 400),
        (b'{"name": "\xff"}', 400),
        (b"{", 400),
        (b"[]", 400),
        (b'"name"', 400),
        (b'{"name": "' + b"x" * 3_000_000 + b'"}', 413),
    ],
    ids=["NaN", "infinite", "long", "deep list", "deep object", "not UTF-8", "cut", "list", "text", "3 MB"],
)
@pytest.mark.parametrize("key", [None, "k"], ids=["plain", "with key"])
def test_body_that_no_parser_should_meet_is_refused(engineer, body, status, key):  # T27
    problem(engineer.send("POST", "models", body, **({"Idempotency_Key": key} if key else {})), status)

    assert not RegisteredModel.objects.exists()


def test_form_is_415(engineer):
    answer = engineer.client.post("/api/v1/models", {"name": "a"})

    problem(answer, 415)


@pytest.mark.parametrize(
    "source",
    ["file:///etc/passwd", "/etc/passwd", "../../etc", "mlflow-artifacts:/a/%252e%252e/b", "runs:/a/..;/b", "s3://b/x"],
)
@pytest.mark.parametrize("more", [{}, {"run_id": "a", "run_link": "https://x.example/", "description": "d",
                                       "tags": {"k": "v"}, "data_digest": f"sha256:{1:064x}", "contributors": []}])  # fmt: skip
def test_source_outside_the_artifact_store_is_400(engineer, team, source, more):  # T1, T2, T3
    model = factories.make_model(team)

    document = problem(engineer.post(f"models/{model.name}/versions", {"source": source} | more), 400)

    assert document["errors"][0]["pointer"] == "/source"
    assert not ModelVersion.objects.exists()


def test_write_of_a_session_without_csrf_token_is_403(team):  # T23
    user = factories.make_user(team)
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)

    for headers in ({}, {"Idempotency-Key": "k"}):
        answer = client.post("/api/v1/models", {"name": "a"}, content_type="application/json", headers=headers)
        assert "CSRF" in problem(answer, 403)["detail"]

    assert not RegisteredModel.objects.exists()


def test_write_of_a_session_with_csrf_token_is_made(team):
    user = factories.make_user(team)
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    client.cookies["csrftoken"] = "a" * 32

    for number, headers in enumerate([{}, {"Idempotency-Key": "k"}]):
        body = {"name": f"model-{number}"}
        sent = {"X-CSRFToken": "a" * 32} | headers
        assert client.post("/api/v1/models", body, "application/json", headers=sent).status_code == 201


def test_unknown_address_is_a_problem_too(engineer):
    problem(engineer.get("nothing/here"), 404)
    problem(engineer.get("models/a/b/"), 404)


def test_slash_at_the_end_of_an_address_means_nothing(engineer):
    assert engineer.post("models/", {"name": "a"}).status_code == 201
    assert engineer.get("models/a/").json()["name"] == "a"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["/api/v1/models", "/models/"])
def test_database_that_goes_away_is_a_503_that_says_when_to_come_back(monkeypatch, path):  # F3
    def gone(actor):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    client = Client(raise_request_exception=False)
    client.force_login(factories.make_user(factories.make_team()))
    monkeypatch.setattr("registry.access.Actor.teams", gone)

    answer = client.get(path)

    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert b"The database does not answer just now" in answer.content
    connection.close()


@pytest.mark.django_db(transaction=True)
def test_write_whose_process_is_killed_leaves_nothing_and_may_be_sent_again(monkeypatch):  # F2
    engineer = Api(factories.make_team())
    reached = []

    def killed(**_):
        reached.append(RegisteredModel.objects.filter(name="a").exists())
        connection.connection.close()  # what PostgreSQL sees of a process that is gone
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr("registry.services.models.audit", killed)
        with pytest.raises(SystemExit):
            engineer.post("models", {"name": "a"}, Idempotency_Key="k")
    connection.close()

    assert (reached, RegisteredModel.objects.exists(), IdempotencyKey.objects.exists()) == ([True], False, False)
    assert engineer.post("models", {"name": "a"}, Idempotency_Key="k").status_code == 201
    assert RegisteredModel.objects.count() == 1


def test_unforeseen_error_is_a_500_that_tells_nothing(engineer, monkeypatch):
    monkeypatch.setattr("registry.selectors.waiting", lambda actor: int("secret detail"))
    engineer.client.raise_request_exception = False

    answer = engineer.get("inbox")

    assert "secret detail" not in answer.content.decode()
    problem(answer, 500)


# --- Idempotency-Key -------------------------------------------------------------------------------------------------


def test_same_key_and_body_get_the_same_answer_and_one_effect(engineer):
    first = engineer.post("models", {"name": "a"}, Idempotency_Key="k")
    again = engineer.post("models", {"name": "a"}, Idempotency_Key="k")

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert (again.get("Idempotent-Replayed"), first.get("Idempotent-Replayed")) == ("true", None)
    assert RegisteredModel.objects.count() == 1


def test_same_key_with_another_body_address_or_token_is_422(engineer, team):  # T34
    engineer.post("models", {"name": "a"}, Idempotency_Key="k")
    other = factories.services.token_create(
        actor=None, user=engineer.user, team=factories.make_team(), name="other", scopes=["read", "write"]
    )[1]

    problem(engineer.post("models", {"name": "b"}, Idempotency_Key="k"), 422)
    problem(engineer.post("tokens", {"name": "a"}, Idempotency_Key="k"), 422)
    factories.Membership.objects.create(team=factories.Team.objects.latest("pk"), user=engineer.user, role="engineer")
    engineer.client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {other}"
    problem(engineer.post("models", {"name": "a"}, Idempotency_Key="k"), 422)

    assert RegisteredModel.objects.count() == 1


def test_key_of_another_person_is_another_key(engineer, team):
    engineer.post("models", {"name": "a"}, Idempotency_Key="k")

    assert Api(team).post("models", {"name": "b"}, Idempotency_Key="k").status_code == 201


def test_refusal_is_replayed_as_the_problem_it_was(engineer):
    first = problem(engineer.post("models", {"name": ";$(id)"}, Idempotency_Key="k"), 400)
    again = engineer.post("models", {"name": ";$(id)"}, Idempotency_Key="k")

    assert problem(again, 400) == first
    assert again["Idempotent-Replayed"] == "true"


def test_failed_attempt_does_not_stick(engineer, monkeypatch):
    engineer.client.raise_request_exception = False
    with monkeypatch.context() as broken:
        broken.setattr("registry.api.models.ModelSerializer.data", property(lambda self: 1 / 0))  # after the write
        problem(engineer.post("models", {"name": "a"}, Idempotency_Key="k"), 500)
    assert not RegisteredModel.objects.exists()

    assert engineer.post("models", {"name": "a"}, Idempotency_Key="k").status_code == 201


def test_key_is_forgotten_after_a_day(engineer):
    engineer.post("models", {"name": "a"}, Idempotency_Key="k")
    IdempotencyKey.objects.update(created_at=timezone.now() - timezone.timedelta(hours=25))

    assert engineer.post("models", {"name": "b"}, Idempotency_Key="k").status_code == 201
    assert IdempotencyKey.objects.count() == 1


def test_revoked_token_gets_no_replay(engineer):
    engineer.post("models", {"name": "a"}, Idempotency_Key="k")
    engineer.delete(f"tokens/{engineer.token.pk}")

    problem(engineer.post("models", {"name": "a"}, Idempotency_Key="k"), 401)


def test_secret_of_a_token_is_not_kept_for_replays(engineer):
    body = {"name": "laptop", "scopes": ["read"]}
    first = engineer.post("tokens", body, Idempotency_Key="k").json()
    again = engineer.post("tokens", body, Idempotency_Key="k").json()

    assert again == {name: value for name, value in first.items() if name != "secret"}
    assert first["secret"] not in str(IdempotencyKey.objects.values_list("body", flat=True))


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_key_of_a_bad_length_is_400(engineer, key):
    problem(engineer.post("models", {"name": "a"}, Idempotency_Key=key), 400)


@pytest.mark.django_db(transaction=True)
def test_the_same_key_at_once_runs_once(team, engineer):
    answers = at_once(8, lambda: engineer.post("models", {"name": "a"}, Idempotency_Key="k"))

    fresh = [a for a in answers if a.status_code == 201 and "Idempotent-Replayed" not in a]
    assert len(fresh) == 1
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert RegisteredModel.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_same_approval_twice_at_once_is_one_200_and_one_409(team):  # T30
    promotion = factories.make_promotion(factories.make_model(team))
    approver = Api(team, Role.APPROVER)
    body = {"reason": "Checked.", "seen": factories.seen(promotion)}

    answers = at_once(2, lambda: approver.post(f"promotions/{promotion.pk}/approve", body))

    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert Approval.objects.count() == 1


def at_once(count, send):
    """Return the answers of ``count`` threads that send at the same moment."""
    start, answers = threading.Barrier(count), []

    def run():
        start.wait()
        try:
            answers.append(send())
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers
