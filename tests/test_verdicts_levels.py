"""The levels that verdicts are tested at, and how alpha is shared out."""

import math

import pytest

from rollouts.verdicts import split_alpha


def test_alpha_is_shared_out_equally_or_by_weight():
    assert split_alpha(0.06, ["errors", "latency"]) == {"errors": 0.03, "latency": 0.03}
    assert split_alpha(0.06, ["errors", "latency", "cost"], {"errors": 4}) == pytest.approx(
        {"errors": 0.04, "latency": 0.01, "cost": 0.01}
    )
    assert split_alpha(0.06, ["errors", "latency"], {"errors": 0.5}) == pytest.approx({"errors": 0.02, "latency": 0.04})


@pytest.mark.parametrize(
    ("alpha", "names", "weights", "message"),
    [
        (0, ["a"], None, "alpha=0"),
        (1, ["a"], None, "alpha=1"),
        (0.05, [], None, "Each guardrail"),
        (0.05, ["a", "a"], None, "Each guardrail"),
        (0.05, ["a"], {"b": 1}, "unknown guardrails: \\['b'\\]"),
        (0.05, ["a"], {"a": 0}, "above 0"),
        (0.05, ["a"], {"a": math.inf}, "above 0"),
    ],
)
def test_alpha_is_not_shared_out_among(alpha, names, weights, message):
    with pytest.raises(ValueError, match=message):
        split_alpha(alpha, names, weights)
