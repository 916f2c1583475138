"""The routing table: what is published from the registry, that it survives everything, and who sees it."""

import threading
import time
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import msgspec
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections
from django.test import Client
from django.urls import reverse

from registry import services
from registry.models import AuditEvent, ModelVersion, Role
from registry.signing import public_key_file
from rollouts.gateways.reports import refusals_observe
from rollouts.models import LoadRefusal, RoutingTable
from rollouts.routes import changes, compose
from rollouts.routing import routing_publish
from rollouts.tasks import observe_gateways, publish_routing
from serving.contract import Arm, GatewayState, RefusedVersion, Version, confirmed_at, read_table, write_table
from serving.fleet import Fleet
from serving.signatures import Trust
from tests.api import Api, problem
from tests.factories import (
    approve,
    make_actor,
    make_model,
    make_promotion,
    make_team,
    make_user,
    make_version,
)
from tests.gateways import COLUMNS, infer_body, make_boosted, make_route, probability, running_gateway

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def table_path() -> Path:
    return Path(settings.ROUTING_TABLE_PATH)


def published():
    """Publish and return what lies on disk; whatever was told of changes, it is what a look at everything finds."""
    routing_publish(now=NOW)
    found = read_table(table_path())
    assert found.routes == compose()
    return found


def make_served(model, *, trees=1) -> ModelVersion:
    """A verified version of ``model`` with real files."""
    version = make_version(model, servable=False)
    path = f"{model.pk}/v{version.number}"
    listed = make_boosted(Path(settings.ARTIFACT_ROOT) / str(model.pk), version.number, trees)
    ModelVersion.objects.filter(pk=version.pk).update(
        artifact_state="verified", artifact_digest=listed.digest, artifact_path=path, format="lightgbm",
        manifest=msgspec.to_builtins(listed.manifest), signature={"inputs": msgspec.to_builtins(COLUMNS)},
    )  # fmt: skip
    version.refresh_from_db()
    return version


def set_alias(version, name="champion") -> None:
    services.alias_set(actor=make_actor(version.model.team), model=version.model, name=name, version=version)


@pytest.fixture
def model():
    """A model of a team whose aliases move freely."""
    return make_model(make_team("sandbox", governed=False), name="flight-delay")


def test_champion_is_published_with_all_a_gateway_needs(model):
    version = make_served(model)
    set_alias(version)
    set_alias(version, "stable")

    table = published()

    assert (table.version, table.published_at) == (1, NOW.isoformat())
    (route,) = table.routes
    assert (route.model, route.model_id, route.task) == ("flight-delay", model.pk, "classification")
    assert route.arms == [Arm("champion", 1, 10_000)]
    assert route.aliases == {"champion": 1, "stable": 1}
    (listed,) = route.versions
    assert (listed.number, listed.format, listed.file) == (1, "lightgbm", "model.lgb")
    assert listed.folder == str(Path(settings.ARTIFACT_ROOT) / version.artifact_path)
    assert (listed.digest, listed.columns) == (version.artifact_digest, COLUMNS)
    assert msgspec.to_builtins(listed.manifest) == version.manifest


def test_what_may_be_needed_at_once_is_kept_loaded(model):
    first, second, third, fourth, _never = (make_served(model, trees=n) for n in (1, 2, 3, 4, 5))
    for version in (first, second, third):
        set_alias(version)
    set_alias(fourth, "next")
    assert [v.number for v in published().routes[0].versions] == [4, 3, 2]

    make_promotion(model, version=first)

    assert [v.number for v in published().routes[0].versions] == [4, 3, 2, 1]


def test_governed_model_follows_promotion_and_rollback():
    model = make_model(make_team("card-risk"))
    first = make_champion_of(model)
    assert served(published()) == first.number
    second = make_served(model, trees=2)
    promotion = make_promotion(model, version=second)
    assert served(published()) == first.number

    approve(promotion)
    assert served(published()) == second.number
    services.rollback(
        actor=make_actor(model.team, Role.APPROVER), model=model, to_version=first, reason="Scores jumped."
    )

    table = published()
    assert served(table) == first.number
    assert [v.number for v in table.routes[0].versions] == [2, 1]
    assert table.routes[0].standby == [second.number]
    events = AuditEvent.objects.filter(action="routing.publish", subject=model.path).order_by("seq")
    assert [event.payload["change"] for event in events] == [
        "v1 serves", "other aliases or versions kept loaded beside v1", "v1 → v2", "v2 → v1",
    ]  # fmt: skip
    assert {event.team for event in events} == {"card-risk"}
    assert {event.actor for event in events} == {"publisher"}


