"""Histograms add up in any order, and quantiles stay within the bin that holds them."""

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitoring.telemetry import (
    LATENCY_BINS,
    SCORE_BINS,
    Counts,
    WindowKey,
    latency_bin,
    merge,
    quantile,
    score_bin,
    tally,
)
from serving.contract import LATENCY_EDGES_US
from tests.factories import make_record

patient = settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
numbers = st.integers(0, 10**6)
counts = st.builds(
    Counts,
    requests=numbers,
    errors=numbers,
    caller_faults=numbers,
    pinned=numbers,
    rows=numbers,
    latency=st.tuples(*[numbers] * LATENCY_BINS),
    scores=st.tuples(*[numbers] * SCORE_BINS),
)
latencies = st.lists(st.integers(0, LATENCY_EDGES_US[-1]), min_size=1, max_size=200)


def histogram(values):
    bins = [0] * LATENCY_BINS
    for value in values:
        bins[latency_bin(value)] += 1
    return bins


@patient
@given(counts, counts, counts)
def test_merge_is_associative_and_commutative_and_has_a_zero(a, b, c):
    assert merge(merge(a, b), c) == merge(a, merge(b, c))
    assert merge(a, b) == merge(b, a)
    assert merge(a, Counts()) == a


@patient
@given(latencies, st.sampled_from([0.01, 0.5, 0.9, 0.99, 1.0]))
def test_quantile_lies_in_the_bin_of_the_true_one(values, q):
    rank = max(1, -(-len(values) * q // 1))  # the smallest value with at least q of the values at or below it
    true = sorted(values)[int(rank) - 1]

    estimate = quantile(histogram(values), q)

    i = latency_bin(true)
    assert (LATENCY_EDGES_US[i - 1] if i else 0) <= estimate <= LATENCY_EDGES_US[i]


@patient
@given(latencies)
def test_quantiles_grow(values):
    bins = histogram(values)

    assert quantile(bins, 0.5) <= quantile(bins, 0.9) <= quantile(bins, 0.99)


def test_quantile_exact_values():
    bins = [0] * LATENCY_BINS
    assert quantile(bins, 0.5) is None

    bins[4] = 10  # above 500, up to 1,000 us
    assert quantile(bins, 0.5) == 750.0
    assert quantile(bins, 1.0) == 1_000.0

    bins[-1] = 90
    assert quantile(bins, 0.99) == 10_000_000.0


@pytest.mark.parametrize("q", [0, -0.1, 1.01])
def test_quantile_refuses_what_is_no_share(q):
    with pytest.raises(ValueError, match="q="):
        quantile([0] * LATENCY_BINS, q)


@pytest.mark.parametrize(("latency_us", "expected"), [(0, 0), (50, 0), (51, 1), (10_000_000, 16), (10_000_001, 17)])
def test_latency_bin_holds_its_upper_edge(latency_us, expected):
    assert latency_bin(latency_us) == expected


@pytest.mark.parametrize(("score", "expected"), [(0.0, 0), (0.049, 0), (0.05, 1), (0.999, 19), (1.0, 19)])
def test_score_bin(score, expected):
    assert score_bin(score) == expected


def test_tally_counts_pinned_and_caller_faults_apart():
    records = [
        make_record(latency_us=700, outputs={"probability": 0.12}),
        make_record(row=1, latency_us=700, outputs={"probability": 0.98}),
        make_record(status=500, outputs={}, error="model failed"),
        make_record(status=400, outputs={}, error="no such column"),
        make_record(pinned=True, outputs={"probability": 0.5}),
        make_record(pinned=True, status=500, outputs={}),
    ]

    [(key, total)] = tally(records).items()

    assert key == WindowKey(1, 1, 1, "champion", 10_000, datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC))
    assert (total.requests, total.errors, total.caller_faults, total.pinned, total.rows) == (2, 1, 1, 2, 2)
    assert sum(total.latency) == total.latency[4] == total.requests - total.errors
    assert (total.scores[2], total.scores[19], sum(total.scores)) == (1, 1, 2)


def test_tally_parts_weights_arms_and_windows():
    keys = tally(
        [
            make_record(),
            make_record(weight_bp=500),
            make_record(arm="canary"),
            make_record(table_version=2),
            make_record(after=10),
        ]
    )

    assert len(keys) == 5


@patient
@given(st.lists(st.sampled_from([(0, 200), (1, 200), (0, 500), (0, 404)]), max_size=30), st.integers(0, 30))
def test_tally_of_parts_merges_to_the_tally_of_the_whole(rows, cut):
    records = [make_record(row=row, status=status) for row, status in rows]
    whole = tally(records)

    parts = {}
    for part in (records[:cut], records[cut:]):
        for key, counted in tally(part).items():
            parts[key] = merge(parts.get(key, Counts()), counted)

    assert parts == whole
