"""Requests that arrive together are predicted in one call, and each has its own answer, error and record."""

import asyncio
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from serving.batching import Batcher, predict
from serving.contract import read_segment, write_table
from serving.core import Core
from serving.exchange import Answer
from serving.fleet import Fleet
from serving.settings import Settings
from serving.spool import Spool
from tests.gateways import (
    as_columns,
    flights,
    infer_body,
    make_pipeline,
    make_route,
    make_table,
    pipeline,
    received,
    running_gateway,
)
from tests.loops import run

JSON = {b"content-type": b"application/json"}


class Batched:
    """A core with a pipeline behind a batcher; notes how many rows each call to the model has."""

    def __init__(self, snapshot, home, monkeypatch):
        self.spool = Spool(Settings(home / "table.json", home / "spool"))
        self.core = Core(self.spool)
        self.core.snapshot = snapshot
        self.threads = ThreadPoolExecutor(4)
        self.calls = []
        self.may_go = threading.Event()
        self.may_go.set()
        self.poison = "nothing"
        runtime = snapshot.routes["flight-delay"].servables[1].runtime
        answer = runtime.predict

        def watched(columns, rows):
            self.calls.append(rows)
            assert self.may_go.wait(30)
            if self.poison in columns[1]:
                raise RuntimeError("the model choked")
            return answer(columns, rows)

        monkeypatch.setattr(runtime, "predict", watched)

    def begin(self, row, request_id):
        body = json.dumps(infer_body(row, id=request_id)).encode()
        return self.core.begin("flight-delay", received(JSON, body, 0.0, time.perf_counter_ns()))

    async def ask(self, rows, batcher=None):
        """Ask for all rows in one turn of the event loop."""
        batcher = batcher or Batcher(self.core, self.threads)
        return await asyncio.gather(*(batcher.answer(self.begin(row, f"r{i}")) for i, row in enumerate(rows)))

    def records(self):
        found = [record for path in sorted(self.spool.folder.glob("0*")) for record in read_segment(path)]
        return {record.request_id: record for record in found}


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    home = tmp_path_factory.mktemp("served")
    write_table(make_table(make_route(make_pipeline(home))), home / "table.json")
    fleet = Fleet(home / "table.json", lambda snapshot: None)
    fleet.follow()
    return fleet.snapshot


@pytest.fixture
def batched(snapshot, tmp_path, monkeypatch):
    return Batched(snapshot, tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def rows():
    frame, _ = flights()
    return [dict(zip(frame.columns, values, strict=True)) for values in zip(*as_columns(frame), strict=True)]


def told(answer: Answer) -> dict:
    return json.loads(answer.body)


def test_what_arrives_in_one_turn_is_predicted_in_one_call(batched, rows):
    answers = run(batched.ask(rows[:16]))

    expected = pipeline().predict_proba(flights()[0][:16])[:, 1]
    assert batched.calls == [16]
    assert [told(answer)["id"] for answer in answers] == [f"r{i}" for i in range(16)]
    np.testing.assert_allclose([told(a)["outputs"][0]["data"][0] for a in answers], expected, rtol=1e-12)
    records = batched.records()
    assert len(records) == 16
    for i, answer in enumerate(answers):
        assert records[f"r{i}"].inputs == rows[i]
        assert records[f"r{i}"].outputs == {"probability": told(answer)["outputs"][0]["data"][0]}


def test_what_arrives_during_a_call_goes_into_the_next(batched, rows):
    async def ask():
        batcher = Batcher(batched.core, batched.threads)
        batched.may_go.clear()
        first = asyncio.ensure_future(batched.ask(rows[:1], batcher))
        while not batched.calls:
            await asyncio.sleep(0.001)
        others = [asyncio.ensure_future(batched.ask([row], batcher)) for row in rows[1:6]]
        await asyncio.sleep(0.01)
        batched.may_go.set()
        await asyncio.gather(first, *others)

    run(ask())

    assert batched.calls == [1, 5]


def test_row_that_fails_fails_alone(batched, rows):
    batched.poison = 7.5
    bad = rows[1] | {"distance": 7.5}

    good, refused, other = run(batched.ask([rows[0], bad, rows[2]]))

    assert [good.status, refused.status, other.status] == [200, 500, 200]
    assert batched.calls == [3, 1, 1, 1]
    assert [batched.records()[f"r{i}"].status for i in range(3)] == [200, 500, 200]
    assert batched.records()["r1"].outputs == {}


def test_call_holds_no_more_rows_than_it_may(batched, rows, monkeypatch):
    monkeypatch.setattr("serving.batching.MOST_ROWS", 4)

    answers = run(batched.ask(rows[:10]))

    assert batched.calls == [4, 4, 2]
    assert {answer.status for answer in answers} == {200}


def test_request_of_many_rows_shares_a_call_and_gets_its_own(batched, rows):
    def many(chosen, request_id):
        columns = {name: [row[name] for row in chosen] for name in chosen[0]}
        body = infer_body()
        for tensor in body["inputs"]:
            tensor |= {"data": columns[tensor["name"]], "shape": [len(chosen)]}
        data = json.dumps(body | {"id": request_id}).encode()
        return batched.core.begin("flight-delay", received(JSON, data, 0.0, 0))

    calls = [batched.begin(rows[0], "a"), many(rows[1:4], "b"), batched.begin(rows[4], "c")]

    expected = pipeline().predict_proba(flights()[0][:5])[:, 1].tolist()
    predicted = predict(calls)
    assert [len(values) for values in predicted] == [1, 3, 1]
    np.testing.assert_allclose([value for values in predicted for value in values], expected, rtol=1e-12)
    assert batched.calls == [5]


def test_caller_that_goes_away_holds_up_nobody(batched, rows):
    async def ask():
        batcher = Batcher(batched.core, batched.threads)
        gone = batcher.answer(batched.begin(rows[0], "gone"))
        stays = batcher.answer(batched.begin(rows[1], "stays"))
        gone.cancel()
        return await stays

    assert run(ask()).status == 200


def test_gateway_answers_many_at_once_as_it_would_alone(tmp_path, rows):
    expected = pipeline().predict_proba(flights()[0][:64])[:, 1]

    with running_gateway(tmp_path, make_table(make_route(make_pipeline(tmp_path)))) as gateway:
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda row: gateway.infer(body=infer_body(row)), rows[:64]))
        gateway.stop()
        records = [r for path in gateway.spool_root.rglob("*.segment") for r in read_segment(path)]

    np.testing.assert_allclose([a.json()["outputs"][0]["data"][0] for a in answers], expected, rtol=1e-12)
    assert sorted(r.request_id for r in records) == sorted(a.json()["id"] for a in answers)