def test_former_champion_stands_by_and_a_rollback_loads_nothing(monkeypatch):
    model = make_model(make_team("card-risk"))
    first = make_champion_of(model)
    assert published().routes[0].standby == []
    approve(make_promotion(model, version=make_served(model, trees=2)))
    assert published().routes[0].standby == [first.number]
    trust = Trust([public_key_file(settings.SIGNING_KEY_FILE)])
    fleet = Fleet(table_path(), lambda snapshot: None, trust=trust, memory_bytes=1)  # nothing stays that need not
    fleet.follow()
    for loads in ("load", "measure"):
        monkeypatch.setattr(f"serving.fleet.{loads}", None)

    services.rollback(
        actor=make_actor(model.team, Role.APPROVER), model=model, to_version=first, reason="Scores jumped."
    )
    published()
    fleet.follow()

    loaded = fleet.snapshot.routes[model.name]
    assert (loaded.route.arms[0].number, sorted(loaded.servables)) == (first.number, [1, 2])
    assert fleet.snapshot.table_version == loaded.table_version


def test_former_champion_that_cannot_serve_again_stands_aside_for_the_one_before(model):
    for trees in (1, 2, 3):
        set_alias(make_served(model, trees=trees))
    assert published().routes[0].standby == [2]

    model.versions.filter(number=2).update(archived_at=NOW)

    assert published().routes[0].standby == [1]
    model.versions.filter(number=1).update(archived_at=NOW)
    assert published().routes[0].standby == []


def test_former_champion_that_gateways_cannot_ask_stands_by_for_nothing(model):
    sound = make_served(model)
    unfit = make_version(model, servable=False)
    values = {f: getattr(sound, f) for f in ("artifact_state", "artifact_digest", "format", "manifest")}
    ModelVersion.objects.filter(pk=unfit.pk).update(**values, signature={})
    set_alias(unfit)
    set_alias(sound)

    assert published().routes[0].standby == []


def make_champion_of(model) -> ModelVersion:
    return approve(make_promotion(model, version=make_served(model))).version


def served(table) -> int:
    return table.routes[0].arms[0].number


@pytest.mark.parametrize(
    "unfit",
    [
        {"artifact_state": "unread"},
        {"artifact_state": "refused"},
        {"format": "other"},
        {"manifest": []},
        {"signature": {}},
        {"archived_at": NOW},
    ],
)
def test_version_that_cannot_be_served_is_not_routed(model, unfit):
    version = make_version(model, servable=False)
    sound = make_served(model)
    values = {f: getattr(sound, f) for f in ("artifact_state", "artifact_digest", "format", "manifest", "signature")}
    ModelVersion.objects.filter(pk=version.pk).update(**values | unfit)
    set_alias(version)
    set_alias(sound, "next")

    assert published().routes == []


def test_alias_on_an_unfit_version_is_left_out(model):
    set_alias(make_served(model))
    set_alias(make_version(model, servable=False), "next")

    (route,) = published().routes

    assert route.aliases == {"champion": 1}


def test_archived_model_is_not_routed(model):
    set_alias(make_served(model))
    type(model).objects.filter(pk=model.pk).update(archived_at=NOW)

    assert published().routes == []


def test_publishing_twice_changes_nothing(model):
    set_alias(make_served(model))
    first = published()
    stamp = table_path().stat()

    again = routing_publish(now=NOW + timedelta(hours=1))

    assert again.version == 1
    assert read_table(table_path()) == first
    assert table_path().stat().st_mtime_ns == stamp.st_mtime_ns
    assert RoutingTable.objects.count() == 1
    assert AuditEvent.objects.filter(action="routing.publish").count() == 1


def test_each_run_confirms_the_table(model):
    published()
    table_path().with_suffix(".confirmed").unlink()

    publish_routing()

    assert confirmed_at(table_path()) == pytest.approx(time.time(), abs=5)


