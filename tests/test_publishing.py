"""How what is published reaches gateways of other hosts: the endpoint, who may ask, who is woken, and what follows a change."""

import gzip
import json
import socket
import threading
import time
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import msgspec
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.test import Client

from jobs import nudges
from registry import services
from registry.models import AuditEvent
from rollouts.gateways import publishing
from rollouts.gateways.callers import callers_publish
from rollouts.gateways.tokens import gateway_token_create
from rollouts.models import GatewayToken, PublishedCallers
from rollouts.models import RoutingTable as RoutingTableRow
from rollouts.routing import routing_publish
from serving.contract import (
    STATES_PATH,
    CallerList,
    GatewayState,
    Published,
    Report,
    RoutingTable,
    callers_path,
    read_callers,
    read_table,
    write_table,
)
from serving.follower import Follower, Reply
from serving.settings import Settings, SettingsError, read_settings
from tests.api import Api, problem
from tests.factories import make_model, make_team, make_user, make_version
from tests.gateways import make_boosted, make_route, make_table
from tests.test_routing import make_served, set_alias

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
PATH = "/api/v1/gateways/published"


@pytest.fixture
def model():
    return make_model(make_team("sandbox", governed=False), name="flight-delay")


@pytest.fixture
def gateway():
    """A client with a gateway's token."""
    _, secret = gateway_token_create(name="eu-1", process="test")
    return Client(headers={"Authorization": f"Bearer {secret}"})


def make_caller(model):
    return services.token_create(
        actor=None, user=make_user(model.team), team=model.team, name="shop", scopes=["predict"], process="test"
    )


def publish():
    callers_publish(now=NOW)
    routing_publish(now=NOW)


def test_gateway_gets_the_table_and_the_callers_as_the_files_say_them(model, gateway):
    set_alias(make_served(model))
    make_caller(model)
    publish()

    answer = gateway.get(PATH, headers={"Accept-Encoding": "gzip"})

    assert (answer.status_code, answer["Content-Encoding"], answer["Cache-Control"]) == (
        200,
        "gzip",
        "private, no-cache",
    )
    told = msgspec.json.decode(gzip.decompress(answer.content), type=Published)
    path = Path(settings.ROUTING_TABLE_PATH)
    assert told == Published(read_table(path), read_callers(callers_path(path)))
    assert len(told.callers.callers) == 1
    assert gateway.get(PATH, headers={"If-None-Match": answer["ETag"]}).status_code == 304
    assert json.loads(gateway.get(PATH).content)["table"]["version"] == 1


def test_before_anything_is_published_there_is_nothing_and_a_tag_all_the_same(gateway):
    answer = gateway.get(PATH)

    assert (answer.json(), answer["ETag"]) == ({"table": None, "callers": None}, '"0-0"')


@pytest.mark.parametrize("change", ["route", "caller"])
def test_tag_changes_with_either(model, gateway, change):
    set_alias(make_served(model))
    publish()
    before = gateway.get(PATH)["ETag"]
    publish()
    assert gateway.get(PATH)["ETag"] == before

    if change == "route":
        set_alias(make_served(model, trees=2))
    else:
        make_caller(model)
    publish()

    assert gateway.get(PATH, headers={"If-None-Match": before}).status_code == 200


def test_nobody_else_gets_it_and_a_gateway_gets_nothing_else(model, gateway):
    person = Api(model.team)

    assert "gateway's token" in problem(person.get("gateways/published"), 401)["detail"]
    assert problem(Client().get(PATH), 401)
    for path in ("/api/v1/models", "/api/v1/routing", "/api/v1/tokens"):
        assert gateway.get(path).status_code == 401
    browser = Client()
    browser.force_login(make_user(model.team))
    assert browser.get(PATH).status_code == 401


def test_token_is_made_shown_once_and_revoked_by_command():
    out, said = StringIO(), StringIO()
    call_command("gateway_token", "eu-1", stdout=out, stderr=said)
    secret = out.getvalue().strip()
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    assert client.get(PATH).status_code == 200
    token = GatewayToken.objects.get()
    assert secret.startswith("gw_")
    assert secret not in str(token.__dict__)
    assert token.last_used_at
    with pytest.raises(CommandError, match="A token named eu-1 is in force"):
        call_command("gateway_token", "eu-1")

    call_command("gateway_token", "eu-1", "--revoke", stderr=said)

    assert client.get(PATH).status_code == 401
    with pytest.raises(CommandError, match="No token named eu-1"):
        call_command("gateway_token", "eu-1", "--revoke")
    events = AuditEvent.objects.filter(action__startswith="gateway_token.").order_by("seq")
    assert [event.action for event in events] == ["gateway_token.create", "gateway_token.revoke"]
    assert secret not in str([event.payload for event in events])


