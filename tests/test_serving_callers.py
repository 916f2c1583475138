"""Who may call the gateway: tokens by digest, limits, and what no token gets past."""

import hashlib
import os
import time
from dataclasses import replace

import msgspec
import pytest

from serving.callers import Callers
from serving.contract import Caller, CallerList, callers_path, gateway_states, write_callers
from serving.core import Core
from serving.protocol import Fault
from serving.settings import Settings
from tests.gateways import RunningGateway, infer_body, make_boosted, make_route, make_table, received, running_gateway

SECRET = "cp_secret-of-a-product-service"


def caller(secret=SECRET, **fields) -> Caller:
    known = Caller(7, f"sha256:{hashlib.sha256(secret.encode()).hexdigest()}", [1])
    return msgspec.structs.replace(known, **fields)


def bearer(secret=SECRET) -> dict[bytes, bytes]:
    return {b"authorization": f"Bearer {secret}".encode()}


@pytest.fixture
def told(tmp_path):
    return Settings(tmp_path / "table.json", tmp_path / "spool")


def publish(told, *callers, version=1):
    write_callers(
        CallerList(version, "2026-11-26T12:00:00+00:00", list(callers)), callers_path(told.routing_table_path)
    )


@pytest.fixture
def door(told):
    """Make a door that knows these callers."""

    def make(*callers, **changed):
        publish(told, *callers)
        door = Callers(replace(told, **changed))
        door.follow()
        return door

    return make


def refused(door, headers, now=1000.0) -> Fault:
    with pytest.raises(Fault) as refusal:
        door.identify(headers, now)
    return refusal.value


def test_list_of_callers_is_for_its_owner_alone_and_holds_no_secret(told):
    path = callers_path(told.routing_table_path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(0o644)

    publish(told, caller())

    assert os.stat(path).st_mode & 0o777 == 0o600
    assert SECRET.encode() not in path.read_bytes()


def test_token_is_known_by_its_digest_also_the_second_time(door):
    known = door(caller())

    assert [known.identify(bearer(), 1000.0).id for _ in range(2)] == [7, 7]
    assert known.identify({b"authorization": b"bearer  " + SECRET.encode()}, 1000.0).id == 7


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "missing"),
        (bearer("cp_other"), "unknown"),
        ({b"authorization": b"Basic " + SECRET.encode()}, "unknown"),
        ({b"authorization": SECRET.encode()}, "unknown"),
        ({b"authorization": b"Bearer"}, "unknown"),
        ({b"authorization": b"Bearer " + caller().digest.encode()}, "unknown"),
        ({b"authorization": b"Bearer \xff\xfe"}, "unknown"),
        ({b"authorization": b""}, "unknown"),
    ],
)
def test_what_is_no_token_in_force_is_401(door, headers, reason):
    known = door(caller())

    fault = refused(known, headers)

    assert fault.status == 401
    assert dict(fault.headers)[b"www-authenticate"].startswith(b"Bearer")
    assert known.refused == {reason: 1}


def test_token_expires_by_the_gateways_own_clock_also_when_it_is_remembered(door):
    known = door(caller(expires_at=2000.0))

    assert known.identify(bearer(), 1999.9).id == 7
    assert refused(known, bearer(), 2000.0).status == 401
    assert known.refused == {"expired": 1}


def test_revoked_token_is_forgotten_with_the_next_list(door, told):
    known = door(caller(), caller("cp_other", id=8))
    known.identify(bearer(), 1000.0)

    publish(told, caller("cp_other", id=8), version=2)
    known.follow()

    assert refused(known, bearer()).status == 401
    assert known.identify(bearer("cp_other"), 1000.0).id == 8
    assert known.version == 2


def test_broken_list_changes_nothing_and_says_so(door, told):
    known = door(caller())

    callers_path(told.routing_table_path).write_bytes(b"{")
    known.follow()

    assert known.identify(bearer(), 1000.0).id == 7
    assert known.error


def test_nobody_is_known_before_the_first_list(told):
    fault = refused(Callers(told), bearer())

    assert fault.status == 503


def test_optional_answers_who_shows_no_token_and_refuses_a_bad_one(door):
    known = door(caller(), auth="optional")

    assert known.identify({}, 1000.0).models is None
    assert known.identify(bearer(), 1000.0).models == {1}
    assert refused(known, bearer("cp_bad")).status == 401


def test_off_looks_at_no_token(door):
    assert door(auth="off").identify(bearer("cp_bad"), 1000.0).may_call(5)


