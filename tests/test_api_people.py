"""The API about its callers: who they are, their tokens and scopes, and the trail of what they did."""

import csv
import io
import json
from datetime import timedelta

import pytest
from django.utils import timezone

from registry import services
from registry.audit_trail import audit
from registry.models import ApiToken, Role
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


def test_me_tells_user_team_role_and_scopes(team):
    api = Api(team, Role.PRODUCT, ["read"])

    me = api.get("me").json()

    assert (me["user"], me["team"], me["role"], me["scopes"]) == (api.user.username, team.slug, "product", ["read"])
    assert me["via"] == f"token:{api.token.prefix}"
    assert me["teams"] == [{"slug": team.slug, "name": team.name, "role": "product"}]


def test_me_of_a_session_lists_every_team(client, team):
    user = factories.make_user(team)
    factories.Membership.objects.create(team=factories.make_team("zeta"), user=user, role=Role.VIEWER)
    client.force_login(user)

    me = client.get("/api/v1/me").json()

    assert (me["via"], me["team"], me["role"]) == ("session", None, None)
    assert [t["role"] for t in me["teams"]] == ["engineer", "viewer"]
    assert me["scopes"] == ["read", "write", "decide", "predict"]


def test_token_is_made_listed_and_revoked(engineer, team):
    made = engineer.post("tokens", {"name": "laptop", "scopes": ["read"]})

    assert made.status_code == 201
    assert (made.json()["team"], made.json()["scopes"]) == (team.slug, ["read"])
    assert made.json()["secret"].startswith(made.json()["prefix"])
    listed = engineer.get("tokens").json()["results"]
    assert {token["name"] for token in listed} == {"laptop", "test"}
    assert all("secret" not in token for token in listed)
    assert engineer.delete(f"tokens/{made.json()['id']}").status_code == 204
    assert ApiToken.objects.get(name="laptop").revoked_at


def test_token_makes_no_token_that_can_do_more(team):
    api = Api(team, scopes=["read", "write"])

    problem(api.post("tokens", {"name": "more", "scopes": ["read", "decide"]}), 403)

    assert not ApiToken.objects.filter(name="more").exists()


def test_admin_lists_and_revokes_the_tokens_of_the_team(engineer, team):
    admin = Api(team, Role.ADMIN)

    assert {t["id"] for t in admin.get("tokens").json()["results"]} == {admin.token.pk, engineer.token.pk}
    assert admin.delete(f"tokens/{engineer.token.pk}").status_code == 204
    problem(engineer.get("me"), 401)
    problem(engineer.delete(f"tokens/{admin.token.pk}"), 401)


def test_colleague_does_not_see_tokens_of_others(engineer, team):
    other = Api(team)

    problem(other.delete(f"tokens/{engineer.token.pk}"), 404)

    assert engineer.get("me").status_code == 200


def test_audit_is_filtered_and_paged(engineer, team):
    promotion = factories.make_promotion(factories.make_model(team))
    factories.make_model(factories.make_team())

    events = engineer.get("audit").json()["results"]
    assert {event["team"] for event in events} == {team.slug}
    assert [event["seq"] for event in events] == sorted((event["seq"] for event in events), reverse=True)
    found = engineer.get("audit", action="promotion.", subject=promotion.path).json()["results"]
    assert [event["action"] for event in found] == ["promotion.request"]
    assert (found[0]["actor"], len(found[0]["hash"])) == (promotion.requested_by.username, 64)
    assert engineer.get("audit", actor="nobody").json()["results"] == []
    first = engineer.get("audit", page_size=2, ordering="seq").json()
    second = engineer.client.get(first["next"]).json()
    assert second["results"][0]["seq"] > first["results"][1]["seq"]


