"""Tokens for predictions: what they may call, how they reach the gateway, and that revoking them does."""

import hashlib
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from registry import services
from registry.models import ApiToken, AuditEvent, Membership
from rollouts.gateways.callers import callers_publish
from rollouts.gateways.reports import callers_observe
from rollouts.tasks import publish_callers
from serving.contract import callers_path, read_callers
from tests.api import Api, problem
from tests.factories import make_actor, make_model, make_team, make_user
from tests.gateways import RunningGateway
from tests.test_routing import make_served, set_alias

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.fixture
def team():
    return make_team("sandbox", governed=False)


@pytest.fixture
def served(team):
    """Two models of the team and one of another, each with a champion; and one without."""
    models = [make_model(team, name=name) for name in ("flight-delay", "fraud")]
    foreign = make_model(make_team("elsewhere", governed=False), name="foreign")
    for model in (*models, foreign):
        set_alias(make_served(model))
    make_model(team, name="unserved")
    return models


def make_caller(team, *, scopes=("predict",), user=None, expires_at=None, **bounds):
    user = user or make_user(team)
    return services.token_create(
        actor=None, user=user, team=team, name="shop", scopes=list(scopes), expires_at=expires_at,
        bounds=services.Bounds(**bounds), process="test",
    )  # fmt: skip


def published():
    callers_publish(now=NOW)
    return read_callers(callers_path(Path(settings.ROUTING_TABLE_PATH)))


def test_token_is_published_by_its_digest_for_what_its_team_serves(team, served):
    token, secret = make_caller(team)

    (caller,) = published().callers

    assert caller.digest == f"sha256:{hashlib.sha256(secret.encode()).hexdigest()}"
    assert (caller.id, caller.models) == (token.pk, [model.pk for model in served])
    assert (caller.expires_at, caller.requests_per_s, caller.burst, caller.in_flight) == (None, None, None, None)


def test_bounds_and_expiry_are_published(team, served):
    expires = timezone.now() + timedelta(days=1)
    make_caller(team, models=[served[1]], requests_per_s=2.5, burst=10, in_flight=4, expires_at=expires)

    (caller,) = published().callers

    assert (caller.models, caller.expires_at) == ([served[1].pk], expires.timestamp())
    assert (caller.requests_per_s, caller.burst, caller.in_flight) == (2.5, 10, 4)


def test_token_for_a_model_that_is_gone_is_for_no_other(team, served):
    make_caller(team, models=[served[0]])

    services.model_archive(actor=make_actor(team), model=served[0])

    assert [caller.models for caller in published().callers] == [[]]


@pytest.mark.parametrize("end", ["revoke", "expire", "leave", "deactivate"])
def test_token_that_is_no_longer_in_force_is_not_published(team, served, end):
    token, _ = make_caller(team)
    assert len(published().callers) == 1

    match end:
        case "revoke":
            services.token_revoke(actor=None, token_id=token.pk, process="test")
        case "expire":
            ApiToken.objects.update(expires_at=timezone.now())
        case "leave":
            Membership.objects.filter(user=token.user).delete()
        case "deactivate":
            type(token.user).objects.filter(pk=token.user.pk).update(is_active=False)

    assert published().callers == []


def test_other_scopes_do_not_predict(team, served):
    make_caller(team, scopes=["read", "write", "decide"])

    assert published().callers == []


def test_list_changes_its_version_with_its_content_alone_and_is_restored(team, served):
    make_caller(team)
    first = published()
    path = callers_path(Path(settings.ROUTING_TABLE_PATH))

    assert published() == first
    make_caller(team)
    assert published().version == first.version + 1
    path.write_bytes(b"garbled")
    assert len(published().callers) == 2
    path.unlink()
    publish_callers()
    assert len(read_callers(path).callers) == 2


def test_predict_is_a_scope_of_the_gateway_alone(team):
    api = Api(team, scopes=["predict"])

    problem(api.get("models"), 403)
    problem(api.post("models", {"name": "x"}), 403)


