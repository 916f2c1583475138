"""The core's stages: what a caller between them (a batcher, a thread) may rely on."""

import json
import time

import pytest

from serving.calls import Call
from serving.exchange import Answer
from tests.gateways import ROW, infer_body, probability, received
from tests.test_serving_requests import JSON, Harness


@pytest.fixture
def harness(tmp_path):
    harness = Harness(tmp_path)
    yield harness
    harness.spool.close()


def begin(harness, body):
    return harness.core.begin(
        "flight-delay/versions/1", received(JSON, json.dumps(body).encode(), 1000.25, time.perf_counter_ns())
    )


def test_calls_that_are_predicted_together_are_answered_each_its_own(harness):
    rows = [ROW, ROW | {"carrier": "UA"}, ROW | {"hour": 3}]
    calls = [begin(harness, infer_body(row, id=f"r-{i}")) for i, row in enumerate(rows)]

    runtime = calls[0].servable.runtime
    values = runtime.predict([list(column) for column in zip(*(call.row for call in calls), strict=True)], len(calls))
    answers = [harness.core.finish(call, [value]) for call, value in zip(calls, values, strict=True)]

    told = [json.loads(answer.body) for answer in answers]
    assert [t["id"] for t in told] == ["r-0", "r-1", "r-2"]
    assert [t["outputs"][0]["data"] for t in told] == [[probability(row)] for row in rows]
    assert [(r.request_id, r.inputs) for r in harness.records()] == [(f"r-{i}", row) for i, row in enumerate(rows)]


def test_refused_request_never_becomes_a_call(harness):
    answer = begin(harness, infer_body({"hour": 1}))

    assert isinstance(answer, Answer)
    assert answer.status == 400
    assert [r.status for r in harness.records()] == [400]


def test_failed_prediction_is_answered_500_and_recorded_once(harness):
    call = begin(harness, infer_body(id="r-9"))
    assert isinstance(call, Call)

    answer = harness.core.fail(call, RuntimeError("the model's inside"))

    assert (answer.status, b"inside" in answer.body) == (500, False)
    assert [(r.request_id, r.status) for r in harness.records()] == [("r-9", 500)]