def test_memory_of_headers_is_bounded(door, monkeypatch):
    monkeypatch.setattr("serving.callers.MOST_REMEMBERED", 3)
    known = door(caller())

    for spaces in range(20):
        known.identify({b"authorization": b"Bearer " + b" " * spaces + SECRET.encode()}, 1000.0)

    assert len(known._book.remembered) <= 3


def ask(door, who, now) -> Fault | None:
    try:
        door.enter(who, now)
    except Fault as fault:
        return fault
    door.leave(who, now)
    return None


def test_rate_is_a_bucket_that_fills_again(door):
    known = door(caller(requests_per_s=2.0, burst=3))
    who, start = known.identify(bearer(), 1.0), time.monotonic() + 100

    assert [ask(known, who, start) for _ in range(3)] == [None] * 3
    fault = ask(known, who, start)
    assert (fault.status, dict(fault.headers)[b"retry-after"]) == (429, b"1")
    assert ask(known, who, start + 0.4) is not None
    assert ask(known, who, start + 0.6) is None
    assert ask(known, who, start + 0.6) is not None
    assert known.refused == {"rate": 3}


def test_slow_rate_says_how_long_to_wait(door):
    known = door(caller(requests_per_s=0.1))
    who, start = known.identify(bearer(), 1.0), time.monotonic() + 100

    assert ask(known, who, start) is None
    assert dict(ask(known, who, start).headers)[b"retry-after"] == b"10"


def test_requests_at_the_same_time_are_counted(door):
    known = door(caller(in_flight=2))
    who = known.identify(bearer(), 1.0)

    known.enter(who, 1.0)
    known.enter(who, 1.0)
    assert ask(known, who, 1.0).status == 429
    known.leave(who, 1.0)
    assert ask(known, who, 1.0) is None
    assert (known.refused, known.in_flight()) == ({"in_flight": 1}, 1)


def test_limits_survive_a_new_list(door, told):
    known = door(caller(requests_per_s=1.0, in_flight=1))
    who, start = known.identify(bearer(), 1.0), time.monotonic() + 100
    known.enter(who, start)

    publish(told, caller(requests_per_s=1.0, in_flight=1), caller("cp_new", id=9), version=2)
    known.follow()

    assert ask(known, known.identify(bearer(), 1.0), start).status == 429
    known.leave(who, start)
    assert known.refused == {"in_flight": 1}
    assert ask(known, known.identify(bearer(), 1.0), start).status == 429
    assert known.refused == {"in_flight": 1, "rate": 1}


def test_gateway_bounds_callers_whose_token_says_nothing_and_who_have_none(door):
    known = door(
        caller(), caller("cp_own", id=8, requests_per_s=100.0), auth="optional", caller_requests_per_s=5, caller_burst=9
    )

    bounds = [known.identify(headers, 1.0) for headers in ({}, bearer(), bearer("cp_own"))]

    assert [(who.rate, who.burst) for who in bounds] == [(5, 9), (5, 9), (100, 100)]


def test_workers_share_a_limit(door):
    who = door(caller(requests_per_s=10.0, burst=40, in_flight=5), workers=4).identify(bearer(), 1.0)

    assert (who.rate, who.burst, who.most_at_once) == (2.5, 10, 1)


def test_model_outside_of_the_token_is_as_unknown_as_one_that_is_not(door, told):
    class NoSpool:
        pass

    core = Core(NoSpool())
    who = door(caller(models=[2])).identify(bearer(), 1.0)

    assert who.may_call(2)
    assert not who.may_call(1)
    assert core.infer("flight-delay", received({}, b"", 1.0, 0), caller=who).status == 503  # no table yet


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    """A gateway that asks for tokens, with a model for them and one that is not."""
    home = tmp_path_factory.mktemp("callers")
    ours = make_route(make_boosted(home, 1), aliases={"champion": 1})
    theirs = make_route(make_boosted(home / "theirs", 1), model="theirs", model_id=2)
    gateway = RunningGateway(home, GATEWAY_AUTH="required", GATEWAY_OPERATOR_TOKEN="operator-token-of-24-characters")
    gateway.admit(caller(), caller("cp_narrow", id=8, models=[]), caller("cp_slow", id=9, requests_per_s=0.01))
    gateway.publish(make_table(ours, theirs), wait=False)
    gateway.start()
    yield gateway
    gateway.stop()


def call(gateway, secret=SECRET, path="/v2/models/flight-delay/infer", method="POST"):
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    return gateway.client.request(method, path, json=infer_body() if method == "POST" else None, headers=headers)