@pytest.mark.parametrize("query", ["wait=-1", "wait=26", "wait=soon", "wait=1&wait=2", "x=1"])
def test_wait_that_makes_no_sense_is_400_and_named(gateway, query):
    told = problem(gateway.get(f"{PATH}?{query}"), 400)

    assert told["errors"][0]["in"] == "query"


@pytest.mark.django_db(transaction=True)
def test_who_waits_is_woken_by_the_commit(model, gateway):
    set_alias(make_served(model))
    publish()
    tag, answers = gateway.get(PATH)["ETag"], []

    def follow():
        answers.append(gateway.get(PATH, {"wait": 25}, headers={"If-None-Match": tag}))
        answers.append(time.monotonic())
        connections.close_all()

    waiting = threading.Thread(target=follow)
    waiting.start()
    wait_until(lambda: listeners() == 1)
    set_alias(make_served(model, trees=2))
    assert not answers
    began = time.monotonic()
    publish()
    waiting.join(timeout=24)

    assert not waiting.is_alive()
    assert answers[0].status_code == 200
    assert answers[0].json()["table"]["version"] == 2
    print(f"publication to who waits: {(answers[1] - began) * 1000:.0f} ms")  # noqa: T201  a figure for the reader
    wait_until(lambda: listeners() == 0)  # PostgreSQL notices a moment later that the connection is gone


@pytest.mark.django_db(transaction=True)
def test_more_than_may_wait_are_sent_away_at_once_and_the_seat_is_free_again(model, gateway, monkeypatch):
    monkeypatch.setattr(publishing, "_seats", threading.BoundedSemaphore(1))
    publish()
    tag = gateway.get(PATH)["ETag"]
    ask = {"path": PATH, "data": {"wait": 25}, "headers": {"If-None-Match": tag}}

    def follow():
        gateway.get(**ask)
        connections.close_all()

    first = threading.Thread(target=follow)
    first.start()
    wait_until(lambda: listeners() == 1)
    began = time.monotonic()

    second = gateway.get(**ask)

    assert (second.status_code, second["Retry-After"], second["ETag"]) == (304, "1", tag)
    assert time.monotonic() - began < 20  # it did not wait its turn, which would be 25
    set_alias(make_served(model))
    publish()
    first.join(timeout=24)
    assert not first.is_alive()
    assert publishing._seats.acquire(blocking=False)


@pytest.mark.django_db(transaction=True)
def test_wait_ends_by_itself_where_nothing_is_published(gateway):
    tag = gateway.get(PATH)["ETag"]

    answer = gateway.get(PATH, {"wait": 0.2}, headers={"If-None-Match": tag})

    assert (answer.status_code, "Retry-After" in answer) == (304, False)


@pytest.mark.django_db(transaction=True)
def test_who_hangs_up_waits_no_longer(gateway):
    tag = gateway.get(PATH)["ETag"]
    here, there = socket.socketpair()
    ended = []

    def follow():
        ended.append(publishing.wait_for_change(tag, seconds=3600, caller=here))
        connections.close_all()

    waiting = threading.Thread(target=follow, daemon=True)
    waiting.start()
    wait_until(lambda: listeners() == 1)
    there.send(b"GET /next HTTP/1.1")  # who asks on meanwhile is still there
    assert not ended
    there.close()
    waiting.join(timeout=60)

    assert ended == [False]
    assert publishing._seats.acquire(blocking=False)
    publishing._seats.release()
    here.close()


