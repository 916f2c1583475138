"""Shadow versions: asked off the path, recorded beside the champion, and never in anybody's way."""

import asyncio
import json
import threading
import time

import pytest

from serving.contract import (
    Arm,
    Column,
    RoutingTableError,
    check_table,
    gateway_states,
    key_hash,
    mirrors,
    read_segment,
    write_table,
)
from serving.shadow import Shadow
from tests.gateways import (
    COLUMNS,
    ROW,
    boosted,
    infer_body,
    make_artifact,
    make_boosted,
    make_pipeline,
    make_route,
    make_table,
    probability,
    running_gateway,
)
from tests.loops import run
from tests.test_serving_requests import JSON, Harness

ALL = [Arm("champion", 1, 9_000), Arm("canary", 2, 1_000), Arm("shadow", 2, 10_000)]


def keys(arm, count):
    """Keys that the arm answers."""
    found = (
        k
        for k in (f"key-{i}" for i in range(10_000))
        if (key_hash("model-1", k) * 10_000 >> 64 < 9_000) == (arm == "champion")
    )
    return [next(found) for _ in range(count)]


class Shadowed(Harness):
    """A champion (20 trees), a canary, and a shadow (5 trees) that is asked all that routing answers."""

    def __init__(self, home, arms=ALL, versions=(), most_rows=100):
        super().__init__(home)
        versions = versions or [make_boosted(home, 1, 20), make_boosted(home, 2, 5)]
        write_table(make_table(make_route(*versions, arms=arms), version=8), self.settings.routing_table_path)
        self.fleet.follow()
        self.shadow = Shadow(self.spool, self.core.metrics, most_rows=most_rows)
        self.core.mirror = self.shadow.mirror

    def close(self):
        """Let the shadow finish; return the champion's and the shadow's records by request id."""
        self.shadow.close()
        by_arm = {}
        for record in self.records():
            by_arm.setdefault(record.arm, {}).setdefault(record.request_id, []).append(record)
        return by_arm.get("champion", {}), by_arm.get("shadow", {})


def ask(harness, key, body=None):
    return harness.post(body or infer_body(id=f"r-{key}"), headers=JSON | {b"x-route-key": key.encode()})[0]


def test_shadow_answers_the_same_request_and_is_recorded_beside_it(tmp_path):
    harness = Shadowed(tmp_path)
    (key,) = keys("champion", 1)

    assert ask(harness, key) == 200
    answered, shadowed = harness.close()

    ((own,), (copy,)) = answered[f"r-{key}"], shadowed[f"r-{key}"]
    assert (own.number, own.outputs) == (1, {"probability": probability(trees=20)})
    assert (copy.number, copy.outputs) == (2, {"probability": probability(trees=5)})
    assert (copy.inputs, copy.at, copy.key_hash, copy.table_version) == (own.inputs, own.at, own.key_hash, 8)
    assert (copy.weight_bp, copy.status, copy.pinned) == (10_000, 200, False)
    assert (own.shadows, copy.shadows) == ((2,), ())
    assert b'gateway_shadow_total{model="flight-delay",version="2",outcome="answered"} 1' in harness.told()


def test_batch_is_shadowed_row_by_row(tmp_path):
    harness = Shadowed(tmp_path)
    (key,) = keys("champion", 1)
    body = infer_body(id="many")
    for tensor in body["inputs"]:
        tensor["shape"], tensor["data"] = [3], tensor["data"] * 3

    assert ask(harness, key, body) == 200

    _, shadowed = harness.close()
    assert [(r.row, r.outputs) for r in shadowed["many"]] == [
        (i, {"probability": probability(trees=5)}) for i in range(3)
    ]


def test_shadow_sees_only_what_routing_answered(tmp_path):
    harness = Shadowed(tmp_path)
    champion, canary = keys("champion", 1)[0], keys("canary", 1)[0]

    statuses = [
        ask(harness, champion),
        ask(harness, canary),
        harness.post(infer_body(), "flight-delay/versions/1")[0],
        harness.post(infer_body(), headers=JSON | {b"x-route-arm": b"champion"})[0],
        ask(harness, champion, infer_body(ROW | {"hour": None})),
    ]

    assert statuses == [200, 200, 200, 200, 400]
    assert set(harness.close()[1]) == {f"r-{champion}", f"r-{canary}"}
    assert [bool(record.shadows) for record in harness.records() if record.pinned] == [False, False]


def test_the_answers_record_says_whether_a_shadow_is_asked(tmp_path):
    harness = Shadowed(tmp_path, [Arm("champion", 1, 10_000), Arm("shadow", 2, 5_000)])

    for i in range(40):
        ask(harness, f"key-{i}")

    answered, shadowed = harness.close()
    assert {id for id, (record,) in answered.items() if record.shadows} == set(shadowed)
    assert 0 < len(shadowed) < 40


