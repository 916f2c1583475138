"""The demo's callers: real rows against a real gateway, shipped and counted."""

import os
import signal
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from urllib.parse import urlsplit

import msgspec
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.utils import timezone

from controlplane.demo.callers import Caller, Travellers
from controlplane.demo.inference import infer_body
from controlplane.demo.labels import LateLabels
from controlplane.demo.traffic import Traffic, replay
from controlplane.embedded import free_port
from monitoring import selectors
from monitoring.models import Label
from monitoring.predictions import lake
from monitoring.shipping import ship
from registry.models import Role
from tests.data_sets import make_data, make_trained_champion
from tests.factories import make_model, make_token
from tests.gateways import COLUMNS, flights, make_boosted, make_route, make_table, running_gateway

pytestmark = pytest.mark.django_db
INPUTS = [{"name": column.name, "type": column.type} for column in COLUMNS]


@pytest.fixture
def champion():
    model = make_model(name="flight-delay")
    rows, _ = flights()
    return make_trained_champion(model, make_data(model.team, rows.astype({"carrier": "str"})).digest, INPUTS)


def send(url, seconds, rate=100):
    """Call the gateway at ``url`` for some seconds, and return the caller."""
    stopping = threading.Event()
    threading.Timer(seconds, stopping.set).start()
    caller = Traffic(Caller(url, "flight-delay"), rate, stopping)
    caller.run()
    return caller


def test_rows_after_training_reach_gateway_lake_and_windows(champion, tmp_path):
    route = msgspec.structs.replace(make_route(make_boosted(tmp_path)), model_id=champion.model_id)
    settings.SPOOL_ROOT = tmp_path / "spool"
    with running_gateway(tmp_path, make_table(route)) as gateway:
        caller = send(gateway.url, seconds=1.5)
        gateway.stop()

    ship()

    sent = caller.total.total()
    assert sent == pytest.approx(150, abs=50)
    assert set(caller.total) == {200}
    counted = selectors.traffic(champion.model, now=timezone.now())
    assert (counted.last.counts.requests, counted.last.counts.errors) == (sent, 0)
    assert 0 < counted.last.p50_ms < 1000
    assert sum(counted.last.counts.scores) == sent
    asked = lake.latest_answers(
        model_id=champion.model_id, model="flight-delay", number=1, since=datetime(2026, 1, 1, tzinfo=UTC), limit=sent
    )
    replayed = [row["hour"] for row in replay(selectors.reference_of(champion))]
    assert [row["hour"] for row in reversed(asked.inputs)][:100] == replayed[:100]


def test_rows_after_training_are_replayed_in_an_order_that_is_not_that_of_time_and_always_the_same(champion):
    after = flights()[0].iloc[264:]["hour"].tolist()  # the data set's first full day after two thirds of its rows

    first, second = ([row["hour"] for row in replay(selectors.reference_of(champion))] for _ in range(2))

    assert first == second
    assert first != after
    assert sorted(first) == sorted(after)


def test_caller_backs_off_while_no_gateway_answers(champion):
    caller = send(f"http://127.0.0.1:{free_port()}", seconds=2)

    assert set(caller.total) == {0}
    assert caller.total[0] <= 3


def test_command_stops_on_sigterm_while_it_waits_for_a_champion():
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGTERM]).start()

    call_command("traffic", model=["nobody"])

    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("rate", [0, -1, 1001])
def test_command_refuses_a_rate_that_makes_no_sense(rate):
    with pytest.raises(CommandError):
        call_command("traffic", rate=rate)


@pytest.mark.django_db(transaction=True)
def test_outcomes_are_told_once_they_would_be_known(live_server):
    model = make_model(name="flight-delay")
    _, secret = make_token(model.team, Role.ENGINEER)
    labels = LateLabels(live_server.url, "flight-delay", secret, clock=3600)
    labels.note("known", {"block_minutes": 0}, 1)  # after two hours: two seconds of this clock
    labels.note("in the air", {"block_minutes": 60_000}, 0)

    labels.tell()
    assert labels.given == 0
    deadline = time.monotonic() + 30
    while not labels.given and time.monotonic() < deadline:
        labels.tell()

    [label] = Label.objects.all()
    assert (label.model, label.request_id, label.value) == (model, "known", 1)


@pytest.mark.django_db(transaction=True)
def test_outcomes_that_were_not_taken_are_told_again(live_server):
    model = make_model(name="flight-delay")
    _, secret = make_token(model.team, Role.ENGINEER)
    labels = LateLabels(f"http://127.0.0.1:{free_port()}", "flight-delay", secret, clock=1e9)
    labels.note("known", {}, 1)
    labels.tell()
    labels._address = labels._address.replace(urlsplit(labels._address).netloc, urlsplit(live_server.url).netloc)

    labels.tell()
    labels.tell()

    assert labels.given == Label.objects.count() == 1


def test_travellers_come_back_unevenly():
    travellers = Travellers(seed=5)
    asked = Counter(travellers.next() for _ in range(20_000))

    assert 8_000 < len(asked) < 16_000
    assert asked.most_common(1)[0][1] > 50
    assert [Travellers(seed=5).next() for _ in range(2)] == [Travellers(seed=5).next()] * 2


def test_missing_values_are_sent_as_null():
    [number, text] = infer_body(
        [{"name": "x", "type": "double"}, {"name": "c", "type": "string"}], {"x": float("nan"), "c": "AA"}
    )["inputs"]

    assert number == {"name": "x", "shape": [1], "datatype": "FP64", "data": [None]}
    assert text == {"name": "c", "shape": [1], "datatype": "BYTES", "data": ["AA"]}