def test_token_with_bounds_is_made_and_listed_by_the_api(team, served):
    made = Api(team, scopes=["read", "write", "predict"]).post(
        "tokens",
        {
            "name": "shop",
            "scopes": ["predict"],
            "models": ["fraud"],
            "requests_per_s": 50,
            "burst": 100,
            "in_flight": 8,
        },
    )

    assert made.status_code == 201
    told = {name: made.json()[name] for name in ("models", "requests_per_s", "burst", "in_flight")}
    assert told == {"models": ["fraud"], "requests_per_s": 50.0, "burst": 100, "in_flight": 8}
    event = AuditEvent.objects.filter(action="token.create").latest("seq")
    assert event.payload["models"] == ["fraud"]
    assert event.payload["requests_per_s"] == 50


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"models": ["foreign"]}, "models"),
        ({"models": ["nobody"]}, "models"),
        ({"scopes": ["read"], "models": ["fraud"]}, "scopes"),
        ({"scopes": ["read"], "in_flight": 3}, "scopes"),
        ({"requests_per_s": 0}, "requests_per_s"),
        ({"requests_per_s": -1}, "requests_per_s"),
        ({"in_flight": 0}, "in_flight"),
        ({"in_flight": 10**9}, "in_flight"),
        ({"burst": 5}, "burst"),
    ],
)
def test_bounds_that_make_no_sense_are_400_and_named(team, served, change, field):
    answer = Api(team, scopes=["read", "write", "predict"]).post(
        "tokens", {"name": "shop", "scopes": ["predict"]} | change
    )

    told = problem(answer, 400)
    assert field in str(told["errors"])
    assert not ApiToken.objects.filter(name="shop").exists()


@pytest.mark.parametrize(
    "wider", [{}, {"models": ["fraud"]}, {"models": ["flight-delay", "fraud"]}, {"models": ["flight-delay"]},
              {"models": ["flight-delay"], "requests_per_s": 11}],
)  # fmt: skip
def test_token_makes_no_token_that_may_ask_more(team, served, wider):
    api = Api(team, scopes=["read", "write", "predict"])
    api.token.only_models.set([served[0]])
    ApiToken.objects.filter(pk=api.token.pk).update(requests_per_s=10)

    problem(api.post("tokens", {"name": "more", "scopes": ["predict"]} | wider), 403)

    as_much = api.post(
        "tokens", {"name": "same", "scopes": ["predict"], "models": ["flight-delay"], "requests_per_s": 10}
    )
    assert as_much.status_code == 201


def make_by_page(client, team, **fields):
    return client.post(
        "/settings/tokens/", {"name": "shop", "team": team.pk, "scopes": ["predict"], "days": 30, **fields}
    )


def test_token_with_bounds_is_made_by_the_page(client, team, served):
    client.force_login(make_user(team))

    made = make_by_page(client, team, models="fraud, flight-delay", requests_per_s="2.5", in_flight="3")

    token = ApiToken.objects.get()
    assert {model.name for model in token.only_models.all()} == {"fraud", "flight-delay"}
    assert (token.requests_per_s, token.burst, token.in_flight) == (2.5, None, 3)
    assert f"{settings.GATEWAY_URL}/v2/models/" in made.content.decode()
    assert "2.5 requests a second" in client.get("/settings/").content.decode()


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"models": "foreign"}, "has no model"),
        ({"requests_per_s": "0"}, "greater than or equal"),
        ({"scopes": ["read"], "models": "fraud"}, "choose that scope as well"),
        ({"burst": "5"}, "Give the requests a second as well"),
        ({"in_flight": "1000001"}, "less than or equal to 1000000"),
    ],
)
def test_page_names_the_bound_that_is_wrong(client, team, served, fields, why):
    client.force_login(make_user(team))

    answer = make_by_page(client, team, **fields)

    assert answer.status_code == 400
    assert why in answer.content.decode()
    assert 'value="shop"' in answer.content.decode()
    assert not ApiToken.objects.exists()


def test_revoking_reaches_the_gateway_and_use_comes_back(team, served, tmp_path, settings):  # T17
    settings.ROUTING_TABLE_PATH = tmp_path / "routing/table.json"
    settings.SPOOL_ROOT = tmp_path / "spool"
    token, secret = make_caller(team)
    published()
    gateway = RunningGateway(tmp_path, GATEWAY_AUTH="required")
    gateway.start(ready=False)
    try:
        ask = {"Authorization": f"Bearer {secret}"}
        gateway.wait_until(lambda: gateway.infer(**ask).status_code != 401)

        def used():
            callers_observe()
            token.refresh_from_db()
            return token.last_used_at

        gateway.infer(**ask)
        gateway.wait_until(used)
        assert abs(token.last_used_at.timestamp() - time.time()) < 60
        services.token_revoke(actor=None, token_id=token.pk, process="test")
        published()
        gateway.wait_until(lambda: gateway.infer(**ask).status_code == 401)
    finally:
        gateway.stop()
