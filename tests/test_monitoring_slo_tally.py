"""Counts that add up: of slices, by freshness, by cost; and what they cost."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from monitoring.slo.cost import Price, Used, cost, per_1000, price_at
from monitoring.slo.tally import Counted, CountKey, Tally, is_stale, plus, tally, text_of
from tests.factories import NOON, make_record

quick = examples(max_examples=100, derandomize=True)
records = st.lists(
    st.builds(
        lambda after, arm, status, slow, origin, pinned: make_record(
            after=float(after), arm=arm, status=status, latency_us=60_000 if slow else 900, pinned=pinned,
            inputs={"origin": origin, "taken": NOON + after - (7200 if slow else 10)},
        ),
        st.integers(0, 3600), st.sampled_from(["champion", "canary", "shadow"]), st.sampled_from([200, 200, 422, 503]),
        st.booleans(), st.sampled_from(["JFK", "EWR"]), st.booleans(),
    ),
    max_size=30,
)  # fmt: skip
COUNTED = {
    1: [
        Counted(1, "availability", {"origin": "JFK"}),
        Counted(2, "latency", threshold_us=50_000),
        Counted(3, "freshness", column="taken", holds="instant", max_age_s=3600),
        Counted(4, "cost"),
    ]
}


@quick
@given(records=records, cut=st.integers(0, 30))
def test_counts_of_two_parts_add_up_to_those_of_the_whole(records, cut):
    whole, head, tail = (tally(part, COUNTED) for part in (records, records[:cut], records[cut:]))

    assert whole == {key: plus(head.get(key, Tally()), tail.get(key, Tally())) for key in {*head, *tail}}
    assert all(0 <= of.bad <= of.total for of in whole.values())


@quick
@given(records=records)
def test_parts_of_the_inputs_add_up_to_all(records):
    slices = {1: [Counted(1, "latency", {"origin": origin}, threshold_us=50_000) for origin in ("JFK", "EWR")]}
    parts, whole = tally(records, slices), tally(records, {1: [Counted(1, "latency", threshold_us=50_000)]})

    assert parts == whole


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (NOON - 3600, False),
        (NOON - 3601, True),
        ((NOON - 3600) * 1000, False),
        ((NOON - 3601) * 1000, True),
        (1e11, True),  # in 1973, by milliseconds
        (1e11 - 1, False),  # in 5138, by seconds
        ("2026-11-25T11:30:00Z", False),
        ("2026-11-25T11:30:00", False),
        ("2026-11-25T12:30:00+02:00", True),
        ("last week", True),
        (None, True),
        (True, True),
        (float("nan"), True),
        ("hashed:00", None),
        ("•••", None),
    ],
)
def test_an_instant_is_stale_by_its_age_when_asked(value, expected):
    assert is_stale(Counted(1, "freshness", column="t", holds="instant", max_age_s=3600), value, at=NOON) is expected


def test_a_request_counts_once_however_many_rows_it_has():
    rows = [make_record(request_id="r", row=n, latency_us=1_000_000, inputs={"age": age, "origin": origin})
            for n, (age, origin) in enumerate([(5, "EWR"), (9_000, "JFK"), (5, "JFK")])]  # fmt: skip
    of = {1: [
        Counted(1, "freshness", column="age", holds="age", max_age_s=60),
        Counted(2, "cost", {"origin": "JFK"}),
        Counted(3, "availability", {"origin": "LGA"}),
    ]}  # fmt: skip

    found = {key.slo_id: counts for key, counts in tally(rows, of).items()}

    assert found == {1: Tally(1, 1), 2: Tally(1, 0, 2, 666_667)}


def test_values_of_a_slice_are_compared_as_text():
    values = 1, 1.0, 1.5, True, False, "JFK", None

    assert [text_of(value) for value in values] == ["1", "1", "1.5", "true", "false", "JFK", ""]


def test_costs_by_the_price_that_was_in_force():
    at = datetime(2026, 11, 25, tzinfo=UTC)
    prices = [
        Price(None, at, Decimal(2), Decimal(0), "EUR"),
        Price(7, at, Decimal(0), Decimal(36), "EUR"),
        Price(None, at + timedelta(days=1), Decimal(3), Decimal(0), "EUR"),
    ]
    early, late = Used(5, at, 1000, 0), Used(5, at + timedelta(days=1), 1000, 0)
    own = Used(7, at + timedelta(days=2), 500, 100_000_000)

    assert cost([early, late, own], prices) == 2 + 3 + 1
    assert per_1000([early, own], prices) == 2
    assert price_at(prices, 5, at - timedelta(seconds=1)) is None
    assert cost([Used(5, at - timedelta(days=1), 1, 0)], prices) is None
    assert per_1000([Used(5, at, 0, 5)], prices) is None


@pytest.mark.parametrize(
    ("status", "counts"),
    [
        (200, Tally(1)),
        (399, Tally(1)),
        (400, None),  # the caller's fault
        (499, None),
        (500, Tally(1, 1)),
    ],
)
def test_a_failure_is_what_is_nobody_elses_fault(status, counts):
    found = tally([make_record(status=status)], {1: [Counted(1, "availability")]})

    assert list(found.values()) == ([counts] if counts else [])


def test_answers_as_slow_as_allowed_are_not_slow():
    of = {1: [Counted(1, "latency", threshold_us=50_000)]}

    assert [next(iter(tally([make_record(latency_us=us)], of).values())) for us in (50_000, 50_001)] == [
        Tally(1),
        Tally(1, 1),
    ]


def test_the_rest_of_a_batch_cut_in_two_counts_its_rows_and_no_second_request():
    rest = make_record(row=7, latency_us=9_000)

    assert tally([rest], {1: [Counted(1, "availability"), Counted(2, "latency", threshold_us=50)]}) == {}
    assert list(tally([rest], {1: [Counted(1, "cost")]}).values()) == [Tally(rows=1)]


def test_a_failed_request_costs_its_time_and_made_no_prediction():
    failed = make_record(status=503, latency_us=9_000)

    assert list(tally([failed], {1: [Counted(1, "cost")]}).values()) == [Tally(1, 0, 0, 9_000)]
    assert tally([failed], {1: [Counted(1, "latency", threshold_us=50)]}) == {}


def test_counts_are_kept_by_objective_version_arm_and_five_minutes():
    of = {1: [Counted(8, "availability"), Counted(9, "latency", threshold_us=50_000)]}
    rows = [
        make_record(number=3, arm="canary", after=299, latency_us=900),
        make_record(number=3, arm="canary", after=299, latency_us=900, model_id=2),  # nothing is promised of this one
        make_record(number=3, arm="canary", after=299, pinned=True),
    ]
    began = datetime.fromtimestamp(NOON, UTC)

    assert tally(rows, of) == {CountKey(slo, 1, 3, "canary", began): Tally(1) for slo in (8, 9)}


@pytest.mark.parametrize("other", [{"request_id": "s"}, {"number": 4}, {"arm": "shadow"}, {"after": 1.0}])
def test_requests_that_differ_in_anything_count_each(other):
    rows = [make_record(request_id="r"), make_record(**{"request_id": "r"} | other)]

    assert sum(counts.total for counts in tally(rows, {1: [Counted(1, "availability")]}).values()) == 2


def test_a_row_of_a_slice_counts_where_it_is_in_all_of_it():
    of = {1: [Counted(1, "availability", {"origin": "JFK", "dest": "LAX"})]}

    def counted(**inputs):
        return len(tally([make_record(inputs=inputs)], of))

    assert counted(origin="JFK", dest="LAX") == 1
    assert counted(origin="JFK", dest="EWR") == counted(dest="LAX") == counted() == 0


@pytest.mark.parametrize(
    ("value", "expected"),
    [(60, False), (60.5, True), (-5, False), ("60", True), (None, True), (float("nan"), True), ("hashed:00", None)],
)
def test_an_age_is_stale_by_itself(value, expected):
    assert is_stale(Counted(1, "freshness", column="t", holds="age", max_age_s=60), value, at=NOON) is expected


def test_an_instant_without_a_zone_is_one_of_utc_wherever_the_process_runs(elsewhere):
    of = Counted(1, "freshness", column="t", holds="instant", max_age_s=3600)

    assert is_stale(of, "2026-11-25T11:00:00", at=NOON) is False
    assert is_stale(of, "2026-11-25T10:59:59", at=NOON) is True


@pytest.mark.parametrize(
    ("row", "inputs", "counts"),
    [
        (0, {"taken": NOON - 60}, Tally(1)),
        (0, {"taken": NOON - 61}, Tally(1, 1)),
        (0, {"taken": None}, Tally(1, 1)),  # nobody can tell that it is fresh
        (0, {"other": NOON}, None),  # the log does not hold it
        (7, {"taken": NOON - 61}, None),  # the rest of a batch that was counted before
    ],
)
def test_freshness_counts_requests_whose_logged_rows_hold_the_column(row, inputs, counts):
    of = {1: [Counted(1, "freshness", column="taken", holds="instant", max_age_s=60)]}

    found = tally([make_record(row=row, inputs=inputs)], of)

    assert list(found.values()) == ([counts] if counts else [])
