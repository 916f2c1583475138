"""Several workers of one gateway: whoever is scraped tells what all counted, and connections are shared out evenly."""

import asyncio
import re
import socket
import time

import httpx
import psutil
import pytest

from serving.accepting import Acceptor, Counts
from serving.connections import Connections
from serving.exposition import text
from serving.metrics import Gauges, Metrics
from serving.settings import Settings
from serving.siblings import GONE_S, Seat, Siblings
from tests.gateways import make_boosted, make_route, make_table, running_gateway
from tests.loops import run
from tests.test_serving_wire import workers_of

ARM = ("flight-delay", 1, "champion")
GAUGES = Gauges(
    in_flight=1, spool_bytes=10, spool_limit_bytes=100, table_version=3, table_age_s=5.0, confirmed_age_s=None,
    callers_version=2, loaded=[("flight-delay", 1)], cold_versions=0, memory_bytes=7, memory_limit_bytes=50,
    memory_excess=False, refused_versions=0,
)  # fmt: skip


class Process:
    """The numbers of one worker."""

    def __init__(self, folder, number=0):
        self.metrics = Metrics()
        self.siblings = Siblings(lambda: (self.metrics.counts({"rate": 1}, 2), GAUGES), Seat(folder, number))

    def answer(self, times):
        for _ in range(times):
            self.metrics.observe(ARM, 200, 70)


def number_in(told, name):
    """The sum of a metric's samples."""
    text = told if isinstance(told, str) else told.decode()
    return sum(float(value) for value in re.findall(rf"^{re.escape(name)}\S* (\S+)$", text, re.MULTILINE))


def test_each_process_tells_what_all_counted(tmp_path):
    one, two = Process(tmp_path, 0), Process(tmp_path, 1)
    one.answer(3)
    two.answer(4)
    two.siblings.publish()

    told = one.siblings.text()

    assert number_in(told, "gateway_requests_total") == 7
    assert (
        number_in(told, 'gateway_latency_seconds_bucket{model="flight-delay",version="1",arm="champion",le="0.0001"')
        == 7
    )
    assert number_in(told, "gateway_latency_seconds_sum") == pytest.approx(490e-6)
    assert (number_in(told, "gateway_limited_total"), number_in(told, "gateway_records_dropped_total")) == (2, 4)
    assert (number_in(told, "gateway_in_flight_requests"), number_in(told, "gateway_loaded_version")) == (2, 2)
    assert (number_in(told, "gateway_processes"), number_in(told, "gateway_table_version")) == (2, 3)


def test_what_a_dead_process_told_is_counted_on_by_the_next_in_its_place(tmp_path):
    dead = Process(tmp_path)
    dead.answer(5)
    dead.siblings.text()
    dead.answer(1)  # which nobody was told
    Process(tmp_path, 1).siblings.publish()

    heir = Process(tmp_path)
    heir.answer(2)

    assert number_in(heir.siblings.text(), 'gateway_requests_total{model="flight-delay"') == 7


def test_process_that_is_silent_holds_nothing_and_its_counts_stay(tmp_path, monkeypatch):
    silent, alive = Process(tmp_path, 0), Process(tmp_path, 1)
    silent.answer(3)
    silent.siblings.publish()
    now = time.time
    monkeypatch.setattr("serving.siblings.time.time", lambda: now() + GONE_S + 1)

    told = alive.siblings.text()

    assert number_in(told, "gateway_requests_total") == 3
    assert number_in(told, "gateway_processes") == 1


def test_each_process_describes_the_others_while_they_live(tmp_path, monkeypatch):
    one = Siblings(lambda: (Metrics().counts(), GAUGES), Seat(tmp_path, 0), describe=lambda: {"spool_id": "one"})
    two = Siblings(lambda: (Metrics().counts(), GAUGES), Seat(tmp_path, 1), describe=lambda: {"spool_id": "two"})
    one.publish()
    two.publish()

    assert [(told["spool_id"], told["told_s_ago"] < GONE_S) for told in one.others()] == [("two", True)]
    assert [told["spool_id"] for told in two.others()] == ["one"]
    now = time.time
    monkeypatch.setattr("serving.siblings.time.time", lambda: now() + GONE_S + 1)
    assert one.others() == []


def test_process_that_is_alone_writes_no_file(tmp_path):
    metrics = Metrics()
    metrics.observe(ARM, 200, 70)
    alone = Siblings(lambda: (metrics.counts(), GAUGES))

    alone.publish_if_due()

    assert number_in(alone.text(), "gateway_requests_total") == 1
    assert alone.others() == []
    assert not list(tmp_path.iterdir())


