"""The e-process on the origin of failures: values worked out by hand, and what holds whatever the counts."""

import ast
import math
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rollouts.verdicts
from rollouts.verdicts import Origin, evidence_over_time
from rollouts.verdicts.origins import RATIOS, evidence, log_evidence, tally

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
    assert len(RATIOS) == 12
    assert (RATIOS[0], RATIOS[-1]) == (pytest.approx(1.25), pytest.approx(16))
    assert np.ptp(np.diff(np.log(RATIOS))) == pytest.approx(0, abs=1e-12)


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


@given(ORIGINS, MARGINS, WEIGHTS)
def test_each_failure_speaks_against_its_arm(origins, margin, weight):
    against, in_favour = evidence(tally(origins), margin)

    worse = evidence(tally([*origins, Origin(weight, 1, 0)]), margin)
    better = evidence(tally([*origins, Origin(weight, 0, 1)]), margin)

    assert worse[0] > against > better[0]
    assert worse[1] < in_favour < better[1]


@given(ORIGINS, MARGINS)
def test_swapping_the_arms_swaps_the_evidence(origins, null):
    swapped = [Origin(1 - one.weight, one.champion, one.canary) for one in origins]

    here = log_evidence(tally(origins), null)
    there = log_evidence(tally(swapped), 1 / null, below=True)

    assert here == pytest.approx(there, rel=1e-9, abs=1e-9)


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
