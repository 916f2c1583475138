"""Which burn rates call for a person: multi-window, multi-burn-rate rules, scaled to an objective's window. Pure arithmetic.

Source: Google SRE Workbook, ch. 5, "Alerting on SLOs", table 5-8, for 30 days.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from monitoring.slo import burn_rate

REFERENCE = timedelta(days=30)
GRAIN = timedelta(minutes=5)  # what counts can tell apart
LEAST_LONG = 3 * GRAIN  # below it a handful of requests would decide


class Severity(StrEnum):
    """What a rule asks for: a person at once, or one within days."""

    PAGE = "page"
    TICKET = "ticket"


@dataclass(frozen=True)
class BurnRule:
    """One rule: both look-backs have to burn at ``rate`` or faster.

    Attributes:
        share: of the budget that is spent when the long look-back burns at exactly ``rate``.
        long: what says that enough was spent; ``short``, a twelfth of it, that it still goes on.
        rate: burn rate; 1 spends the budget just in time.
    """

    name: str
    severity: Severity
    share: float
    long: timedelta
    short: timedelta
    rate: float

    @property
    def long_s(self) -> int:
        """The long look-back in seconds."""
        return int(self.long.total_seconds())

    @property
    def short_s(self) -> int:
        """The short look-back in seconds."""
        return int(self.short.total_seconds())


BASE = (
    ("fast", Severity.PAGE, 0.02, timedelta(hours=1)),  # x 14.4 over 30 days
    ("slow", Severity.PAGE, 0.05, timedelta(hours=6)),  # x 6
    ("day", Severity.TICKET, 0.10, timedelta(days=1)),  # x 3
    ("days", Severity.TICKET, 0.10, timedelta(days=3)),  # x 1
)


def rules_for(window: timedelta) -> list[BurnRule]:
    """Return the rules of an objective over ``window``.

    Look-backs grow and shrink with the window: those for 30 days times window ÷ 30 days, in whole five minutes, the long one at least
    15 and the short one (a twelfth of it) at least five. The rate follows, so that a rule stands for the same share of the budget
    whatever the window is: share x window ÷ long look-back.

    Raises: ValueError: the window is not longer than every long look-back.
    """
    if window <= LEAST_LONG:
        raise ValueError(f"{window=}")
    rules = []
    for name, severity, share, length in BASE:
        long = max(_whole(length * (window / REFERENCE)), LEAST_LONG)
        short = max(_whole(long / 12), GRAIN)
        rules.append(BurnRule(name, severity, share, long, short, share * (window / long)))
    return rules


def _whole(length: timedelta) -> timedelta:
    return round(length / GRAIN) * GRAIN


@dataclass(frozen=True)
class Burn:
    """How fast the budget burns by one rule: None where nothing was counted in that look-back."""

    rule: BurnRule
    long: float | None
    short: float | None

    @property
    def burning(self) -> bool | None:
        """Whether both look-backs burn; None where there is nothing in the long one to tell by.

        A short look-back without traffic ends an alert: nothing is burnt while nobody asks.
        """
        if self.long is None:
            return None
        return self.long >= self.rule.rate and (self.short or 0.0) >= self.rule.rate


def burns(rules: Iterable[BurnRule], counted: dict[str, tuple[int, int, int, int]], *, objective: float) -> list[Burn]:
    """Return how fast the budget burns by each rule.

    Args:
        counted: by a rule's name (bad, total) of its long and (bad, total) of its short look-back.
    """
    found = []
    for rule in rules:
        bad, total, short_bad, short_total = counted.get(rule.name, (0, 0, 0, 0))
        long = burn_rate(bad=bad, total=total, objective=objective)
        found.append(Burn(rule, long, burn_rate(bad=short_bad, total=short_total, objective=objective)))
    return found
