"""Service level objectives in numbers: burn rates, error budgets, latency against a threshold. Pure arithmetic."""

from collections.abc import Iterable, Sequence
from enum import StrEnum

from monitoring.telemetry import LATENCY_BINS, Counts
from serving.contract import LATENCY_EDGES_US


class Standing(StrEnum):
    """How an objective stands."""

    NO_DATA = "no data"
    MET = "met"
    BURNING = "burning"
    MISSED = "missed"


def burn_rate(*, bad: int, total: int, objective: float) -> float | None:
    """Return error-budget burn rate (ratio); 1.0 spends the budget exactly over the SLO window.

    Args:
        bad: failed requests in the look-back window (count, 0 <= bad <= total).
        total: all requests in that window (count).
        objective: promised good fraction in (0, 1), e.g. 0.999.

    Returns: None without traffic: no data is not good data.
    Raises: ValueError if an argument is out of range.
    Source: Google SRE Workbook, ch. 5, "Alerting on SLOs".
    """
    if not (0 <= bad <= total and 0 < objective < 1):
        raise ValueError(f"{bad=} {total=} {objective=}")
    return (bad / total) / (1 - objective) if total else None


def good_share(*, bad: int, total: int) -> float | None:
    """Return the SLI: the share of good requests in [0, 1]; None without traffic."""
    return 1 - bad / total if total else None


def budget_left(*, bad: int, total: int, objective: float) -> float | None:
    """Return the share of the error budget left over the whole SLO window: 1 is untouched, below 0 is overspent.

    Returns: None without traffic.
    Raises: ValueError if an argument is out of range.
    """
    spent = burn_rate(bad=bad, total=total, objective=objective)
    return None if spent is None else 1 - spent


def budget_minutes(*, objective: float, window_minutes: float) -> float:
    """Return the error budget as minutes of complete failure within the window."""
    return (1 - objective) * window_minutes


def slower_than(histogram: Sequence[int], threshold_us: int) -> int:
    """Return how many requests took longer than ``threshold_us``, counted by whole bins.

    Raises:
        ValueError: the threshold is not an edge of the histogram, so the requests of one bin cannot be told apart.
    """
    if threshold_us not in LATENCY_EDGES_US or len(histogram) != LATENCY_BINS:
        raise ValueError(f"{threshold_us=} bins={len(histogram)}")
    return sum(histogram[LATENCY_EDGES_US.index(threshold_us) + 1 :])


def bad_of_total(counts: Counts, threshold_us: int | None) -> tuple[int, int]:
    """Return (bad, total) requests: failed ones of all, or with a threshold the slow ones of those answered."""
    if threshold_us is None:
        return counts.errors, counts.requests
    return slower_than(counts.latency, threshold_us), sum(counts.latency)


def burn_down(steps: Iterable[tuple[int, int]], *, objective: float) -> list[float]:
    """Return the share of the window's budget left after each step, oldest first; empty without traffic.

    The budget is that of all traffic in the window, so the last value is :func:`budget_left`.

    Args:
        steps: (bad, total) of each step of the window.
        objective: promised good fraction in (0, 1).
    """
    steps = list(steps)
    total = sum(t for _, t in steps)
    left = []
    spent = 0
    for bad, _ in steps:
        spent += bad
        share = budget_left(bad=spent, total=total, objective=objective)
        if share is not None:
            left.append(share)
    return left


def standing(*, left: float | None, burning: bool) -> Standing:
    """Tell how an objective stands: missed once its budget is spent, burning where a rule calls for a person.

    Args:
        left: share of the budget left; None without data in the whole window, which is never good.
        burning: whether any rule of ``monitoring.slo.burn`` burns in both of its look-backs.
    """
    if left is None:
        return Standing.NO_DATA
    if left < 0:
        return Standing.MISSED
    return Standing.BURNING if burning else Standing.MET
