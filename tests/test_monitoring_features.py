"""Inputs are counted in the reference's bins, exactly, and every sum is that of its parts, however late they come."""

from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from monitoring.counting import rollup
from monitoring.drift.features import (
    BROKEN,
    MISSING,
    NO_CELLS,
    SCORE,
    UNSEEN,
    Cells,
    add_all,
    answer_of,
    cells_of,
    features_of,
)
from monitoring.models import FailedKey, FeatureHistogram, TelemetryHour, TelemetryWindow
from monitoring.shipping import ship
from registry import services
from registry.histograms import number_histogram, profile_of
from serving.contract import HASHED, MASKED
from tests.factories import NOON, make_model, make_record, make_segment, make_version

patient = examples(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
COLUMNS = profile_of(
    {"distance": [100.0, 200.0, 300.0], "carrier": ["AA", "BB", "AA"]},
    [{"name": "distance", "type": "double"}, {"name": "carrier", "type": "string"}],
)
FEATURES = features_of(COLUMNS)  # carrier, distance; the edges of distance are 100, 150, 250, 300
numbers = st.one_of(st.none(), st.floats(allow_nan=True), st.sampled_from([100.0, 150.0, 300.0]))
row_lists = st.lists(
    st.fixed_dictionaries({"distance": numbers}, optional={"carrier": st.sampled_from(["AA", "BB", "ZZ", None])})
)
Span = FeatureHistogram.Span
noon = datetime.fromtimestamp(NOON, UTC)


def said(cells, features=FEATURES):
    return {feature.name: places for feature, places in cells.by_feature(features)}


def test_each_value_has_its_place():
    values = [99.0, 100.0, 149.0, 150.0, 300.0, 300.1, None, float("nan"), float("inf")]
    rows = [{"distance": value} for value in values] + [{"carrier": c} for c in ("BB", "ZZ", None, "BB")]

    assert said(cells_of(FEATURES, rows)) == {
        "distance": {0: 1, 1: 2, 2: 1, 3: 1, 4: 1, MISSING: 3},
        "carrier": {1: 2, UNSEEN: 1, MISSING: 1},
    }


def test_a_value_of_another_type_is_broken():
    rows = [{"distance": value} for value in ("120", True, 120, [1])] + [
        {"carrier": value} for value in (7, True, "CC")
    ]

    assert said(cells_of(FEATURES, rows)) == {"distance": {1: 1, BROKEN: 3}, "carrier": {UNSEEN: 1, BROKEN: 2}}


@pytest.mark.parametrize("known", [["1", "2"], ["True", "false"], ["1.5e3"], ["AA", "-3"]])
def test_a_category_that_is_no_text_may_be_new(known):
    features = features_of(profile_of({"gate": known}, [{"name": "gate", "type": "string"}]))

    assert said(cells_of(features, [{"gate": 3}, {"gate": known[0]}]), features) == {
        "gate": {UNSEEN: 1, sorted(known).index(known[0]): 1}
    }


@pytest.mark.parametrize(
    ("outputs", "score"),
    [
        ({}, None),
        ({"label": "late"}, None),
        ({"label": "late", "probability": 0.25}, 0.25),
        ({"delay": 12}, 12.0),
        ({"score": 0.5, "position": 3}, 0.5),
        ({"probabilities_0": 0.75, "probabilities_1": 0.25}, 0.25),
        ({"probabilities_0": 0.5, "probabilities_1": 0.25, "probabilities_2": 0.25}, 0.5),
    ],
)
def test_score_of_an_answer(outputs, score):
    assert answer_of(outputs) == score


def test_scores_are_counted_after_all_inputs():
    features = features_of(COLUMNS, number_histogram([0.0, 0.5, 1.0]))

    cells = cells_of(features, [{"distance": 100.0}] * 3, [0.5, None, 2.0])

    assert [feature.name for feature in features] == ["carrier", "distance", SCORE]
    assert said(cells, features) == {"carrier": {}, "distance": {1: 3}, SCORE: {2: 1, 4: 1, MISSING: 1}}
    assert said(cells) == said(cells_of(FEATURES, [{"distance": 100.0}] * 3))


def test_a_number_without_range_in_the_reference_is_unseen():
    features = features_of(profile_of({"x": [None, None]}, [{"name": "x", "type": "double"}]))

    assert said(cells_of(features, [{"x": 1.0}, {"x": None}]), features) == {"x": {UNSEEN: 1, MISSING: 1}}


def test_what_is_withheld_from_the_log_is_not_counted():
    rows = [{"distance": f"{HASHED}00ff", "carrier": MASKED}, {}]

    assert cells_of(FEATURES, rows) == NO_CELLS


@patient
@given(row_lists, st.integers(0, 20))
def test_parts_add_up_to_the_whole_and_survive_packing(rows, cut):
    whole = cells_of(FEATURES, rows)
    parts = [cells_of(FEATURES, rows[:cut]), cells_of(FEATURES, rows[cut:])]

    assert add_all(parts) == add_all(reversed(parts)) == whole
    assert Cells.unpack(whole.pack()) == whole
    assert sum(sum(places.values()) for places in said(whole).values()) == sum(len(row) for row in rows)


@pytest.fixture
def version(db):
    version = make_version(make_model(name="flight-delay"))
    services.reference_record(version=version, source="training", rows=3, columns=COLUMNS)
    return version


_segments = iter(range(10_000))


def shipped(*records):
    make_segment(settings.SPOOL_ROOT, "spool-a", next(_segments), records)
    ship()


def histograms(span):
    found = FeatureHistogram.objects.filter(span=span).order_by("arm", "started_at")
    return [(h.arm, h.started_at, h.rows, said(Cells.unpack(bytes(h.cells)))) for h in found]


def test_the_shipper_counts_real_inputs_by_arm_and_five_minutes(version):
    one = {"distance": 120.0, "carrier": "AA"}
    shipped(
        make_record(version, inputs=one), make_record(version, after=299, inputs=one),
        make_record(version, after=300, inputs={"distance": 999.0, "carrier": "ZZ"}),
        make_record(version, arm="shadow", inputs=one), make_record(version, pinned=True, inputs=one),
        make_record(version, status=500, inputs=one), make_record(version, status=400, inputs={}),
    )  # fmt: skip
    shipped(make_record(version, inputs=one))

    assert histograms(Span.FIVE_MINUTES) == [
        ("champion", noon, 3, {"carrier": {0: 3}, "distance": {1: 3}}),
        ("champion", noon + timedelta(minutes=5), 1, {"carrier": {UNSEEN: 1}, "distance": {4: 1}}),
        ("shadow", noon, 1, {"carrier": {0: 1}, "distance": {1: 1}}),
    ]


def test_the_shipper_keeps_how_far_inputs_reach_beyond_their_range(version):
    shipped(*[make_record(version, inputs={"distance": far, "carrier": "AA"}) for far in (120.0, 999.0, 500.0)])
    shipped(
        make_record(version, inputs={"distance": -7, "carrier": "AA"}), make_record(version, inputs={"distance": 700.0})
    )

    [kept] = FeatureHistogram.objects.filter(span=Span.FIVE_MINUTES).values_list("tails", flat=True)
    assert kept == {"distance": [[-7.0, -7.0], [500.0, 999.0]]}

    FeatureHistogram.objects.update(tails=None)  # of a time when nothing was kept
    shipped(make_record(version, inputs={"distance": 700.0}))
    assert FeatureHistogram.objects.get(span=Span.FIVE_MINUTES).tails is None


def test_a_version_without_reference_is_not_counted(db):
    shipped(make_record(make_version(make_model())))

    assert not FeatureHistogram.objects.exists()


def test_hours_and_days_are_the_exact_sums_and_stay_so_when_more_arrives(version):
    def at(minutes, distance):
        return make_record(version, after=60 * minutes, inputs={"distance": distance, "carrier": "BB"})

    shipped(at(0, 120.0), at(7, 160.0), at(61, 120.0))
    later = noon + timedelta(hours=13)

    assert rollup.sum_up(now=noon + timedelta(hours=1, minutes=9)) == 0  # more may arrive
    assert rollup.sum_up(now=later) == 3
    assert rollup.sum_up(now=later) == 0
    shipped(at(3, 999.0))  # late

    two = {"carrier": {1: 3}, "distance": {1: 1, 2: 1, 4: 1}}
    assert histograms(Span.HOUR) == [
        ("champion", noon, 3, two),
        ("champion", noon + timedelta(hours=1), 1, {"carrier": {1: 1}, "distance": {1: 1}}),
    ]
    day = ("champion", noon.replace(hour=0), 4, {"carrier": {1: 4}, "distance": {1: 2, 2: 1, 4: 1}})
    assert histograms(Span.DAY) == [day]
    assert sum(rows for _, _, rows, _ in histograms(Span.FIVE_MINUTES)) == 4


def test_a_day_has_what_came_in_after_its_hours_were_summed_up(version, monkeypatch):
    shipped(make_record(version, inputs={"distance": 120.0}))
    unsummed = rollup._unsummed

    def and_more_arrives(short, long, unit, *, until):
        found = unsummed(short, long, unit, until=until)
        if long == Span.DAY:
            shipped(make_record(version, after=3600, inputs={"distance": 160.0}))
        return found

    monkeypatch.setattr(rollup, "_unsummed", and_more_arrives)
    rollup.sum_up(now=noon + timedelta(days=1))

    assert histograms(Span.DAY) == [("champion", noon.replace(hour=0), 2, {"carrier": {}, "distance": {1: 1, 2: 1}})]
    assert len(histograms(Span.HOUR)) == 2


def test_what_is_past_its_time_goes_once_it_is_summed_up(version):
    shipped(make_record(version, inputs={"distance": 120.0}))

    rollup.purge(now=noon + timedelta(days=8))
    assert len(histograms(Span.FIVE_MINUTES)) == 1  # no sum yet
    rollup.sum_up(now=noon + timedelta(days=8))
    rollup.purge(now=noon + timedelta(days=8))
    assert [len(histograms(span)) for span in Span] == [0, 1, 1]
    rollup.purge(now=noon + timedelta(days=91))
    assert [len(histograms(span)) for span in Span] == [0, 0, 1]
    rollup.purge(now=noon + timedelta(days=1100))
    assert not FeatureHistogram.objects.exists()


def test_a_key_fails_first_once_in_each_version_and_arm(version):
    def failed(**fields):
        return make_record(version, status=500, outputs={}, **fields)

    shipped(failed(key_hash=7), failed(key_hash=7, after=10), failed(key_hash=2**64 - 1), failed(key_hash=7, row=1))
    shipped(failed(key_hash=7, after=20), failed(key_hash=7, arm="canary"), failed(key_hash=9, pinned=True))

    counted = TelemetryWindow.objects.order_by("arm", "started_at").values_list("arm", "errors", "first_failures")
    assert list(counted) == [("canary", 1, 1), ("champion", 2, 2), ("champion", 1, 0), ("champion", 1, 0)]
    hours = TelemetryHour.objects.order_by("arm").values_list("arm", "first_failures")
    assert list(hours) == [("canary", 1), ("champion", 2)]
    assert FailedKey.objects.count() == 3


def test_the_earliest_failure_of_a_key_is_the_first_whatever_order_it_comes_in(version):
    late, early = (make_record(version, status=500, outputs={}, key_hash=7, after=after) for after in (10, 0))
    shipped(late, early)

    assert list(TelemetryWindow.objects.order_by("started_at").values_list("first_failures", flat=True)) == [1, 0]
