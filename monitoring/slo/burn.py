"""Which burn rates call for a person: multi-window, multi-burn-rate rules, scaled to an objective's window. Pure arithmetic.

Where few ask, one failure is a high rate. A rule calls only if its long look-back bears it out, see :func:`is_borne_out`.

Source: Google SRE Workbook, ch. 5, "Alerting on SLOs", table 5-8, for 30 days, and "Low-Traffic Services and Error Budget Alerting".
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from math import ceil, exp, log

from monitoring.slo.arithmetic import burn_rate

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
    def middle(self) -> timedelta:
        """How far it looks back instead of ``short`` where that holds too few events: three times as far."""
        return self.short * 3

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


LEAST_FAILURES = 3  # fewer call nobody
LEAST_EVENTS = 3  # fewer do not tell whether it still goes on
CHANCE = 0.01  # that a model which keeps its promise shows as many failures


@dataclass(frozen=True)
class LookBack:
    """What was counted in one look-back.

    Attributes:
        bad, total: events, or time slices.
        failed: failed requests within what is bad; None where no request fails by itself, as in slices of cost.
    """

    bad: int = 0
    total: int = 0
    failed: int | None = None


@dataclass(frozen=True)
class Seen:
    """What one rule looks at: its look-backs, and one between them, should the short one hold too little."""

    long: LookBack = LookBack()
    middle: LookBack = LookBack()
    short: LookBack = LookBack()


def is_borne_out(back: LookBack, *, objective: float, slices: bool = False) -> bool:
    """Tell whether failures are too many for bad luck: at least three, and as many by chance in at most one of 100 look-backs.

    Chance is that of a model that spends its budget just in time. Of time slices the failures alone are asked for: slices
    that follow each other are no independent trials.

    Source: Hoeffding (1963), "Probability Inequalities for Sums of Bounded Random Variables", theorem 1.
    """
    if back.failed is None:
        return True
    return back.failed >= LEAST_FAILURES and (slices or chance_at_most(back.bad, back.total, 1 - objective) <= CHANCE)


def chance_at_most(bad: int, total: int, share: float) -> float:
    """Return an upper bound of the chance of ``bad`` or more of ``total`` independent events, each with the chance ``share``.

    Raises: ValueError if an argument is out of range.
    """
    if not (0 <= bad <= total and 0 < share < 1):
        raise ValueError(f"{bad=} {total=} {share=}")
    if bad <= share * total:
        return 1.0
    seen = bad / total
    divergence = seen * log(seen / share) + (0.0 if bad == total else (1 - seen) * log((1 - seen) / (1 - share)))
    return exp(-total * divergence)


@dataclass(frozen=True)
class Burn:
    """How fast the budget burns by one rule: rates are None where nothing was counted in that look-back.

    Attributes:
        counted: what the long look-back holds, and ``bears_out`` whether those are failures enough to call somebody.
        widened: how far the short look-back reaches in truth: further where it held too few events to tell.
    """

    rule: BurnRule
    long: float | None
    short: float | None
    counted: LookBack
    bears_out: bool
    widened: timedelta

    @property
    def widened_s(self) -> int:
        """How far the short look-back reaches, in seconds."""
        return int(self.widened.total_seconds())

    @property
    def is_thin(self) -> bool:
        """Whether it burns by so few failures that nobody is called."""
        return self.is_fast and not self.bears_out

    @property
    def is_fast(self) -> bool:
        """Whether both look-backs burn at the rule's rate or faster, be it by a single failure."""
        return (self.long or 0.0) >= self.rule.rate and (self.short or 0.0) >= self.rule.rate

    @property
    def burning(self) -> bool | None:
        """Whether the rule calls for somebody; None where there is too little to tell by, so that an alert neither comes nor goes."""
        if self.long is None:
            return None
        if self.is_thin:
            return None
        return self.is_fast


def burns(
    rules: Iterable[BurnRule], counted: Mapping[str, Seen], *, objective: float, slices: bool = False
) -> list[Burn]:
    """Return how fast the budget burns by each rule.

    Args:
        counted: by a rule's name.
        slices: the budget is one of time slices.
    """
    found = []
    for rule in rules:
        of = counted.get(rule.name, Seen())
        backs = ((of.short, rule.short), (of.middle, rule.middle), (of.long, rule.long))
        told = (back for back in backs if back[0].total >= LEAST_EVENTS)
        lately, reach = next(told, backs[2] if of.long.total else backs[0])
        long, short = (burn_rate(bad=back.bad, total=back.total, objective=objective) for back in (of.long, lately))
        bears_out = is_borne_out(of.long, objective=objective, slices=slices)
        found.append(Burn(rule, long, short, of.long, bears_out, reach))
    return found


def outage_calls_after(
    burns: Iterable[Burn], *, objective: float, severity: Severity = Severity.PAGE
) -> timedelta | None:
    """Return after how long a complete outage would call somebody, at the traffic of the look-backs; None: never.

    Of occurrences alone. Traffic is taken to come evenly.
    """
    found = []
    for burn in burns:
        total = burn.counted.total
        if burn.rule.severity is not severity or not total:
            continue
        least = max(LEAST_FAILURES, ceil(burn.rule.rate * (1 - objective) * total))
        enough = (n for n in range(least, total + 1) if is_borne_out(LookBack(n, total, n), objective=objective))
        if (failures := next(enough, None)) is not None:
            found.append(burn.rule.long * (failures / total))
    return min(found, default=None)
