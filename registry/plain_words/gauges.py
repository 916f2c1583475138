"""A result and its target as places on a scale."""

import math
from dataclasses import dataclass

from registry.criteria import Measured
from registry.metric_words import MetricWords
from registry.plain_words.numbers import Shown, enough_digits
from registry.plain_words.rules import Rule, shown, target_label


@dataclass(frozen=True)
class Gauge:
    """Places on a scale, in per cent of its width, with the words below its ends."""

    value_from: float
    value: float
    target: float
    low: float | None
    high: float | None
    left: str
    right: str
    about: str

    @property
    def width(self) -> float:
        """How wide the bar of the value is."""
        return round(self.value - self.value_from, 2)

    @property
    def range_width(self) -> float:
        """How wide the line of the interval is."""
        return round((self.high or 0) - (self.low or 0), 2)


def gauge_of(rule: Rule, measured: Measured, words: MetricWords, show: Shown) -> Gauge:
    """Place the result, what chance allows and the target on one scale."""
    ends = [measured.value, rule.threshold, *(e for e in (measured.low, measured.high) if e is not None)]
    largest = max(abs(end) for end in ends) * words.scale
    span = _round_up(largest)
    if words.most is not None and not rule.against_champion and largest > words.most / 5:
        span = words.most
    left = -span if any(end < 0 for end in ends) or rule.against_champion else 0.0

    def place(value: float) -> float:
        return round(min(max((value * words.scale - left) / (span - left), 0.0), 1.0) * 100, 2)

    zero, value = place(0.0), place(measured.value)
    shown_ends = Shown(1.0, enough_digits(span))
    about = f"{show(measured.value)}, {target_label(rule, words)}"
    if measured.low is not None and measured.high is not None:
        near = shown(rule, words, measured.low, measured.high)
        about += f", likely {near(measured.low)} to {near(measured.high)}"
    return Gauge(
        value_from=min(zero, value), value=max(zero, value), target=place(rule.threshold),
        low=None if measured.low is None else place(measured.low),
        high=None if measured.high is None else place(measured.high),
        left=shown_ends(left), right=shown_ends(span), about=about,
    )  # fmt: skip


def _round_up(value: float) -> float:
    """Return the next of 1, 2, 5, 10, 20, … times a power of ten; 1 for nothing."""
    if not value:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value * (1 - 1e-9))
