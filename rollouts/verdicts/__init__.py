"""Verdicts on a candidate that stay valid while one watches. Pure arithmetic: numbers in, verdicts out.

``docs/verdicts.md`` says what they mean and what they cannot see.
"""

from rollouts.verdicts.failures import judge_failures
from rollouts.verdicts.labelled import judge_labelled
from rollouts.verdicts.levels import split_alpha
from rollouts.verdicts.means import judge_differences, judge_mean
from rollouts.verdicts.origins import evidence_over_time
from rollouts.verdicts.pairs import judge_agreement, judge_pairs
from rollouts.verdicts.verdict import Coverage, Exposure, Origin, Outcome, Pairs, Sample, Verdict
from rollouts.verdicts.waiting import requests_to_fail, requests_to_pass

__all__ = [
    "Coverage",
    "Exposure",
    "Origin",
    "Outcome",
    "Pairs",
    "Sample",
    "Verdict",
    "evidence_over_time",
    "judge_agreement",
    "judge_differences",
    "judge_failures",
    "judge_labelled",
    "judge_mean",
    "judge_pairs",
    "requests_to_fail",
    "requests_to_pass",
    "split_alpha",
]