def test_gateway_answers_who_may_call(gateway):
    answer = call(gateway)

    assert (answer.status_code, answer.json()["model_version"]) == (200, "1")


@pytest.mark.parametrize("path", ["/v2/models/flight-delay/infer", "/v2/models/flight-delay/versions/1/infer"])
@pytest.mark.parametrize("secret", ["", "cp_wrong"])
def test_gateway_refuses_strangers(gateway, path, secret):  # T16
    answer = call(gateway, secret, path)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="gateway"'
    assert "token" in answer.json()["error"]


@pytest.mark.parametrize("path", [
    "/v2/models/theirs/infer", "/v2/models/theirs@champion/infer", "/v2/models/theirs/versions/1/infer",
    "/models/theirs/invocations",
])  # fmt: skip
def test_model_of_others_does_not_exist(gateway, path):  # T12
    """The answer is that for a name that nothing is served under, so that nobody learns what others serve."""
    answer, unknown = call(gateway, path=path), call(gateway, path=path.replace("theirs", "nobody"))

    assert (answer.status_code, unknown.status_code) == (404, 404)
    assert answer.text.replace("theirs", "nobody") == unknown.text


@pytest.mark.parametrize("path", ["/v2/models/flight-delay", "/v2/models/flight-delay/ready"])
def test_metadata_asks_for_a_token_too(gateway, path):
    assert call(gateway, "", path, "GET").status_code == 401
    assert call(gateway, "cp_narrow", path, "GET").status_code == 404
    assert call(gateway, SECRET, path, "GET").status_code == 200


@pytest.mark.parametrize("path", ["/v2/health/live", "/v2/health/ready", "/v2", "/openapi.json", "/ping"])
def test_health_and_the_description_are_open(gateway, path):
    assert call(gateway, "", path, "GET").status_code == 200


@pytest.mark.parametrize("path", ["/status", "/metrics"])
def test_what_operators_see_asks_for_their_token(gateway, path):
    assert call(gateway, "", path, "GET").status_code == 401
    assert call(gateway, SECRET, path, "GET").status_code == 401
    assert call(gateway, "operator-token-of-24-characters", path, "GET").status_code == 200


def test_limited_caller_is_told_when_to_come_back(gateway):
    first, second = call(gateway, "cp_slow"), call(gateway, "cp_slow")

    assert (first.status_code, second.status_code) == (200, 429)
    assert 90 < int(second.headers["retry-after"]) <= 100


def test_revoked_token_is_refused_while_others_go_on(gateway):  # T17
    assert call(gateway).status_code == 200

    gateway.admit(caller("cp_new", id=10), version=2)
    gateway.wait_until(lambda: call(gateway).status_code == 401)

    assert call(gateway, "cp_new").status_code == 200
    gateway.admit(caller(), caller("cp_slow", id=9, requests_per_s=0.01), version=3)
    gateway.wait_until(lambda: call(gateway).status_code == 200)


def test_last_use_and_the_list_in_force_are_reported(gateway):
    before = time.time()
    assert call(gateway).status_code == 200

    def reported():
        (state,) = gateway_states(gateway.spool_root, now=time.time())
        return state.callers.get(7, 0.0) >= before and state.callers_version > 0

    gateway.wait_until(reported)


def test_no_token_is_ever_written(gateway):
    call(gateway, "cp_wrong")
    call(gateway)

    written = [gateway.log, *(path for path in gateway.spool_root.rglob("*") if path.is_file())]
    for secret in (SECRET, "cp_wrong"):
        assert not [path for path in written if secret.encode() in path.read_bytes()]


def test_gateway_that_is_restarted_alone_knows_its_callers(tmp_path):  # F8
    gateway = RunningGateway(tmp_path, GATEWAY_AUTH="required")
    gateway.admit(caller())
    gateway.publish(make_table(make_route(make_boosted(tmp_path))), wait=False)
    gateway.start()
    try:
        gateway.kill()
        gateway.start()

        assert call(gateway).status_code == 200
        assert call(gateway, "cp_wrong").status_code == 401
    finally:
        gateway.stop()


def test_gateway_asks_for_tokens_unless_told_otherwise(tmp_path):
    with running_gateway(tmp_path, make_table(make_route(make_boosted(tmp_path))), GATEWAY_AUTH="") as gateway:
        assert gateway.infer().status_code == 401
        assert gateway.status()["callers"] == {"auth": "required", "version": 0, "error": None}
