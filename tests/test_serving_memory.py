"""Several versions in one process: what stays, what goes cold within the memory allowed, and what comes back."""

import msgspec
import pytest

from serving.artifacts import ArtifactError
from serving.contract import Arm, write_table
from serving.core import Core
from serving.fleet import Fleet
from serving.loading import measure
from serving.settings import Settings
from serving.spool import Spool
from tests.gateways import infer_body, make_artifact, make_boosted, make_route, make_table, received, running_gateway

JSON = {b"content-type": b"application/json"}
SIZE = 1000  # of each version below, as its trial says


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    home = tmp_path_factory.mktemp("versions")
    return [make_boosted(home, number, number) for number in (1, 2, 3, 4, 5)]


@pytest.fixture
def measured(monkeypatch):
    """The numbers of the versions whose trial was run."""
    seen = []
    monkeypatch.setattr("serving.fleet.least_bytes", lambda version: 1)
    monkeypatch.setattr("serving.fleet.measure", lambda version: seen.append(version.number) or SIZE)
    return seen


class Followed:
    """A fleet under a memory limit, and the core before it."""

    def __init__(self, home, limit):
        self.path = home / "table.json"
        self.core = Core(Spool(Settings(self.path, home / "spool")))
        self.fleet = Fleet(
            self.path, lambda snapshot: setattr(self.core, "snapshot", snapshot), memory_bytes=limit
        )  # fmt: skip
        self._version = 0

    def publish(self, *routes):
        self._version += 1
        write_table(make_table(*routes, version=self._version), self.path)
        self.fleet.follow()

    def ask(self, number, at):
        answer = self.core.infer(
            f"flight-delay/versions/{number}", received(JSON, msgspec.json.encode(infer_body()), at, 0)
        )
        return answer.status, dict(answer.headers).get(b"retry-after"), answer.body.decode()

    @property
    def warm(self):
        return sorted(version.number for version in self.fleet.snapshot.loaded())

    @property
    def cold(self):
        return sorted(version.number for version in self.fleet.snapshot.cold())

    @property
    def memory(self):
        return self.fleet.snapshot.memory


def route(versions, champion, *, standby=(), arms=None):
    newest_first = sorted(versions, key=lambda version: -version.number)
    listed = sorted(newest_first, key=lambda version: version.number != champion)
    return msgspec.structs.replace(make_route(*listed, arms=arms), standby=list(standby))


def test_what_no_arm_needs_goes_cold_within_the_memory(tmp_path, versions, measured):
    followed = Followed(tmp_path, 3 * SIZE)

    followed.publish(route(versions, 5, standby=[4]))

    assert (followed.warm, followed.cold) == ([3, 4, 5], [1, 2])
    assert followed.memory == (3 * SIZE, 3 * SIZE, "")
    assert followed.fleet.snapshot.is_ready


def test_without_a_limit_all_stay(tmp_path, versions, measured):
    followed = Followed(tmp_path, 0)

    followed.publish(route(versions, 5))

    assert (followed.warm, followed.cold) == ([1, 2, 3, 4, 5], [])
    assert followed.memory == (5 * SIZE, 0, "")


def test_cold_version_is_loaded_for_who_asks_and_the_least_recently_used_goes(tmp_path, versions, measured):
    followed = Followed(tmp_path, 4 * SIZE)
    followed.publish(route(versions[:4], 4, standby=[3]))
    assert followed.warm == [1, 2, 3, 4]
    followed.publish(route(versions, 4, standby=[3]))
    assert followed.ask(2, at=10.0)[0] == 200
    assert followed.ask(1, at=20.0)[0] == 200

    first = followed.ask(5, at=30.0)
    followed.fleet.follow()
    second = followed.ask(5, at=31.0)

    assert first[:2] == (503, b"1")
    assert "flight-delay version 5 was not in memory and is being loaded; ask again" in first[2]
    assert second[0] == 200
    assert (followed.warm, followed.cold) == ([1, 3, 4, 5], [2])
    assert followed.memory.bytes == 4 * SIZE


def test_version_that_was_measured_is_not_tried_in_a_child_again(tmp_path, versions, measured):
    followed = Followed(tmp_path, 2 * SIZE)
    followed.publish(route(versions[:3], 3))
    measured.clear()

    for number in (1, 2, 1, 2):
        followed.ask(number, at=1.0)
        followed.fleet.follow()
        assert followed.ask(number, at=2.0)[0] == 200

    assert measured == [1]


def test_version_changed_while_it_was_cold_is_refused(tmp_path, measured):  # T9
    versions = [make_boosted(tmp_path, number, number) for number in (1, 2, 3)]
    followed = Followed(tmp_path, 2 * SIZE)
    followed.publish(route(versions, 3))
    assert followed.cold == [1]
    (tmp_path / "v1/model.lgb").write_bytes(b"tree\nevil")

    followed.ask(1, at=1.0)
    followed.fleet.follow()

    assert [refused.number for refused in followed.fleet.snapshot.refused] == [1]
    assert "is not loaded; see /status" in followed.ask(1, at=2.0)[2]


