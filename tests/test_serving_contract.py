"""The routing table, the assignment of keys to arms, and segments: what both planes rely on."""

import os
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.contract import (
    Arm,
    GatewayState,
    PredictionBatch,
    PredictionRecord,
    Route,
    RoutingTable,
    RoutingTableError,
    Version,
    arm_for,
    check_table,
    confirm_table,
    confirmed_at,
    frame,
    gateway_states,
    key_hash,
    read_segment,
    read_table,
    sealed_segments,
    write_table,
)
from serving.snapshot import struct_of

hashes = st.integers(0, 2**64 - 1)


def version(number):
    return Version(number, "lightgbm", "/artifacts/a", "model.lgb", "sha256:0", [], [])


def table(arms, *, versions=(1, 2), aliases=None, number=1):
    route = Route("m", 1, "classification", "model-1", arms, aliases or {}, [version(n) for n in versions])
    return RoutingTable(number, "2026-11-25T12:00:00+00:00", [route])


def record(number=0):
    return PredictionRecord(
        f"r{number}", 0, 1.5, "m", 1, 1, "champion", 1, 10_000, 2**64 - 1, False, 200, 800, {"x": None}, {"p": 0.5}
    )


def test_record_of_an_older_gateway_is_read(tmp_path):
    """Fields were added at the end since: the first release wrote up to ``error``."""
    fields = list(msgspec.structs.astuple(record()))[:16]
    body = msgspec.msgpack.encode(fields)
    (tmp_path / "old.segment").write_bytes(len(body).to_bytes(4, "little") + body)

    assert list(read_segment(tmp_path / "old.segment")) == [record()]
    assert record().caller_id == 0


def test_hash_of_a_key_is_fixed_for_all_time():
    assert key_hash("model-1", "customer-7") == 9_712_135_595_119_498_970
    assert key_hash("model-2", "customer-7") != key_hash("model-1", "customer-7")


@given(hashes, st.integers(0, 10_000))
def test_every_key_has_exactly_one_arm_and_shadow_answers_nobody(hashed, canary):
    arms = [Arm("champion", 1, 10_000 - canary), Arm("shadow", 2, 1_000), Arm("canary", 2, canary)]

    chosen = arm_for(arms, hashed)

    assert chosen is (arms[2] if hashed * 10_000 >> 64 >= 10_000 - canary else arms[0])


@given(hashes, st.integers(0, 10_000), st.integers(0, 10_000))
def test_key_that_saw_the_canary_keeps_seeing_it_as_the_weight_grows(hashed, one, other):
    def at(weight):
        return arm_for([Arm("champion", 1, 10_000 - weight), Arm("canary", 2, weight)], hashed).name

    if at(min(one, other)) == "canary":
        assert at(max(one, other)) == "canary"


def test_shares_come_out_as_asked():
    arms = [Arm("champion", 1, 9_000), Arm("canary", 2, 1_000)]

    canary = sum(arm_for(arms, key_hash("model-1", f"customer-{i}")).name == "canary" for i in range(20_000))

    assert 1_850 < canary < 2_150  # 2,000 expected, standard deviation 42


def test_table_survives_the_disk(tmp_path):
    written = table([Arm("champion", 1, 10_000)], aliases={"champion": 1})

    write_table(written, tmp_path / "deep/table.json")

    assert read_table(tmp_path / "deep/table.json") == written
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["table.json"]


@pytest.mark.parametrize(
    ("unsound", "why"),
    [
        (table([Arm("champion", 1, 9_999)]), "no shares of 10000"),
        (table([Arm("champion", 1, 10_001), Arm("canary", 2, -1)]), "no shares of 10000"),
        (table([Arm("champion", 3, 10_000)]), r"no version \[3\]"),
        (table([Arm("champion", 1, 10_000)], aliases={"next": 9}), r"no version \[9\]"),
        (RoutingTable(1, "", table([Arm("champion", 1, 10_000)]).routes * 2), "share a model name"),
    ],
)
def test_table_that_contradicts_itself_is_refused(unsound, why, tmp_path):
    with pytest.raises(RoutingTableError, match=why):
        check_table(unsound)
    with pytest.raises(RoutingTableError):
        write_table(unsound, tmp_path / "table.json")
    assert not (tmp_path / "table.json").exists()


