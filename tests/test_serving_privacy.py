"""Sensitive values never reach a disk: not in records, not in what is said of refusals, not in the gateway's own log."""

import dataclasses
import json
import logging
import struct
import time

import msgspec
import pytest

from serving.contract import HASHED, MASKED, Arm, read_segment, write_table
from serving.core import Core
from serving.fleet import Fleet
from serving.invocations import MLFLOW
from serving.privacy import WITHHELD, Privacy, mask
from serving.settings import Settings
from serving.spool import Spool
from tests.gateways import ROW, infer_body, make_boosted, make_route, make_table, probability, received

JSON = {b"content-type": b"application/json"}
KEY = "a key that all gateways share"
SECRET = {**ROW, "distance": 0.123456789}
PACKED = struct.pack(">d", SECRET["distance"])  # as MessagePack holds it
CARD = "4111-1111-1111-1234"


class Harness:
    """A core with one model, whose log is kept free of some columns, and the bytes that it leaves on disk."""

    def __init__(self, home, sensitive, key=KEY):
        self.settings = Settings(home / "table.json", home / "spool")
        self.version = make_boosted(home, 1, 20)
        self.spool = Spool(self.settings)
        self.core = Core(self.spool)
        path = self.settings.routing_table_path
        self.fleet = Fleet(path, lambda snapshot: setattr(self.core, "snapshot", snapshot), log_key=key)
        self.published = 0
        self.publish(sensitive)

    def publish(self, sensitive, *others, **fields):
        self.published += 1
        route = msgspec.structs.replace(make_route(self.version, *others, **fields), sensitive=sensitive)
        write_table(make_table(route, version=self.published), self.settings.routing_table_path)
        self.fleet.refresh()

    def post(self, body, **options):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = self.core.infer("flight-delay", received(JSON, data, 1000.0, time.perf_counter_ns()), **options)
        return answer.status, json.loads(answer.body)

    def on_disk(self):
        return b"".join(path.read_bytes() for path in sorted(self.spool.folder.iterdir()) if path.name[0] == "0")

    def records(self):
        return [record for path in sorted(self.spool.folder.glob("0*")) for record in read_segment(path)]


@pytest.fixture
def make(tmp_path):
    made = []

    def harness(sensitive, **options):
        made.append(Harness(tmp_path, sensitive, **options))
        return made[-1]

    yield harness
    for each in made:
        each.spool.close()


def test_the_model_sees_the_true_value_and_the_disk_never_does(make):
    harness = make({"distance": "drop", "carrier": "hash", "hour": "mask"})
    matrix = {"dataframe_records": [SECRET, SECRET]}

    status, answer = harness.post(infer_body(SECRET))
    _, predictions = harness.post(matrix, dialect=MLFLOW)

    expected = probability(SECRET)
    assert (status, answer["outputs"][0]["data"]) == (200, [expected])
    assert predictions == {"predictions": [expected, expected]}
    assert PACKED not in harness.on_disk()
    first, *others = [record.inputs for record in harness.records()]
    assert others == [first, first]
    assert first.keys() == {"carrier", "hour", "wet"}
    assert first["carrier"].startswith(HASHED)
    assert (first["hour"], first["wet"]) == (MASKED, True)


def test_without_a_policy_the_value_is_there(make):
    harness = make({})
    harness.post(infer_body(SECRET))

    assert PACKED in harness.on_disk()


def test_hashes_join_within_a_column_alone(make):
    def hashed(value, column="carrier", model_id=1, key=KEY):
        route = msgspec.structs.replace(make_route(harness.version, model_id=model_id), sensitive={column: "hash"})
        return Privacy(route, key).withhold({column: [value]})[column][0]

    harness = make({})

    assert hashed("AA") == hashed("AA")
    others = [hashed("B6"), hashed("AA", "wet"), hashed("AA", model_id=2), hashed("AA", key="other"), hashed(1.0)]
    assert len({hashed("AA"), *others}) == 6
    assert hashed(None) is None


def test_without_a_key_values_that_should_be_hashed_are_dropped(make, caplog):
    harness = make({"carrier": "hash"}, key="")
    harness.post(infer_body())

    assert "carrier" not in harness.records()[0].inputs
    assert "LOG_HASH_KEY is not set" in caplog.text


@pytest.mark.parametrize(
    ("value", "masked"),
    [(CARD, "•••1234"), ("short", "•••"), (17, "•••"), (0.5, "•••"), (True, "•••")],
)
def test_mask(value, masked):
    assert mask(value) == masked


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({**ROW, "carrier": CARD}, f"column carrier, row 0: {WITHHELD}"),
        ({**ROW, "hour": CARD}, f"column hour, row 0: {WITHHELD}"),
        ({**ROW, CARD: 1.0}, WITHHELD),  # a CSV without its first line names columns by values
    ],
)
def test_what_is_recorded_of_a_refusal_quotes_nobody(make, row, said):
    harness = make({"distance": "drop"})

    status, answer = harness.post({"dataframe_records": [row]}, dialect=MLFLOW)

    assert status == 400
    assert CARD in answer["message"]  # who sent it may read it
    assert [(record.status, record.error) for record in harness.records()] == [(400, said)]
    assert CARD.encode() not in harness.on_disk()


def test_the_gateways_own_log_quotes_nobody_either(make, caplog):
    harness = make({"distance": "drop"})
    loaded = harness.core.snapshot.targets["flight-delay"].route

    class Broken:
        slow = False

        def predict_row(self, row):
            raise ValueError(f"cannot digest {row}")

    loaded.servables[1] = dataclasses.replace(loaded.servables[1], runtime=Broken())
    with caplog.at_level(logging.ERROR):
        status, _ = harness.post(infer_body(SECRET))

    assert status == 500
    assert "ValueError" in caplog.text
    assert "predict_row" in caplog.text
    assert str(SECRET["distance"]) not in caplog.text


def test_a_changed_policy_holds_with_the_next_table_even_where_its_versions_cannot_be_loaded(make):
    harness = make({})
    missing = msgspec.structs.replace(harness.version, number=2, folder="/nowhere")

    harness.publish({"distance": "drop"}, missing, arms=[Arm("champion", 2, 10_000)], aliases={"champion": 2})
    status, _ = harness.post(infer_body(SECRET))

    assert status == 200  # by the version of before
    assert PACKED not in harness.on_disk()