def test_share_is_that_of_the_weight_and_has_nothing_to_do_with_the_canarys():
    arms = [Arm("champion", 1, 5_000), Arm("canary", 2, 5_000), Arm("shadow", 3, 1_000)]
    hashes = [key_hash("model-1", f"customer-{i}") for i in range(20_000)]

    shadowed = [bool(mirrors(arms, hashed)) for hashed in hashes]

    halves = [[s for s, h in zip(shadowed, hashes, strict=True) if (h >> 63) == half] for half in (0, 1)]
    for part in (shadowed, *halves):
        assert sum(part) / len(part) == pytest.approx(0.1, abs=0.01)
    assert mirrors([Arm("champion", 1, 10_000), Arm("shadow", 3, 10_000)], 2**64 - 1)
    assert not mirrors([Arm("champion", 1, 10_000), Arm("shadow", 3, 0)], 0)


@pytest.mark.parametrize("weight", [-1, 10_001])
def test_table_with_an_impossible_shadow_share_is_refused(tmp_path, weight):
    route = make_route(make_boosted(tmp_path), arms=[Arm("champion", 1, 10_000), Arm("shadow", 1, weight)])

    with pytest.raises(RoutingTableError, match="shadow weights"):
        check_table(make_table(route))


def test_full_queue_drops_and_counts(tmp_path):
    harness = Shadowed(tmp_path, most_rows=3)
    hold, entered = threading.Event(), threading.Event()
    runtime = harness.core.snapshot.routes["flight-delay"].servables[2].runtime
    predict = runtime.predict_row

    def held(row):
        entered.set()
        hold.wait(30)
        return predict(row)

    runtime.predict_row = held
    first, *others = keys("champion", 8)
    assert ask(harness, first) == 200
    assert entered.wait(30)

    assert [ask(harness, key) for key in others] == [200] * 7
    hold.set()
    answered, shadowed = harness.close()

    assert (len(answered), len(shadowed), harness.shadow.dropped) == (8, 4, 4)
    assert b'version="2",outcome="dropped"} 4' in harness.told()


def test_failing_shadow_is_recorded_as_its_own_failure_and_seen_by_nobody(tmp_path):
    harness = Shadowed(tmp_path)
    runtime = harness.core.snapshot.routes["flight-delay"].servables[2].runtime
    runtime.predict_row = lambda row: 1 / 0
    (key,) = keys("champion", 1)

    assert ask(harness, key) == 200
    answered, shadowed = harness.close()

    assert [r.status for r in answered[f"r-{key}"]] == [200]
    assert [(r.status, r.inputs, r.outputs) for r in shadowed[f"r-{key}"]] == [(500, {}, {})]
    assert b'version="2",outcome="failed"} 1' in harness.told()


def test_shadow_with_other_columns_reads_the_request_itself(tmp_path):
    """It has the columns in another order, and once asks for one that callers do not send."""
    narrow = make_artifact(
        tmp_path / "narrow", "model.lgb", boosted(5).model_to_string().encode(), number=2,
        columns=[COLUMNS[2], COLUMNS[0], COLUMNS[3], COLUMNS[1]],
    )  # fmt: skip
    harness = Shadowed(tmp_path, versions=[make_boosted(tmp_path, 1, 20), narrow])
    one, other = keys("champion", 2)

    assert ask(harness, one) == 200
    harness.shadow.close()
    strict = harness.core.snapshot.routes["flight-delay"].servables[2]
    strict.signature.__init__([Column("gate", "long"), *COLUMNS])
    harness.shadow = Shadow(harness.spool, harness.core.metrics, most_rows=100)
    harness.core.mirror = harness.shadow.mirror
    assert ask(harness, other) == 200

    _, shadowed = harness.close()
    assert shadowed[f"r-{one}"][0].outputs == {"probability": probability(trees=5)}
    assert [(r.status, r.error) for r in shadowed[f"r-{other}"]] == [(500, "inputs lack gate")]


def test_shadow_is_asked_many_rows_at_once(tmp_path):
    harness = Shadowed(tmp_path, versions=[make_boosted(tmp_path, 1, 20), make_pipeline(tmp_path / "p", 2)])
    runtime = harness.core.snapshot.routes["flight-delay"].servables[2].runtime
    asked, predict = [], runtime.predict
    runtime.predict = lambda columns, rows: asked.append(rows) or predict(columns, rows)
    rows = [ROW | {"hour": hour} for hour in range(20)]

    for key, row in zip(keys("champion", 20), rows, strict=True):
        assert ask(harness, key, infer_body(row, id=f"r-{row['hour']}")) == 200
    _, shadowed = harness.close()

    alone = [predict([[value] for value in row.values()], 1) for row in rows]
    together = [shadowed[f"r-{i}"][0].outputs["probability"] for i in range(20)]
    assert together == pytest.approx([value for (value,) in alone], rel=1e-12)
    assert max(asked) > 1