def test_workers_that_differ_are_told_by_the_last_of_them():
    behind = Gauges(
        in_flight=0, spool_bytes=30, spool_limit_bytes=100, table_version=2, table_age_s=60.0, confirmed_age_s=4.0,
        callers_version=1, loaded=[], cold_versions=2, memory_bytes=1, memory_limit_bytes=50, memory_excess=True,
        refused_versions=1,
    )  # fmt: skip

    told = text(Metrics().counts(), [GAUGES, behind])

    expected = {"table_version": 2, "table_age_seconds": 60, "table_confirmed_seconds": 4, "callers_version": 1, "spool_bytes": 30,
                "model_memory_bytes": 8, "model_memory_limit_bytes": 100, "model_memory_exceeded": 1, "refused_versions": 1}  # fmt: skip
    assert {name: number_in(told, f"gateway_{name}") for name in expected} == expected


def test_place_that_nobody_fills_is_left_no_connection(tmp_path):
    counts = Counts.make(Seat(tmp_path, 0), 3)
    Counts(Seat(tmp_path, 1)).tell(4)

    assert not counts.has_more(4)
    assert counts.has_more(5)
    counts.vacate(1)
    assert not counts.has_more(1000)


def test_who_holds_more_connections_leaves_the_next_to_another_and_takes_it_if_nobody_comes(tmp_path):
    counts = Counts.make(Seat(tmp_path, 0), 2)
    Counts(Seat(tmp_path, 1)).tell(0)  # of a sibling that never comes
    left = []

    async def connect_twice():
        listener = socket.create_server(("127.0.0.1", 0))
        connections = Connections(None, Settings(tmp_path / "table.json", tmp_path / "spool"))
        acceptor = Acceptor(listener, connections, counts)
        pause = acceptor._pause
        acceptor._pause = lambda seconds: (left.append(len(connections.open)), pause(seconds))
        acceptor.start()
        callers = []
        for held in (1, 2):
            callers.append(await asyncio.open_connection(*listener.getsockname()))
            async with asyncio.timeout(30):
                while len(connections.open) < held:
                    await asyncio.sleep(0.01)
        held = counts._all[0]
        callers[0][1].close()
        async with asyncio.timeout(30):
            while counts._all[0] == held:
                await asyncio.sleep(0.01)
        after = counts._all[0]
        callers[1][1].close()
        acceptor.stop()
        return held, after

    assert run(connect_twice()) == (2, 1)
    assert left == [1]
    assert counts._all[0] > 1000  # who stops wants none


@pytest.fixture
def pair(tmp_path):
    with running_gateway(tmp_path, make_table(make_route(make_boosted(tmp_path))), GATEWAY_WORKERS="2") as gateway:
        gateway.wait_until(lambda: scrape(gateway, "gateway_loaded_version") == 2)
        yield gateway


def scrape(gateway, name="gateway_requests_total"):
    """The sum as whichever worker takes a new connection tells it."""
    return number_in(httpx.get(f"{gateway.url}/metrics", timeout=30).text, name)


def ask(gateway, connections):
    """Ask once on each of so many connections at the same time; return how many the workers hold."""
    clients = [httpx.Client(base_url=gateway.url, timeout=30) for _ in range(connections)]
    for client in clients:
        assert client.get("/v2/health/ready").status_code == 200
    for _ in range(3):
        for client in clients:
            gateway.client = client
            assert gateway.infer().status_code == 200
    held = [
        sum(c.status == "ESTABLISHED" and c.laddr.port == gateway.port for c in worker.net_connections("tcp"))
        for worker in workers_of(gateway)
    ]
    for client in clients:
        client.close()
    return held


def test_two_workers_share_connections_and_count_together_through_the_death_of_one(pair):
    held = ask(pair, 12)

    assert sum(held) >= 12
    assert min(held) >= 4
    pair.wait_until(lambda: scrape(pair) == 36)
    assert [scrape(pair) for _ in range(10)] == [36] * 10
    told = httpx.get(f"{pair.url}/status", timeout=30).json()
    [other] = told.pop("others")
    assert {told["spool_id"], other["spool_id"]} == {path.parent.name for path in pair.spool_root.glob("*/state.json")}
    assert other["models"] == told["models"]
    dead, _ = workers_of(pair)
    dead.kill()
    psutil.wait_procs([dead], timeout=30)
    assert [scrape(pair) for _ in range(10)] == [36] * 10
    pair.wait_until(lambda: scrape(pair, "gateway_loaded_version") == 2 and dead not in workers_of(pair))
    ask(pair, 4)
    pair.wait_until(lambda: scrape(pair) == 48)