@pytest.mark.parametrize("loss", ["lost", "garbled", "older"])
def test_file_is_restored(model, loss):
    set_alias(make_served(model))
    older = published()
    set_alias(make_served(model, trees=2))
    wanted = published()
    match loss:
        case "lost":
            table_path().unlink()
        case "garbled":
            table_path().write_bytes(b"{")
        case "older":
            write_table(older, table_path())

    assert published() == wanted

    assert RoutingTable.objects.count() == 2


def test_database_restored_to_an_earlier_day_gets_ahead_of_the_file(model):
    set_alias(make_served(model))
    table = published()
    write_table(msgspec.structs.replace(table, version=41), table_path())

    assert published().version == 42

    assert list(RoutingTable.objects.values_list("version", flat=True)) == [42, 1]


def test_history_cannot_be_rewritten(model):
    published()

    with pytest.raises(Exception, match="append-only"), connection.cursor() as cursor:
        cursor.execute("UPDATE rollouts_routingtable SET reason = 'x'")


@pytest.mark.django_db(transaction=True)
def test_publishers_at_once_make_one_table(model):
    set_alias(make_served(model))
    done = []

    def publish():
        try:
            done.append(routing_publish(now=NOW).version)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=publish) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert done == [1] * 8
    assert RoutingTable.objects.count() == 1
    assert read_table(table_path()).version == 1