def test_version_that_can_never_fit_says_so_and_displaces_nobody(tmp_path, versions, monkeypatch):
    monkeypatch.setattr("serving.fleet.least_bytes", lambda version: 1)
    monkeypatch.setattr("serving.fleet.measure", lambda version: 10 * SIZE if version.number == 1 else SIZE)
    followed = Followed(tmp_path, 3 * SIZE)
    followed.publish(route(versions[:3], 3, standby=[2]))

    followed.ask(1, at=1.0)
    followed.fleet.follow()
    status, retry, body = followed.ask(1, at=2.0)

    assert (status, retry) == (503, b"60")
    assert f"takes {10 * SIZE} bytes or more, for which MODEL_MEMORY_BYTES leaves no room" in body
    assert followed.warm == [2, 3]


def test_arms_and_the_former_champion_stay_whatever_they_take_and_that_is_told(tmp_path, versions, measured, caplog):
    followed = Followed(tmp_path, SIZE)
    arms = [Arm("champion", 5, 9_000), Arm("canary", 4, 1_000), Arm("shadow", 3, 10_000)]

    followed.publish(route(versions, 5, standby=[2], arms=arms))

    assert (followed.warm, followed.cold) == ([2, 3, 4, 5], [1])
    assert followed.memory == (
        4 * SIZE, SIZE, f"what has to stay loaded takes {4 * SIZE} bytes, more than MODEL_MEMORY_BYTES ({SIZE}) allows"
    )  # fmt: skip
    assert sum("nothing is unloaded" in line for line in caplog.messages) == 1


def test_new_arm_takes_the_room_of_what_is_idle(tmp_path, versions, measured):
    followed = Followed(tmp_path, 3 * SIZE)
    followed.publish(route(versions[:3], 3))
    assert followed.warm == [1, 2, 3]
    followed.ask(1, at=5.0)

    arms = [Arm("champion", 3, 9_000), Arm("canary", 4, 1_000)]
    followed.publish(route(versions[:4], 3, arms=arms))

    assert (followed.warm, followed.cold) == ([1, 3, 4], [2])


def test_rollback_switches_without_a_load(tmp_path, versions, measured, monkeypatch):
    followed = Followed(tmp_path, SIZE)
    followed.publish(route(versions, 2, standby=[1]))
    before = followed.fleet.snapshot.routes["flight-delay"].servables[1]

    def never(*_):
        raise AssertionError("a rollback has to find its version in memory")

    for name in ("load", "measure"):
        monkeypatch.setattr(f"serving.fleet.{name}", never)
    followed.publish(route(versions, 1, standby=[2]))

    loaded = followed.fleet.snapshot.routes["flight-delay"]
    assert (loaded.route.arms[0].number, loaded.servables[1]) == (1, before)
    assert followed.warm == [1, 2]


def test_version_that_answers_until_its_successor_is_sound_is_not_let_go(tmp_path, versions, measured):
    followed = Followed(tmp_path, 2 * SIZE)
    followed.publish(route(versions[:2], 2))
    broken = make_artifact(tmp_path / "v9", "model.lgb", b"no tree", number=9)

    followed.publish(route([broken, *versions[1:4]], 9))
    followed.ask(4, at=1.0)
    followed.ask(3, at=1.0)
    followed.fleet.follow()

    assert followed.fleet.snapshot.routes["flight-delay"].route.arms[0].number == 2
    assert 2 in followed.fleet.snapshot.routes["flight-delay"].servables
    assert followed.core.infer("flight-delay", received(JSON, msgspec.json.encode(infer_body()), 0.0, 0)).status == 200


def test_trial_measures_memory(tmp_path):
    small, large = make_boosted(tmp_path, 1, 5), make_boosted(tmp_path, 2, 3000)

    assert measure(small) >= small.manifest[0].size
    assert measure(large) > 5 * measure(small)
    with pytest.raises(ArtifactError):
        measure(make_artifact(tmp_path / "v3", "model.lgb", b"no tree"))


def test_gateway_loads_what_is_cold_while_it_answers_others_and_says_what_it_holds(tmp_path):
    versions = [make_boosted(tmp_path, number, 500) for number in (1, 2, 3)]
    size = measure(versions[0])

    with running_gateway(tmp_path, make_table(route(versions, 3)), MODEL_MEMORY_BYTES=str(int(2.2 * size))) as gateway:
        gateway.wait_for("/status", lambda answer: len(answer.json()["models"]["flight-delay"]["loaded"]) == 2)
        told, metrics = gateway.status(), gateway.client.get("/metrics").text
        refused, answered = gateway.infer("flight-delay/versions/1"), gateway.infer()
        gateway.wait_until(lambda: gateway.infer("flight-delay/versions/1").status_code == 200)
        then = gateway.status()

    def held(status):
        model = status["models"]["flight-delay"]
        return [v["version"] for v in model["loaded"]], [v["version"] for v in model["cold"]]

    assert (held(told), held(then)) == (([3, 2], [1]), ([3, 1], [2]))
    assert told["memory"]["limit_bytes"] == int(2.2 * size)
    assert told["memory"]["limit_bytes"] >= told["memory"]["bytes"] > size
    assert f"gateway_model_memory_bytes {told['memory']['bytes']}\n" in metrics
    assert "gateway_cold_versions 1\n" in metrics
    assert (refused.status_code, refused.headers["retry-after"], answered.status_code) == (503, "1", 200)
