"""Verdicts in plain words: one sentence each, for people who do not read formulae."""

import math

from rollouts.verdicts.verdict import Interval, Outcome, Pairs

_ANSWERED = {"canary": "The candidate has", "champion": "The champion has"}


def no_requests(arm: str) -> str:
    """Return why an arm without requests says nothing."""
    return f"{_ANSWERED[arm]} answered no requests yet, so there is nothing to compare."


def why_open_failures(failures: int, ratio: Interval, margin: float) -> str:
    """Return why failures allow no verdict yet."""
    if not failures:
        return "Nothing has failed in either arm yet, so nothing tells them apart."
    return (
        f"From {failures:,} failure{'s' * (failures != 1)} the candidate's risk may be anything from {times(ratio[0])} to {times(ratio[2])} "
        f"the champion's; a verdict needs it to be above 1, or below {margin:g}, for certain."
    )


def failures(
    metric: str, found: Outcome, values: tuple[float | None, float | None], ratio: Interval | None, *,
    margin: float, more: int | None, reason: str,
) -> str:  # fmt: skip
    """Return the sentence of a metric of the error type."""
    champion, canary = values
    if champion is None or canary is None or ratio is None:
        return f"{metric}: no data. {reason}"
    measured = f"{share(canary)} of the candidate's requests against {share(champion)} of the champion's"
    if found is Outcome.FAIL:
        return (
            f"{metric}: worse. {measured}: at least {times(ratio[0])} the champion's risk, more than chance explains."
        )
    if found is Outcome.PASS:
        return f"{metric}: good enough. {measured}: at most {times(ratio[2])} the champion's risk, below the limit of {margin:g} times."
    return f"{metric}: not decided. {measured}. {waiting(more, 'requests')}"


def waiting(more: int | None, what: str) -> str:
    """Return how long a verdict is still expected to take."""
    if more is None:
        return "At this rate no verdict is in sight."
    return f"About {_round(more):,} more {what} are expected to decide it."


def share(value: float) -> str:
    """Return a share as a percentage, with digits enough for a small one."""
    return f"{value:.2%}" if value >= 0.001 or value == 0 else f"{value:.4%}"


def times(ratio: float) -> str:
    """Return a risk ratio, e.g. 2.1 times."""
    return "any number of times" if ratio == math.inf else f"{ratio:.2g} times" if ratio < 10 else f"{ratio:.0f} times"


def _round(n: int) -> int:
    """Return a count with two significant digits: it is an expectation."""
    places = max(0, len(str(n)) - 2)
    return round(n, -places)


def why_open_difference(bounds: Interval, allowed: float) -> str:
    """Return why a difference allows no verdict yet."""
    return (
        f"The difference may be anything from {bounds[0]:+.3g} to {bounds[2]:+.3g}; a verdict needs it to be within, or "
        f"beyond, {allowed:g} for certain."
    )


def difference(
    metric: str, found: Outcome, bounds: Interval | None, *, allowed: float, higher_is_better: bool | None,
    more: int | None, what: str, reason: str,
) -> str:  # fmt: skip
    """Return the sentence of a numeric metric."""
    if bounds is None:
        return f"{metric}: {'no data' if found is Outcome.NO_DATA else 'not decided'}. {reason}"
    measured = f"The candidate differs by {bounds[1]:+.3g} ({bounds[0]:+.3g} to {bounds[2]:+.3g})"
    worse = {True: "worse (lower)", False: "worse (higher)", None: "off"}[higher_is_better]
    if found is Outcome.FAIL:
        return f"{metric}: {worse} by more than the {allowed:g} allowed. {measured}."
    if found is Outcome.PASS:
        return f"{metric}: good enough. {measured}, which is within the {allowed:g} allowed."
    return f"{metric}: not decided. {measured}; {allowed:g} is allowed. {waiting(more, what)}"


def why_open_pairs(pairs: Pairs) -> str:
    """Return why pairs allow no verdict yet."""
    if not pairs.only_champion + pairs.only_candidate:
        return "Both were right or wrong together each time, so nothing tells them apart yet."
    return (
        f"Of {pairs.only_champion + pairs.only_candidate:,} pairs with one right answer the candidate lost "
        f"{pairs.only_champion:,}: that may still be chance."
    )


def pairs(
    metric: str, found: Outcome, counted: Pairs, values: tuple[float | None, float | None], *, margin: float,
    more: int | None, reason: str,
) -> str:  # fmt: skip
    """Return the sentence of paired decisions."""
    champion, canary = values
    if champion is None or canary is None:
        return f"{metric}: no data. {reason}"
    measured = (
        f"Right on {share(canary)} of the same {counted.n:,} requests, the champion on {share(champion)}: where one alone was right, the "
        f"candidate won {counted.only_candidate:,} and lost {counted.only_champion:,}"
    )
    if found is Outcome.FAIL:
        return f"{metric}: worse. {measured}, more than chance explains."
    if found is Outcome.PASS:
        return f"{metric}: good enough. {measured}, less than {margin:g} lost for each won."
    return f"{metric}: not decided. {measured}. {waiting(more, 'pairs')}"


def agreement(
    metric: str, found: Outcome, alike: float | None, *, at_least: float, more: int | None, reason: str
) -> str:
    """Return the sentence of decisions that should be alike."""
    if alike is None:
        return f"{metric}: no data. {reason}"
    measured = f"Both decide alike on {share(alike)} of the same requests; {share(at_least)} is asked for"
    if found is Outcome.FAIL:
        return f"{metric}: too far apart. {measured}, and chance does not explain the gap."
    if found is Outcome.PASS:
        return f"{metric}: near enough. {measured}, and chance does not explain the surplus."
    return f"{metric}: not decided. {measured}. {waiting(more, 'pairs')}"


def unlike_coverage(canary: float, champion: float) -> str:
    """Return why labels that are missing unevenly forbid a verdict."""
    return (
        f"{share(canary)} of the candidate's predictions that are old enough have labels, {share(champion)} of the champion's: labels that are "
        "missing for different reasons make the arms incomparable."
    )