def test_route_by_a_sensitive_column_is_refused_with_the_way_out():
    sound = table([Arm("champion", 1, 10_000)])
    route = msgspec.structs.replace(sound.routes[0], key_column="iban", sensitive={"income": "drop"})
    guessable = msgspec.structs.replace(route, sensitive={"iban": "hash"})

    check_table(RoutingTable(1, "", [route]))
    with pytest.raises(RoutingTableError, match=r"m: key_column iban is sensitive, .* Route by another column"):
        check_table(RoutingTable(1, "", [guessable]))


def test_confirming_a_table_leaves_it_alone(tmp_path):
    path = tmp_path / "table.json"
    write_table(table([Arm("champion", 1, 10_000)]), path)
    before = path.stat()

    assert confirmed_at(path) is None
    confirm_table(path)

    assert confirmed_at(path) is not None
    assert path.stat() == before


def batch(inputs):
    shared = msgspec.structs.replace(record(), inputs={}, outputs={}, caller_id=7)
    return PredictionBatch(shared, inputs, {"p": [0.25, 0.5, 0.75], "position": [2, 1, 0]})


@pytest.mark.parametrize(
    ("inputs", "rows"),
    [
        ({"x": [None, 1.5, "a"], "y": [True, 2, None]}, [{"x": None, "y": True}, {"x": 1.5, "y": 2}, {"x": "a", "y": None}]),
        ({}, [{}, {}, {}]),  # all columns are sensitive
    ],
)  # fmt: skip
def test_batch_is_read_as_a_record_a_row(tmp_path, inputs, rows):
    (tmp_path / "1.segment").write_bytes(frame(record(1)) + frame(batch(inputs)) + frame(record(2)))

    first, *many, last = read_segment(tmp_path / "1.segment")

    assert (first, last) == (record(1), record(2))
    outputs = [{"p": 0.25, "position": 2}, {"p": 0.5, "position": 1}, {"p": 0.75, "position": 0}]
    assert many == [
        msgspec.structs.replace(record(), row=i, inputs=rows[i], outputs=outputs[i], caller_id=7) for i in range(3)
    ]


@pytest.mark.parametrize("last", [record(3), batch({"x": [1, 2, 3]})])
def test_torn_last_record_is_left_out(tmp_path, last):
    path = tmp_path / "00000001.segment"
    whole = frame(record(1)) + frame(record(2))
    for cut in (1, 3, 4, 20):
        path.write_bytes(whole + frame(last)[:cut])

        assert list(read_segment(path)) == [record(1), record(2)]


def test_listing_shows_no_segment_without_those_before_it(tmp_path, monkeypatch):
    folder = tmp_path / "spool-a"
    folder.mkdir()
    first, second = folder / "00000001.segment", folder / "00000002.segment"
    second.touch()
    listings = iter([[second], [first, second, folder / "00000003.segment"]])  # a rename hid the first one at first
    monkeypatch.setattr(type(tmp_path), "glob", lambda self, pattern: next(listings))

    assert sealed_segments(tmp_path) == [first, second]


def test_states_of_living_gateways_are_read(tmp_path):
    for spool_id in ("b", "dead", "a"):
        (tmp_path / spool_id).mkdir()
        state = GatewayState(spool_id, 3, "", {"m": {"champion": 1}}, [], [])
        (tmp_path / spool_id / "state.json").write_bytes(msgspec.json.encode(state))
    os.utime(tmp_path / "dead/state.json", (0, 0))

    assert [state.spool_id for state in gateway_states(tmp_path, now=time.time())] == ["a", "b"]


@pytest.mark.parametrize("names", [["distance", "Straße 7", "class"], ['a"b', "x"], ["x", "x"], []])
def test_row_is_recorded_under_its_columns_whatever_they_are_called(names):
    row = [0.5, None, 3][: len(names)]
    as_struct = struct_of(names)
    given = dict(zip(names, row, strict=True)) if as_struct is None else as_struct(*row)

    kept = frame(msgspec.structs.replace(record(), inputs=given))

    assert kept == frame(msgspec.structs.replace(record(), inputs=dict(zip(names, row, strict=True))))
    assert (as_struct is None) == (names in (['a"b', "x"], ["x", "x"]))
