"""The demo's callers: real rows in order of time, against a real gateway, shipped and counted."""

import os
import signal
import threading
from datetime import UTC, datetime

import msgspec
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.utils import timezone

from controlplane.demo.inference import infer_body
from controlplane.demo.traffic import Traffic
from controlplane.embedded import free_port
from monitoring import lake, selectors
from monitoring.shipping import ship
from tests.data_sets import make_data, make_trained_champion
from tests.factories import make_model
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
    caller = Traffic(url, "flight-delay", rate, stopping)
    caller.run()
    return caller


def test_rows_after_training_reach_gateway_lake_and_windows(champion, tmp_path):
    route = msgspec.structs.replace(make_route(make_boosted(tmp_path)), model_id=champion.model_id)
    settings.SPOOL_ROOT = tmp_path / "spool"
    with running_gateway(tmp_path, make_table(route)) as gateway:
        caller = send(gateway.url, seconds=1.5)
        gateway.stop()

    ship()

    sent = caller.answers.total()
    assert sent == pytest.approx(150, abs=50)
    assert set(caller.answers) == {200}
    counted = selectors.traffic(champion.model, now=timezone.now())
    assert (counted.last.counts.requests, counted.last.counts.errors) == (sent, 0)
    assert 0 < counted.last.p50_ms < 1000
    assert sum(counted.last.counts.scores) == sent
    asked = lake.latest_inputs(
        model_id=champion.model_id, model="flight-delay", number=1, since=datetime(2026, 1, 1, tzinfo=UTC), limit=sent
    )
    rows = flights()[0].iloc[264:]  # the data set's first full day after two thirds of its rows
    assert [row["hour"] for row in reversed(asked)][:100] == rows["hour"].tolist()[:100]


def test_caller_backs_off_while_no_gateway_answers(champion):
    caller = send(f"http://127.0.0.1:{free_port()}", seconds=2)

    assert set(caller.answers) == {0}
    assert caller.answers[0] <= 3


def test_command_stops_on_sigterm_while_it_waits_for_a_champion():
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGTERM]).start()

    call_command("traffic", model="nobody")

    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("rate", [0, -1, 1001])
def test_command_refuses_a_rate_that_makes_no_sense(rate):
    with pytest.raises(CommandError):
        call_command("traffic", rate=rate)


def test_missing_values_are_sent_as_null():
    [number, text] = infer_body(
        [{"name": "x", "type": "double"}, {"name": "c", "type": "string"}], {"x": float("nan"), "c": "AA"}
    )["inputs"]

    assert number == {"name": "x", "shape": [1], "datatype": "FP64", "data": [None]}
    assert text == {"name": "c", "shape": [1], "datatype": "BYTES", "data": ["AA"]}
