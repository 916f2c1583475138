"""What gateways hold: told by file and by endpoint, shown to its teams, and an alert where the registry knows nothing of it."""

import json
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from django.conf import settings
from django.db.models.functions import Now
from django.test import Client
from playwright.sync_api import expect

from registry import services
from registry.models import Alert
from rollouts.gateways.reports import living_gateways
from rollouts.gateways.tokens import gateway_token_create
from rollouts.models import GatewayProcess
from rollouts.routing import routing_publish
from rollouts.tasks import observe_gateways
from serving.contract import ColdVersion, GatewayState, LoadedVersion, RefusedVersion, Report
from tests.api import Api, problem
from tests.browser import check_page, log_in
from tests.factories import make_actor, make_model, make_team, make_user
from tests.test_publishing import NOW
from tests.test_routing import make_served, set_alias

pytestmark = pytest.mark.django_db
STATES = "/api/v1/gateways/states"
MB = 1024 * 1024


@pytest.fixture
def model():
    return make_model(make_team("sandbox", governed=False), name="flight-delay")


@pytest.fixture
def version(model):
    version = make_served(model)
    set_alias(version)
    routing_publish(now=NOW)
    return version


@pytest.fixture
def far():
    """A client with a gateway's token."""
    return client_of("eu-1")


def client_of(name):
    _, secret = gateway_token_create(name=name, process="test")
    return Client(headers={"Authorization": f"Bearer {secret}"})


def held(version, **fields):
    return LoadedVersion(version.model.name, version.number, fields.get("digest", version.artifact_digest), 3 * MB)


def state(*loaded, spool_id="eu1-4711-9f3c2a10", table=1, **fields):
    serving = {v.model: {"champion": v.number} for v in loaded[:1]}
    return GatewayState(spool_id, table, "", serving, list(loaded), fields.pop("refused", []), **fields)


def on_disk(told):
    """Lay down a state as a gateway of this host does."""
    path = Path(settings.SPOOL_ROOT) / told.spool_id / "state.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.encode(told))
    return path


def post(client, *states):
    return client.generic("POST", STATES, msgspec.json.encode(Report(list(states))), "application/json")


def shown(of, **query):
    return Api(of.team).get("gateways", **query).json()


@pytest.mark.parametrize("way", ["file", "endpoint"])
def test_what_a_gateway_says_is_in_the_inventory(model, version, far, way):
    told = state(held(version), callers_version=7, memory_bytes=3 * MB, memory_limit_bytes=64 * MB)
    if way == "file":
        on_disk(told)
    else:
        assert post(far, told).status_code == 204
    observe_gateways()

    found = shown(model)

    assert living_gateways() == [told]
    (process,) = found["processes"]
    assert (process["host"], process["alive"], process["table_version"], process["tables_behind"]) == (
        "eu1",
        True,
        1,
        0,
    )
    assert process["told_through"] == ("" if way == "file" else "eu-1")
    assert (process["callers_version"], process["memory_bytes"], process["memory_limit_bytes"]) == (7, 3 * MB, 64 * MB)
    assert found["versions"] == [
        {"model": "flight-delay", "version": 1, "digest": version.artifact_digest, "state": "loaded", "arms": ["champion"],
         "bytes": 3 * MB, "reason": "", "processes": ["eu1/4711"]}
    ]  # fmt: skip


def test_cold_and_refused_versions_and_several_processes_are_told_apart(model, version, far):
    second = make_served(model, trees=2)
    cold = ColdVersion(model.name, second.number, second.artifact_digest, None)
    refused = RefusedVersion(model.name, second.number, second.artifact_digest, 422, "model.lgb has changed")
    post(far, state(held(version), cold=[cold]), state(held(version), spool_id="eu1-4712-aaaaaaaa", refused=[refused]))

    told = {(v["version"], v["state"]): (v["processes"], v["reason"]) for v in shown(model)["versions"]}

    assert told == {
        (1, "loaded"): (["eu1/4711", "eu1/4712"], ""),
        (2, "cold"): (["eu1/4711"], ""),
        (2, "refused"): (["eu1/4712"], "model.lgb has changed"),
    }
    assert shown(model, model="other")["versions"] == []


def test_process_that_tells_nothing_more_is_gone_and_forgotten_after_a_week(model, version, far):
    post(far, state(held(version)))
    GatewayProcess.objects.update(last_seen_at=Now() - timedelta(seconds=20))

    found = shown(model)
    assert [process["alive"] for process in found["processes"]] == [False]
    assert found["versions"] == []
    assert living_gateways() == []

    GatewayProcess.objects.update(last_seen_at=Now() - timedelta(days=8))
    post(far)
    assert shown(model)["processes"] == []


def test_gateways_of_one_token_speak_for_no_others(model, version, far):
    post(far, state(held(version)))

    assert post(client_of("eu-2"), state()).status_code == 204

    assert sorted((p.token.name, len(p.state["loaded"])) for p in GatewayProcess.objects.all()) == [
        ("eu-1", 1),
        ("eu-2", 0),
    ]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", "/states"),
        (b"[]", "/states"),
        (b'{"states": [{"spool_id": 1}]}', "/states"),
        (b'{"states": [], "more": 1}', "/states"),
        (json.dumps({"states": [msgspec.to_builtins(state(spool_id=""))]}).encode(), "/states/0/spool_id"),
        (json.dumps({"states": [msgspec.to_builtins(state(spool_id="a\nb"))]}).encode(), "/states/0/spool_id"),
        (json.dumps({"states": [msgspec.to_builtins(state(spool_id=f"a-{n}-b")) for n in range(257)]}).encode(), "/states"),
    ],
)  # fmt: skip
def test_report_that_makes_no_sense_is_400_and_kept_nowhere(far, body, field):
    told = problem(far.generic("POST", STATES, body, "application/json"), 400)

    assert told["errors"][0]["pointer"] == field
    assert not GatewayProcess.objects.exists()