def on_a_loop(harness, *asked, slow=False):
    """Ask on an event loop; return whether that asked each shadow, and what waited at each turn until all was recorded."""
    runtime = harness.core.snapshot.routes["flight-delay"].servables[2].runtime
    threads, predict = [], runtime.predict_row
    runtime.predict_row = lambda row: threads.append(threading.get_ident()) or predict(row)
    runtime.slow = slow

    async def requests():
        harness.shadow.take_turns(asyncio.get_running_loop())
        for key in asked:
            assert ask(harness, key) == 200
        waited = [harness.shadow.waiting]
        async with asyncio.timeout(30):
            while len(harness.records()) < 2 * len(asked) - harness.shadow.dropped:
                await asyncio.sleep(0)
                if harness.shadow.waiting != waited[-1]:
                    waited.append(harness.shadow.waiting)
        return [thread == threading.get_ident() for thread in threads], waited

    return run(requests())


def test_quick_shadow_is_asked_on_the_event_loop_a_few_requests_a_turn(tmp_path):
    harness = Shadowed(tmp_path)

    on_the_loop, waited = on_a_loop(harness, *keys("champion", 40))

    assert on_the_loop == [True] * 40
    assert waited == [40, 30, 22, 14, 6, 0]
    assert {len(copies) for copies in harness.close()[1].values()} == {1}


def test_slow_shadow_is_left_to_a_thread(tmp_path):
    harness = Shadowed(tmp_path)

    on_the_loop, _ = on_a_loop(harness, *keys("champion", 1), slow=True)

    assert on_the_loop == [False]


def test_both_queues_are_bounded_together(tmp_path):
    harness = Shadowed(tmp_path, most_rows=3)

    on_a_loop(harness, *keys("champion", 5))

    assert harness.shadow.dropped == 2
    assert len(harness.close()[1]) == 3


def test_failing_shadow_on_the_event_loop_harms_nobody(tmp_path):
    harness = Shadowed(tmp_path)
    harness.core.snapshot.routes["flight-delay"].servables[2].runtime.predict_row = lambda row: 1 / 0

    on_a_loop(harness, *keys("champion", 2))

    answered, shadowed = harness.close()
    assert [[r.status for r in of] for of in (*answered.values(), *shadowed.values())] == [[200], [200], [500], [500]]


def test_what_waits_for_the_event_loop_is_asked_before_the_process_ends(tmp_path):
    harness = Shadowed(tmp_path)

    async def request():
        harness.shadow.take_turns(asyncio.get_running_loop())
        assert ask(harness, keys("champion", 1)[0]) == 200
        return harness.close()

    assert len(run(request())[1]) == 1


def test_gateway_stays_ready_and_quick_while_its_shadow_cannot_be_loaded_or_is_slow(tmp_path):
    """The share is counted at the end: each answer of the champion has its copy or is a counted drop."""
    broken = make_artifact(tmp_path / "broken", "model.lgb", b"tree\nnot a model", number=2)
    one, slow = make_boosted(tmp_path, 1, 20), make_pipeline(tmp_path / "slow", 3)
    arms = [Arm("champion", 1, 10_000), Arm("shadow", 2, 10_000)]
    with running_gateway(tmp_path, make_table(make_route(one, broken, arms=arms))) as gateway:
        assert gateway.infer().status_code == 200
        gateway.wait_until(lambda: gateway.status()["shadow"]["dropped"] == 1)

        arms = [Arm("champion", 1, 10_000), Arm("shadow", 3, 10_000)]
        gateway.publish(make_table(make_route(one, slow, arms=arms), version=2))
        gateway.wait_until(lambda: len(gateway.status()["models"]["flight-delay"]["loaded"]) == 2)
        ids = {gateway.infer().json()["id"] for _ in range(100)}

        def told():
            records = [r for path in gateway.spool_root.glob("*/0*") for r in read_segment(path)]
            copies = {r.request_id for r in records if r.arm == "shadow"}
            return copies == ids and gateway.status()["shadow"] == {"waiting": 0, "dropped": 1}

        gateway.wait_until(told)
        gateway.wait_until(
            lambda: [s.shadow_dropped for s in gateway_states(gateway.spool_root, now=time.time())] == [1]
        )
        assert json.loads(gateway.client.get("/v2/health/ready").text)["ready"] is True
