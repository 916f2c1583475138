"""The e-process on the origin of failures: values worked out by hand, and what holds whatever the counts."""

import ast
import math
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

import rollouts.verdicts
from rollouts.verdicts import Origin, evidence_over_time
from rollouts.verdicts.origins import RATIOS, evidence, log_evidence, risk_ratio, tally

WEIGHTS = st.sampled_from([0.01, 0.05, 0.1, 0.25, 0.5, 0.9])
ORIGINS = st.lists(st.builds(Origin, WEIGHTS, st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=8)
MARGINS = st.sampled_from([1.2, 2.0, 3.0])


def by_hand(origins, null, factors):
    """The mixture term by term, with a probability for each single failure."""
    prior = [1 / ratio for ratio in RATIOS]
    total = 0.0
    for weight_of, factor in zip(prior, factors, strict=True):
        product = weight_of / sum(prior)
        for origin in origins:
            w = origin.weight
            p, q = (w * r / (w * r + 1 - w) for r in (null, null * factor))
            product *= (q / p) ** origin.canary * ((1 - q) / (1 - p)) ** origin.champion
        total += product
    return math.log(total)


@pytest.mark.parametrize(
    "origins",
    [
        [Origin(0.5, 1, 0)],
        [Origin(0.5, 0, 1)],
        [Origin(0.05, 3, 4)],
        [Origin(0.05, 2, 9), Origin(0.25, 4, 3), Origin(0.5, 7, 2)],
    ],
)
def test_is_the_mixture_of_likelihood_ratios_of_each_failures_origin(origins):
    against, in_favour = evidence(tally(origins), 2.0)

    assert against == pytest.approx(by_hand(origins, 1.0, RATIOS))
    assert in_favour == pytest.approx(by_hand(origins, 2.0, 1 / RATIOS))


def test_twelve_ratios_from_five_quarters_to_sixteen():
    assert len(RATIOS) == len(set(RATIOS)) == 12
    assert (min(RATIOS), max(RATIOS)) == (1.25, 16)


@given(ORIGINS, MARGINS, st.randoms(use_true_random=False))
def test_order_and_portions_change_nothing_to_the_last_bit(origins, margin, random):
    portions = [
        part
        for one in origins
        for canary, champion in [(random.randint(0, one.canary), random.randint(0, one.champion))]
        for part in (
            Origin(one.weight, canary, champion),
            Origin(one.weight, one.canary - canary, one.champion - champion),
        )
    ]
    random.shuffle(portions)

    assert evidence(tally(portions), margin) == evidence(tally(origins), margin)


@given(ORIGINS, MARGINS)
def test_evidence_over_time_ends_where_the_stored_windows_lead(origins, margin):
    windows = list(enumerate(origins))

    found = list(evidence_over_time(windows, margin=margin))

    assert found == [(at, *evidence(tally(origins[: at + 1]), margin)) for at in range(len(origins))]


def test_no_windows_no_evidence():
    assert list(evidence_over_time([])) == []


@pytest.mark.parametrize("late", [0.0, 0.1])
def test_without_a_failure_nothing_speaks_for_or_against(late):
    assert evidence(tally([], late=late), 2.0) == (pytest.approx(0), pytest.approx(0))
    assert risk_ratio(tally([], late=late), (3.0, 3.0)) == (0.0, 0.0, math.inf)


@examples(max_examples=40)
@given(ORIGINS, MARGINS, WEIGHTS)
def test_each_failure_speaks_against_its_arm(origins, margin, weight):
    against, in_favour = evidence(tally(origins), margin)

    worse = evidence(tally([*origins, Origin(weight, 1, 0)]), margin)
    better = evidence(tally([*origins, Origin(weight, 0, 1)]), margin)

    assert worse[0] > against > better[0]
    assert worse[1] < in_favour < better[1]


@examples(max_examples=40)
@given(ORIGINS, MARGINS)
def test_swapping_the_arms_swaps_the_evidence(origins, null):
    swapped = [Origin(1 - one.weight, one.champion, one.canary) for one in origins]

    here = log_evidence(tally(origins), null)
    there = log_evidence(tally(swapped), 1 / null, below=True)

    assert here == pytest.approx(there, rel=1e-9, abs=1e-9)


@examples(max_examples=40)
@given(ORIGINS)
def test_a_higher_null_is_harder_to_reject_and_a_higher_margin_easier(origins):
    nulls = np.geomspace(0.1, 10, 9)
    counts = tally(origins)

    above = [float(log_evidence(counts, null)[0]) for null in nulls]
    below = [float(log_evidence(counts, null, below=True)[0]) for null in nulls]

    assert all(b <= a + 1e-9 for a, b in pairwise(above))
    assert all(b >= a - 1e-9 for a, b in pairwise(below))


@pytest.mark.parametrize("ratio", [0.5, 0.9, 1.0])
@pytest.mark.parametrize("weights", [[0.5] * 10, [0.05, 0.1, 0.25, 0.5] * 2])
def test_no_worse_expects_an_e_value_of_at_most_one(ratio, weights):
    """All 2^n sequences of origins, each weighed by its probability."""
    expected = 0.0
    for canaries in np.ndindex(*[2] * len(weights)):
        chances = [w * ratio / (w * ratio + 1 - w) for w in weights]
        probability = math.prod(p if own else 1 - p for p, own in zip(chances, canaries, strict=True))
        origins = [Origin(w, own, 1 - own) for w, own in zip(weights, canaries, strict=True)]
        expected += probability * math.exp(log_evidence(tally(origins), 1.0)[0])

    assert expected == pytest.approx(1) if ratio == 1 else expected < 1


def test_counts_pooled_over_weights_are_no_evidence():
    """Equal arms whose common risk trebles while the canary grows: half of all failures are the canary's at the end."""
    ramp = [Origin(0.05, 3, 57), Origin(0.5, 90, 90)]  # exactly as many as the weights make likely
    pooled_weight = (0.05 * 6000 + 0.5 * 6000) / 12000  # by requests
    pooled = [Origin(pooled_weight, 93, 147)]

    assert log_evidence(tally(ramp), 1.0)[0] < 0
    assert log_evidence(tally(pooled), 1.0)[0] > math.log(20)


def test_a_null_is_positive():
    with pytest.raises(ValueError, match="null=0"):
        log_evidence(tally([Origin(0.5, 1, 1)]), 0)


def test_imports_numpy_and_the_standard_library_alone():
    allowed = {*sys.stdlib_module_names, "numpy", "rollouts.verdicts"}
    for path in Path(rollouts.verdicts.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [one.name for one in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert name.split(".")[0] in allowed or name.startswith("rollouts.verdicts"), (path.name, name)


@examples(max_examples=40)
@given(ORIGINS, st.sampled_from([0.05, 0.5]))
def test_harm_that_begins_late_is_a_mixture_over_where_it_begins(origins, late):
    origins = [replace(one, part=min(place, 2)) for place, one in enumerate(origins)]
    parts = max(one.part for one in origins) + 1

    found = evidence(tally(origins, late=late), 2.0)

    e = [math.exp(evidence(tally([one for one in origins if one.part >= part]), 2.0)[0]) for part in range(parts)]
    mixed = (1 - late) * e[0] + sum(late / (j * (j + 1)) * e[j] for j in range(1, parts)) + late / parts
    assert found[0] == pytest.approx(math.log(mixed), abs=1e-9)
    assert found[1] == evidence(tally(origins), 2.0)[1]


@examples(max_examples=40)
@given(ORIGINS, st.sampled_from([0.05, 0.5]))
def test_evidence_over_time_knows_later_parts(origins, late):
    origins = [replace(one, part=place // 2) for place, one in enumerate(origins)]

    found = list(evidence_over_time(list(enumerate(origins)), late=late))

    for at, against, in_favour in found:
        expected = evidence(tally(origins[: at + 1], late=late), 2.0)
        assert (against, in_favour) == pytest.approx(expected, abs=1e-9)


def test_harm_after_a_long_good_time_is_found_sooner_where_parts_are_told():
    good = Origin(0.5, 1000, 1000)
    bad = [Origin(0.5, 40, 8), Origin(0.5, 40, 8, part=1)]

    assert (
        log_evidence(tally([good, bad[0]], late=0.1), 1.0)[0]
        < math.log(20)
        < log_evidence(tally([good, bad[1]], late=0.1), 1.0)[0]
    )


@pytest.mark.parametrize("late", [-0.1, 1.0])
def test_not_all_of_the_prior_is_for_late_harm(late):
    with pytest.raises(ValueError, match="late="):
        tally([Origin(0.5, 1, 1)], late=late)


@examples(max_examples=40)
@given(ORIGINS, MARGINS, st.sampled_from([0.05, 0.01]))
def test_the_ratios_bounds_say_what_the_evidence_says(origins, margin, alpha):
    counts, limit = tally(origins), -math.log(alpha)

    low, estimate, high = risk_ratio(counts, (limit, limit))
    against, in_favour = evidence(counts, margin)

    assert low <= estimate <= high
    if abs(against - limit) > 1e-6:
        assert (low > 1) == (against > limit)
    if abs(in_favour - limit) > 1e-6:
        assert (high < margin) == (in_favour > limit)


@pytest.mark.parametrize(
    ("origins", "estimate"),
    [
        ([Origin(0.5, 20, 10)], 2.0),
        ([Origin(0.1, 10, 45)], 2.0),  # 10 / 0.1 against 45 / 0.9
        ([Origin(0.1, 10, 45), Origin(0.5, 20, 10)], 2.0),
        ([Origin(0.5, 3, 2_000_000)], 1.5e-6),
        ([Origin(0.5, 2_000_000, 3)], 2e6 / 3),
        ([Origin(0.5, 3, 4_000_000)], 0.0),  # below a millionth
        ([Origin(0.5, 4_000_000, 3)], math.inf),
        ([Origin(0.5, 0, 10)], 0.0),
        ([Origin(0.5, 10, 0)], math.inf),
    ],
)
def test_the_estimate_is_the_most_likely_ratio(origins, estimate):
    assert risk_ratio(tally(origins), (3.0, 3.0))[1] == pytest.approx(estimate, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("bad", [(0.0, 1, 1, 0), (1.0, 1, 1, 0), (0.5, -1, 1, 0), (0.5, 1, -1, 0), (0.5, 1, 1, -1)])
def test_an_origin_has_a_weight_between_0_and_1_and_counts(bad):
    with pytest.raises(ValueError, match="weight lies in"):
        Origin(*bad)
