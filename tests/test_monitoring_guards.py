"""Guards: what is refused, and what records say to them."""

import math

import pytest

from monitoring.telemetry import LATENCY_BINS, slower_than
from monitoring.trials.guards import Guard, GuardError, are_alike, check_guards, has_event, loss_of, mean_of
from tests.factories import make_record

SOUND = [
    Guard("errors", "errors"),
    Guard("timeouts", "timeouts", threshold_ms=200),
    Guard("slow", "slow", threshold_ms=50),
    Guard("flagged", "output", output="probability", above=0.9),
    Guard("score", "mean", output="probability"),
    Guard("decisions", "agreement", output="probability", threshold=0.5),
    Guard("differences", "pairs"),
    Guard("wrong", "quality", loss="correct", threshold=0.5, maturity_s=3600),
]


def test_sound_guards_are_returned():
    assert check_guards(SOUND) == SOUND


@pytest.mark.parametrize(
    ("guard", "field"),
    [
        (Guard("", "errors"), "name"),
        (Guard("x\0", "errors"), "name"),
        (Guard("errors", "errors"), "name"),
        (Guard("x", "slow"), "threshold_ms"),
        (Guard("x", "slow", threshold_ms=0), "threshold_ms"),
        (Guard("x", "slow", threshold_ms=math.inf), "threshold_ms"),
        (Guard("x", "errors", threshold_ms=5), "threshold_ms"),
        (Guard("x", "output", output="score"), "above"),
        (Guard("x", "output", above=1, below=0), "above"),
        (Guard("x", "mean", output="cost", loss="correct"), "loss"),
        (Guard("x", "agreement", threshold=0.5, tolerance=0.1), "tolerance"),
        (Guard("x", "agreement", tolerance=-0.1), "tolerance"),
        (Guard("x", "quality", loss="correct"), "maturity_s"),
        (Guard("x", "quality", maturity_s=60), "loss"),
        (Guard("x", "quality", loss="log_loss", maturity_s=60, threshold=0.5), "threshold"),
    ],
)
def test_what_contradicts_itself_is_refused_by_field(guard, field):
    with pytest.raises(GuardError) as refused:
        check_guards([SOUND[0], guard])

    assert refused.value.field == f"guards/1/{field}"


@pytest.mark.parametrize(
    ("guard", "fields", "expected"),
    [
        (Guard("e", "errors"), {"status": 500}, True),
        (Guard("e", "errors"), {"status": 200}, False),
        (Guard("t", "timeouts"), {"status": 504}, True),
        (Guard("t", "timeouts"), {"status": 500, "latency_us": 90_000_000}, False),
        (Guard("t", "timeouts", threshold_ms=200), {"status": 500, "latency_us": 200_001}, True),
        (Guard("s", "slow", threshold_ms=50), {"latency_us": 50_000}, False),
        (Guard("s", "slow", threshold_ms=50), {"latency_us": 50_001}, True),
        (Guard("o", "output", above=0.5), {"outputs": {"p": 0.5}}, False),
        (Guard("o", "output", above=0.5), {"outputs": {"p": 0.6}}, True),
        (Guard("o", "output", output="p", below=0), {"outputs": {"q": 3, "p": -1}}, True),
        (Guard("o", "output", output="p", below=0), {"outputs": {"q": -3}}, False),
        (Guard("o", "output", above=0), {"outputs": {"p": "yes"}}, False),
    ],
)
def test_events(guard, fields, expected):
    assert has_event(guard, [make_record(**fields)]) is expected


def test_one_row_that_is_a_hit_is_an_event_of_the_request():
    rows = [make_record(outputs={"p": p}) for p in (0.1, 0.95, 0.2)]

    assert has_event(Guard("o", "output", above=0.9), rows)


@pytest.mark.parametrize(
    ("guard", "one", "other", "expected"),
    [
        (Guard("a", "agreement", threshold=0.5), {"p": 0.5}, {"p": 0.9}, True),
        (Guard("a", "agreement", threshold=0.5), {"p": 0.49}, {"p": 0.5}, False),
        (Guard("a", "agreement", tolerance=0.25), {"p": 1.0}, {"p": 1.25}, True),
        (Guard("a", "agreement", tolerance=0.25), {"p": 1.0}, {"p": 1.5}, False),
        (Guard("a", "agreement", output="label"), {"label": "a"}, {"label": "a"}, True),
        (Guard("a", "agreement", output="label"), {"label": "a"}, {"label": "b"}, False),
        (Guard("a", "agreement", threshold=0.5), {"p": 0.9}, {"p": "late"}, False),
    ],
)
def test_alike(guard, one, other, expected):
    assert are_alike(guard, one, other) is expected


@pytest.mark.parametrize(
    ("loss", "more", "outputs", "label", "expected"),
    [
        ("correct", {"threshold": 0.5}, {"p": 0.5}, True, 0.0),
        ("correct", {"threshold": 0.5}, {"p": 0.4}, 1, 1.0),
        ("correct", {}, {"label": "late"}, "late", 0.0),
        ("correct", {}, {"label": 3}, "3", 0.0),
        ("correct", {}, {"label": 3}, 4, 1.0),
        ("absolute_error", {}, {"x": 7.5}, 10, 2.5),
        ("squared_error", {}, {"x": 7.0}, 10, 9.0),
        ("log_loss", {}, {"p": 0.25}, True, math.log(4)),
        ("log_loss", {}, {"p": 0.25}, False, -math.log(0.75)),
        ("log_loss", {}, {"p": 0.0}, 1, -math.log(1e-6)),
        ("log_loss", {}, {"p": 1.5}, 1, None),
        ("log_loss", {}, {"p": 0.5}, 3, None),
        ("absolute_error", {}, {"x": "a"}, 1, None),
        ("absolute_error", {}, {"x": 1.0}, "a", None),
        ("correct", {}, {}, "a", None),
    ],
)
def test_losses(loss, more, outputs, label, expected):
    guard = Guard("q", "quality", loss=loss, maturity_s=60, **more)

    assert loss_of(guard, outputs, label) == expected


def test_a_request_counts_once_however_many_rows_it_has():
    assert mean_of(Guard("m", "mean", output="p"), [{"p": 1.0}, {"p": 3}, {"q": 9}]) == 2.0
    assert mean_of(Guard("m", "mean", output="p"), [{"p": float("nan")}, {"p": "x"}]) is None


@pytest.mark.parametrize(
    ("threshold_us", "expected"),
    [(0, 16), (100, 16), (200, 6), (500, 6), (125, 13.5), (10_000_000, 6), (60_000_000, 6)],
)
def test_slower_than_is_exact_at_an_edge_and_in_proportion_within_a_bin(threshold_us, expected):
    histogram = [0, 0, 10, *[0] * (LATENCY_BINS - 4), 6]

    assert slower_than(histogram, threshold_us) == expected