@pytest.mark.django_db(transaction=True)
def test_publisher_that_dies_before_writing_the_file_is_followed_by_one_that_does(model, monkeypatch):
    set_alias(make_served(model))
    monkeypatch.setattr("serving.contract.write_table", lambda table, path: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        routing_publish(now=NOW)
    assert RoutingTable.objects.count() == 1
    assert not table_path().exists()
    monkeypatch.undo()

    publish_routing()

    assert read_table(table_path()).version == 1


def test_changes_are_told_in_words():
    one = make_route(make_boosted_listing(1), make_boosted_listing(2))
    two = msgspec.structs.replace(one, arms=[Arm("champion", 1, 9_900), Arm("canary", 2, 100)])
    other = msgspec.structs.replace(one, aliases={})

    assert changes([], [one])[0].what == "v1 serves"
    assert changes([one], [two])[0].what == "v1 → v1 99%, v2 1%"
    assert changes([one], [other])[0].what == "other aliases or versions kept loaded beside v1"
    assert changes([one], [])[0].what == "no longer routed"
    assert changes([one], [one]) == []


def make_boosted_listing(number):
    return msgspec.convert(
        {"number": number, "format": "lightgbm", "folder": "/a", "file": "model.lgb", "digest": "", "manifest": [],
         "columns": []},
        Version,
    )  # fmt: skip


def test_command_publishes(model):
    set_alias(make_served(model))
    out = StringIO()

    call_command("publish_routing", stdout=out)

    assert out.getvalue().startswith("Routing table 1 of ")
    assert served(read_table(table_path())) == 1


def test_gateway_follows_promotion_and_rollback_within_two_seconds(model, tmp_path):
    first, second = make_served(model, trees=20), make_served(model, trees=5)
    set_alias(first)
    set_alias(second, "next")
    with running_gateway(tmp_path, published()) as gateway:
        gateway.wait_for("/v2/models/flight-delay@next/ready")
        for version, trees in ((second, 5), (first, 20)):
            set_alias(version)
            started = time.monotonic()
            publish_routing()
            while gateway.infer(body=infer_body()).json()["model_version"] != str(version.number):
                assert time.monotonic() - started < 2
            assert gateway.infer().json()["outputs"][0]["data"] == [probability(trees=trees)]


# --- what gateways report ------------------------------------------------------------------------------------------


def report(*refused, serving=None, version=1, spool_id="gateway-a"):
    state = GatewayState(spool_id, version, "", serving or {}, [], list(refused))
    path = Path(settings.SPOOL_ROOT) / spool_id / "state.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.encode(state))
    return path


def refused_of(version, reason="model.lgb has changed"):
    return RefusedVersion(version.model.name, version.number, version.artifact_digest, 422, reason)


def test_refused_version_is_audited_once_until_it_is_cleared(model):  # T9
    version = make_served(model)
    report(refused_of(version))
    report(refused_of(version), spool_id="gateway-b")

    observe_gateways()
    observe_gateways()

    (event,) = AuditEvent.objects.filter(action="version.load_refused")
    assert (event.subject, event.team, event.actor) == (version.path, "sandbox", "gateway")
    assert event.payload == {"digest": version.artifact_digest, "reason": "model.lgb has changed"}
    report(spool_id="gateway-a")
    report(spool_id="gateway-b")
    observe_gateways()
    assert not LoadRefusal.objects.filter(cleared_at__isnull=True).exists()
    report(refused_of(version))
    observe_gateways()
    assert AuditEvent.objects.filter(action="version.load_refused").count() == 2


def test_silence_of_gateways_clears_nothing_and_strangers_are_ignored(model):
    version = make_served(model)
    path = report(refused_of(version), RefusedVersion("nobody", 1, "sha256:0", 422, "x"))
    refusals_observe(now=NOW)
    path.unlink()

    refusals_observe(now=NOW)

    assert LoadRefusal.objects.get().cleared_at is None


# --- who sees it ---------------------------------------------------------------------------------------------------


def test_api_shows_the_routes_of_ones_own_teams(model):
    version = make_served(model)
    set_alias(version)
    other = make_model(make_team("other", governed=False))
    set_alias(make_served(other))
    routing_publish(now=NOW)

    answer = Api(model.team).get("routing/").json()

    assert answer == {
        "version": 1,
        "published_at": "2026-11-25T12:00:00Z",
        "routes": [
            {
                "model": "flight-delay",
                "task": "classification",
                "arms": [{"name": "champion", "version": 1, "weight_bp": 10_000}],
                "aliases": {"champion": 1},
                "versions": [{"version": 1, "format": "lightgbm", "digest": version.artifact_digest}],
                "standby": [],
            }
        ],
    }
    assert Api(make_team("third")).get("routing").json()["routes"] == []


def test_api_before_the_first_table_and_without_a_token(model):
    problem(Api(model.team).get("routing"), 404)
    assert Client().get("/api/v1/routing").status_code == 401


@pytest.fixture
def reader(model):
    client = Client()
    client.force_login(make_user(model.team, Role.VIEWER))
    return client


def panel(client) -> str:
    return client.get(reverse("routing_panel", args=["flight-delay"])).content.decode()


def test_panel_shows_what_serves_and_whether_gateways_do_so(model, reader):
    assert "No version of this model is routed" in panel(reader)
    set_alias(make_served(model))
    set_alias(make_served(model, trees=2))
    routing_publish(now=NOW)

    seen = panel(reader)
    assert "table 1," in seen
    assert f'<a href="{model.path}versions/2/">v2</a> gets 100%' in seen
    assert "kept loaded" in seen
    assert "No gateway reports" in seen
    report(serving={"flight-delay": {"champion": 1}})
    assert "Being taken up" in panel(reader)
    report(serving={"flight-delay": {"champion": 2}})
    assert "Served so" in panel(reader)


def test_panel_shows_what_gateways_refuse(model, reader):
    version = make_served(model)
    set_alias(version)
    routing_publish(now=NOW)
    report(refused_of(version, "model.lgb has changed: <svg onload=alert(1)>"))
    observe_gateways()

    seen = panel(reader)

    assert "Not served so" in seen
    assert "Gateways refuse" in seen
    assert "model.lgb has changed: &lt;svg onload=alert(1)&gt;" in seen  # T22


def test_panel_of_another_team_is_not_found(model):
    client = Client()
    client.force_login(make_user(make_team("other")))

    assert client.get(reverse("routing_panel", args=["flight-delay"])).status_code == 404


def test_gateways_unload_what_is_retired():
    model = make_model()
    first, second = make_served(model), make_served(model)
    for version in (first, second):
        approve(make_promotion(model, version=version))
    engineer, approver = make_actor(model.team), make_actor(model.team, Role.APPROVER)
    assert [version.number for version in published().routes[0].versions] == [2, 1]

    for version, left in ((first, [[2]]), (None, [])):
        asked = services.retirement_request(actor=engineer, model=model, version=version, reason="Replaced.")
        services.retirement_approve(actor=approver, retirement_id=asked.pk, note="Nobody calls it.")
        assert [[version.number for version in route.versions] for route in published().routes] == left