def test_audit_is_exported_as_one_json_document_a_line(engineer, team):
    factories.make_promotion(factories.make_model(team))

    answer = engineer.get("audit/export", action="criteria.")

    assert answer["Content-Type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in b"".join(answer.streaming_content).splitlines()]
    assert [line["action"] for line in lines] == ["criteria.draft", "criteria.agree"]


def test_audit_is_exported_as_a_table_of_the_chosen_days(engineer, team):
    model = factories.make_model(team)
    services.model_update(
        actor=factories.make_actor(team), model=model, description="=HYPERLINK(1)", purpose='For "late", flights'
    )
    today = timezone.now().date()

    answer = engineer.get("audit/export", format="csv", since=today, until=today, subject=model.path)
    none = engineer.get("audit/export", format="csv", until=today - timedelta(days=1))

    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert (answer["X-Events-Matching"], answer["X-Events-Exported"]) == ("2", "2")
    assert [row["action"] for row in rows] == ["model.create", "model.update"]
    assert json.loads(rows[1]["payload"])["after"]["purpose"] == 'For "late", flights'
    assert len(rows[0]["hash"]) == 64
    assert none["X-Events-Matching"] == "0"


def test_cell_of_an_exported_table_is_no_formula(engineer, team):
    audit(action="=cmd|x", subject="/", actor=None, process="test", team=team.slug)

    exported = engineer.get("audit/export", format="csv", actor="test")

    [row] = csv.DictReader(io.StringIO(b"".join(exported.streaming_content).decode()))
    assert row["action"] == "'=cmd|x"


@pytest.mark.parametrize("kind", ["csv", "ndjson"])
def test_export_that_is_cut_short_says_so_and_how_to_go_on(engineer, team, kind, monkeypatch):
    monkeypatch.setattr("registry.api.audit.MOST_EXPORTED", 3)
    for number in range(5):
        audit(action="test.event", subject="/", actor=None, process="test", team=team.slug, payload={"n": number})

    first = engineer.get("audit/export", format=kind, actor="test")
    lines = b"".join(first.streaming_content).decode().splitlines()
    after = int(lines[-1].split("after_seq=")[1].split('"')[0])
    second = engineer.get("audit/export", format=kind, actor="test", after_seq=after)
    rest = b"".join(second.streaming_content).decode()

    assert (first["X-Events-Matching"], first["X-Events-Exported"]) == ("5", "3")
    assert "3 of 5 events; go on with after_seq=" in lines[-1]
    assert sum("test.event" in line for line in lines) == 3
    assert second["X-Events-Matching"] == "2"
    assert "go on" not in rest


def test_token_sees_no_event_of_its_person_in_another_team(engineer, team):
    other = factories.make_team()
    factories.Membership.objects.create(team=other, user=engineer.user, role=Role.ENGINEER)
    factories.make_model(other, actor=factories.Actor(engineer.user, "session"), name="elsewhere")

    assert engineer.get("audit", subject="/models/elsewhere/").json()["results"] == []


@pytest.mark.parametrize("scopes", [["read"], ["decide"], ["write"]])
def test_scopes_bound_what_a_token_does(team, scopes):
    promotion = factories.make_promotion(factories.make_model(team))
    api = Api(team, Role.APPROVER, scopes)
    seen = factories.seen(promotion)

    read = api.get(f"promotions/{promotion.pk}")
    wrote = api.post(f"promotions/{promotion.pk}/comments", {"body": "Hm."})
    decided = api.post(f"promotions/{promotion.pk}/approve", {"reason": "Checked.", "seen": seen})

    assert (read.status_code == 200, wrote.status_code == 201, decided.status_code == 200) == (
        "read" in scopes, "write" in scopes, "decide" in scopes,
    )  # fmt: skip
    assert {read.status_code, wrote.status_code, decided.status_code} <= {200, 201, 403}


def test_members_are_listed_by_name_page_by_page(team):
    api = Api(team)
    names = sorted([api.user.username, *(factories.make_user(team).username for _ in range(2))])

    first = api.get(f"teams/{team.slug}/members", page_size=2).json()
    rest = api.client.get(first["next"]).json()

    assert [row["user"] for row in first["results"] + rest["results"]] == names