def listeners():
    """How many connections wait after they said LISTEN."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND state = 'idle' AND query LIKE %s", ["SELECT \"rollouts_%"],
        )  # fmt: skip
        return cursor.fetchone()[0]


def wait_until(so, seconds=30):
    deadline = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_list_of_callers_gets_ahead_of_the_file_after_the_database_went_back(model):
    publish()
    path = callers_path(Path(settings.ROUTING_TABLE_PATH))
    path.write_bytes(msgspec.json.encode(CallerList(41, NOW.isoformat(), [])))

    publish()

    assert (read_callers(path).version, PublishedCallers.objects.get().version) == (42, 42)


@pytest.mark.parametrize(
    ("number", "at", "next_number"),
    [
        (9, "2026-11-27T00:00:00+00:00", 10),
        (1, "2026-11-27T00:00:00+00:00", 2),  # the same number of another table
        (1, NOW.isoformat(), 1),
        (1, "", 1),  # an older gateway, which does not say
        (0, "", 1),
        (2_000_000, "2026-11-27T00:00:00+00:00", 1),  # no gateway's word uses up the numbers
    ],
)
def test_publisher_goes_on_after_what_a_living_gateway_holds_and_the_database_forgot(
    model, gateway, number, at, next_number
):
    set_alias(make_served(model))
    publish()
    state = GatewayState("eu1-1-a", number, "", {}, [], [], callers_version=number, published_at=at)
    told = gateway.generic("POST", STATES_PATH, msgspec.json.encode(Report([state])), "application/json")

    publish()

    assert told.status_code == 204
    assert RoutingTableRow.objects.latest("version").version == next_number
    assert PublishedCallers.objects.get().version == (10 if number == 9 else 1)
    publish()
    assert RoutingTableRow.objects.latest("version").version == next_number  # and then it is at rest
    assert read_table(Path(settings.ROUTING_TABLE_PATH)).version == next_number


# --- what follows a change -----------------------------------------------------------------------------------------


@pytest.fixture
def sent(monkeypatch):
    """What was asked to be sent."""
    asked = []
    monkeypatch.setattr(nudges._sender, "send", asked.append)
    return asked


@pytest.mark.parametrize("change", ["alias", "token", "revocation"])
def test_change_is_followed_after_its_commit_and_not_before(model, sent, django_capture_on_commit_callbacks, change):
    version = make_served(model)
    token, _ = make_caller(model)

    with django_capture_on_commit_callbacks(execute=True):
        match change:
            case "alias":
                set_alias(version)
            case "token":
                make_caller(model)
            case "revocation":
                services.token_revoke(actor=None, token_id=token.pk, process="test")
        assert sent == []

    assert sent == ["rollouts.tasks.publish"]


def test_what_changes_nothing_that_is_published_is_not_followed(model, sent, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        make_version(model)

    assert sent == []


def test_nudges_asked_for_at_once_are_sent_once(monkeypatch):
    sent, first, go_on = [], threading.Event(), threading.Event()

    class Slow:
        @staticmethod
        def delay():
            sent.append(1)
            first.set()
            go_on.wait(30)

    monkeypatch.setattr(nudges, "import_string", lambda name: Slow)
    sender = nudges.Sender()
    sender.send("task")
    first.wait(30)
    for _ in range(100):
        sender.send("task")
    go_on.set()

    wait_until(lambda: len(sent) == 2)
    assert len(sent) == 2


# --- the gateway's side --------------------------------------------------------------------------------------------


@pytest.fixture
def follower(tmp_path):
    return Follower(
        Settings(tmp_path / "far/table.json", tmp_path / "far/spool", routing_url="http://none", routing_token="x")
    )


def reply(table=None, callers=None, status=200):
    return Reply(status, '"1"', 0.0, msgspec.json.encode(Published(table, callers)) if status == 200 else b"")


def far_table(tmp_path, version=1):
    return make_table(make_route(make_boosted(tmp_path)), version=version)


def test_follower_writes_both_to_its_own_disk_and_confirms(follower, tmp_path):
    table, callers = far_table(tmp_path, 3), CallerList(7, NOW.isoformat(), [])

    follower.take(reply(table, callers))

    path = tmp_path / "far/table.json"
    assert (read_table(path), read_callers(callers_path(path))) == (table, callers)
    confirmed = path.with_suffix(".confirmed")
    confirmed.unlink()
    follower.take(reply(status=304))
    assert confirmed.exists()


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"table": {"version": 9}, "callers": null}', None])
def test_what_is_no_sound_table_leaves_the_one_on_disk(follower, tmp_path, body):
    good = far_table(tmp_path, 3)
    follower.take(reply(good))
    unsound = RoutingTable(9, NOW.isoformat(), [msgspec.structs.replace(good.routes[0], versions=[])])
    wrong = reply(unsound)._replace(body=body) if body else reply(unsound)

    with pytest.raises((msgspec.DecodeError, ValueError)):
        follower.take(wrong)

    assert read_table(tmp_path / "far/table.json") == good


def test_older_table_is_not_taken_over(follower, tmp_path):
    path = tmp_path / "far/table.json"
    write_table(far_table(tmp_path, 5), path)

    with pytest.raises(ValueError, match="version 4 is older than 5"):
        follower.take(reply(far_table(tmp_path, 4)))

    assert read_table(path).version == 5


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"ROUTING_URL": "https://control"}, "ROUTING_TOKEN is not set, which goes with ROUTING_URL"),
        ({"ROUTING_URL": "https://control", "ROUTING_TOKEN": "short"}, "ROUTING_TOKEN is shorter than"),
        ({"ROUTING_URL": "control:8000", "ROUTING_TOKEN": "x" * 40}, "ROUTING_URL is 'control:8000'; give an address"),
        ({"ROUTING_URL": "file:///etc/passwd", "ROUTING_TOKEN": "x" * 40}, "ROUTING_URL is"),
    ],
)
def test_settings_that_do_not_fit_are_explained(given, why):
    with pytest.raises(SettingsError, match=why):
        read_settings({"ROUTING_TABLE_PATH": "/t", "SPOOL_ROOT": "/s", **given})