def test_report_is_for_gateways_alone(model, version):
    assert post(Api(model.team).client, state(held(version))).status_code == 401
    assert not GatewayProcess.objects.exists()


def test_versions_of_other_teams_are_counted_and_not_named(model, version, far):
    foreign = make_served(make_model(make_team("elsewhere", governed=False), name="secret"), trees=3)
    post(far, state(held(version), held(foreign)))

    answer = Api(model.team).get("gateways")

    assert "secret" not in answer.content.decode()
    assert foreign.artifact_digest not in answer.content.decode()
    assert answer.json()["processes"][0]["versions_of_other_teams"] == 1


# --- what the registry does not know -------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [{"digest": f"sha256:{1:064x}"}, {"number": 9}])
def test_unknown_version_raises_one_alert_until_it_is_gone(model, version, far, wrong):
    rogue = msgspec.structs.replace(held(version), **wrong)
    post(far, state(rogue))
    observe_gateways()
    observe_gateways()

    (alert,) = Alert.objects.filter(model=model)
    assert (alert.kind, alert.severity, alert.link) == ("unknown_version", "critical", "/gateways/?model=flight-delay")
    assert f"v{rogue.number}" in alert.title
    assert rogue.digest[:15] in alert.title
    assert shown(model)["versions"][0]["state"] == "unknown"
    inbox = Client()
    inbox.force_login(make_user(model.team))
    assert "which the registry does not know" in inbox.get("/").content.decode()

    GatewayProcess.objects.update(last_seen_at=Now() - timedelta(seconds=20))
    observe_gateways()
    alert.refresh_from_db()
    assert alert.cleared_at is None  # nobody to ask is no sign that it is gone
    post(far, state(held(version)))
    observe_gateways()
    alert.refresh_from_db()
    assert alert.cleared_at


def test_renamed_and_archived_models_are_known_by_what_was_published(model, version, far):
    post(far, state(held(version)))
    services.model_rename(actor=make_actor(model.team), model=model, name="renamed")
    observe_gateways()
    assert not Alert.objects.exists()

    services.model_archive(actor=make_actor(model.team), model=model)
    observe_gateways()
    assert not Alert.objects.exists()


# --- the page ------------------------------------------------------------------------------------------------------


def test_page_without_gateways_says_what_to_do(client, model):
    client.force_login(make_user(model.team))

    page = client.get("/gateways/").content.decode()

    assert "No gateway has told of itself yet" in page
    assert "manage.py gateway_token" in page


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_page_in_a_browser(page, live_server, model, far):
    """A dozen processes on four hosts, one behind, one gone, one with a version that nobody registered."""
    names = ["fraud-cards", "lead-score", "hotel-ranking", "spend-anomaly"]
    versions = [served(model)] + [served(make_model(model.team, name=name)) for name in names]
    standby = make_served(model, trees=2)
    set_alias(standby, "next")
    routing_publish(now=NOW)
    routing_publish(now=NOW + timedelta(minutes=3))
    foreign = make_served(make_model(make_team("elsewhere", governed=False), name="secret"))
    loaded = [*(held(v) for v in versions), held(standby), held(foreign)]
    refused = RefusedVersion(
        names[0], 1, versions[1].artifact_digest, 422, "model.lgb has changed since it was registered"
    )
    processes = [
        state(*loaded, spool_id=f"eu{host}-47{worker}-9f3c2a1{worker}", callers_version=12, memory_bytes=21 * MB,
              memory_limit_bytes=512 * MB, table=1, refused=[refused] if (host, worker) == (2, 1) else [])
        for host in (1, 2, 3) for worker in (0, 1, 2)
    ]  # fmt: skip
    rogue = LoadedVersion(model.name, 1, f"sha256:{9:064x}", 3 * MB)
    post(far, *processes, state(rogue, held(standby), spool_id="eu4-470-00000000", memory_bytes=6 * MB, table=0))
    on_disk(state(*loaded[:2], spool_id="here-1-00000000", memory_bytes=6 * MB))
    GatewayProcess.objects.filter(spool_id__startswith="eu3-472").update(last_seen_at=Now() - timedelta(hours=5))
    observe_gateways()
    living = GatewayProcess.objects.filter(last_seen_at__gt=Now() - timedelta(hours=1))
    living.update(last_seen_at=Now() + timedelta(hours=1))  # however long a slow machine takes over the looks
    log_in(page, make_user(model.team), live_server)
    page.goto(f"{live_server.url}/gateways/")

    expect(page.get_by_role("heading", name="Serving inventory")).to_be_visible()
    expect(page.get_by_text("the registry has no such version with this digest")).to_be_visible()
    expect(page.get_by_text("in the memory of 10 living processes")).to_be_visible()
    assert "secret" not in page.content()
    check_page(page, f"{live_server.url}/gateways/", live_server)
    with page.expect_response(lambda answer: answer.request.headers.get("hx-request") == "true"):
        pass
    page.get_by_role("link", name="flight-delay v1").first.click()
    page.get_by_role("link", name="Where it is loaded").click()
    expect(page.get_by_text("of flight-delay alone")).to_be_visible()


def served(model):
    version = make_served(model)
    set_alias(version)
    return version
