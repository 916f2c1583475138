"""How objectives stand, in a number of queries that does not grow with them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import zip_longest
from zoneinfo import ZoneInfo

from monitoring.models import Slo, SloSpan
from monitoring.selectors.prices import Costs, cost_units, costs, prices_of
from monitoring.selectors.slo_sums import (
    LookBacks,
    StatedSpan,
    Unit,
    by_slice_and_version,
    ended,
    length_of,
    look_backs_of,
    spans_of,
    steps_of,
)
from monitoring.slo import arithmetic
from monitoring.slo.burn import Burn, BurnRule, LookBack, Seen, burns, outage_calls_after, rules_for
from monitoring.slo.windows import Window, midnight


@dataclass(frozen=True)
class Step:
    """One hour or day of an objective's window: what happened in it, and the share of the budget left after it."""

    at: datetime
    bad: int
    total: int
    left: float | None  # None where the whole window has no traffic


@dataclass(frozen=True)
class Labels:
    """How far labels have come in the window of an objective on quality.

    Attributes:
        left: of the budget, what is provisional included; None without any data.
        provisional, final: spans that count, and ``missing`` those without enough labels, with why.
    """

    left: float | None
    provisional: int
    final: int
    missing: list[StatedSpan]
    labelled: int
    predictions: int

    @property
    def untold(self) -> int:
        """How many spans have not enough labels."""
        return len(self.missing)


@dataclass(frozen=True)
class SloStatus:
    """How one objective stands.

    Attributes:
        bad, total: events, or time slices, in the objective's window; of quality those that are final.
        sli: share of good ones; None without data.
        left: share of the error budget left, below 0 where overspent; None without data.
        burns: how fast it burns, by each rule.
        steps: the window's hours or days up to now, oldest first.
        costs: of objectives on cost; ``labels``: of those on quality.
    """

    slo: Slo
    window: Window
    bad: int
    total: int
    sli: float | None
    left: float | None
    burns: list[Burn]
    steps: list[Step]
    costs: Costs | None = None
    labels: Labels | None = None
    spans: list[StatedSpan] = field(default_factory=list)

    @property
    def standing(self) -> arithmetic.Standing:
        """Whether the objective is met."""
        return arithmetic.standing(left=self.left, burning=any(burn.burning for burn in self.burns))

    @property
    def fast(self) -> Burn:
        """How fast it burns by the rule with the shortest look-backs."""
        return self.burns[0]

    @property
    def slow(self) -> Burn:
        """How fast it burns by the second rule that calls for a person at once."""
        return self.burns[1]

    @property
    def outage_calls_after(self) -> timedelta | None:
        """After how long a complete outage would call a person at once, at the traffic of the look-backs; None: not, or not known."""
        if self.slo.by_slices or self.slo.kind == Slo.Kind.QUALITY:
            return None
        return outage_calls_after(self.burns, objective=float(self.slo.objective))

    @property
    def spent(self) -> float | None:
        """How many times the budget was spent; 1 is all of it."""
        return None if self.left is None else 1 - self.left

    @property
    def by_hour(self) -> bool:
        """Whether the steps are hours; else they are days."""
        return self.window.by_hour

    @property
    def budget_minutes(self) -> float:
        """The whole budget, as minutes of complete failure."""
        return arithmetic.budget_minutes(objective=float(self.slo.objective), window_minutes=self.window.minutes)

    @property
    def minutes_left(self) -> float | None:
        """What is left of the budget, as minutes of complete failure."""
        return None if self.left is None else self.left * self.budget_minutes

    @property
    def seconds_left(self) -> float | None:
        """What is left of the budget, as seconds of complete failure; none of an overspent one."""
        return None if self.minutes_left is None else max(self.minutes_left, 0) * 60


def slo_statuses(slos: Sequence[Slo], *, now: datetime) -> list[SloStatus]:
    """Return how each objective stands, in a number of queries that does not grow with them."""
    windows = {slo.pk: slo.window(now) for slo in slos}
    rules = {slo.pk: rules_for(windows[slo.pk].length) for slo in slos}
    steps = steps_of(slos, windows, now=now)
    looks = look_backs_of(slos, windows, rules, now=now)
    spans = spans_of(slos, windows)
    dear = [slo for slo in slos if slo.kind == Slo.Kind.COST]
    prices = prices_of({slo.model_id for slo in dear})
    since = {
        slo.pk: min(windows[slo.pk].start, now - max(rule.long for rule in rules[slo.pk])) for slo in dear
    }  # fmt: skip
    rows = by_slice_and_version(dear, since)
    found = []
    for slo in slos:
        window = windows[slo.pk]
        if slo.kind == Slo.Kind.COST:
            units = cost_units(slo, rows[slo.pk], prices[slo.model_id], now=now)
            within = [row for row in rows[slo.pk] if row.started_at >= window.start]
            found.append(
                _of_units(slo, window, rules[slo.pk], units, now, ended(slo, now), costs(within, prices[slo.model_id]))
            )  # fmt: skip
        elif slo.kind == Slo.Kind.QUALITY:
            found.append(_of_spans(slo, window, rules[slo.pk], spans[slo.pk], now))
        else:
            found.append(_of_sums(slo, window, rules[slo.pk], steps[slo.pk], looks, now))
    return found


def _of_sums(
    slo: Slo, window: Window, rules: list[BurnRule], steps: dict[datetime, Unit], looks: LookBacks, now: datetime
) -> SloStatus:
    judged = [steps.get(at, Unit(at, 0, 0)) for at in window.steps(now)]
    return _status(slo, window, judged, _burns(slo, rules, looks[slo.pk]))


def _of_units(
    slo: Slo, window: Window, rules: list[BurnRule], units: list[Unit], now: datetime, until: datetime,
    spent: Costs | None = None,
) -> SloStatus:  # fmt: skip
    found = _burns(slo, rules, _looked_back(slo, rules, units, until))
    judged = _by_step([unit for unit in units if unit.at >= window.start], window, now)
    return _status(slo, window, judged, found, costs=spent)


def _of_spans(slo: Slo, window: Window, rules: list[BurnRule], spans: list[StatedSpan], now: datetime) -> SloStatus:
    final = [span for span in spans if span.state == SloSpan.State.FINAL]
    units = [
        Unit(span.started_at, span.bad, span.total, None if slo.by_slices else span.bad) for span in final if span.total
    ]
    # Labels come late: look-backs reach back from the end of the last span that is final.
    last = max((span.started_at for span in final), default=window.start)
    status = _of_units(slo, window, rules, units, now, last + timedelta(seconds=_seconds(slo)))
    told = [span for span in spans if span.total]
    labels = Labels(
        left=arithmetic.budget_left(
            bad=sum(span.bad for span in told), total=sum(span.total for span in told), objective=float(slo.objective)
        ),
        provisional=sum(span.state == SloSpan.State.PROVISIONAL for span in told),
        final=len(units),
        missing=[span for span in final if not span.total],
        labelled=sum(span.labelled for span in spans),
        predictions=sum(span.predictions for span in spans),
    )
    return replace(status, labels=labels, spans=spans)


def _status(
    slo: Slo, window: Window, judged: list[Unit], found: list[Burn], *, costs: Costs | None = None
) -> SloStatus:
    objective = float(slo.objective)
    bad, total = sum(unit.bad for unit in judged), sum(unit.total for unit in judged)
    shares = arithmetic.burn_down([(unit.bad, unit.total) for unit in judged], objective=objective)
    return SloStatus(
        slo=slo, window=window, bad=bad, total=total,
        sli=arithmetic.good_share(bad=bad, total=total),
        left=arithmetic.budget_left(bad=bad, total=total, objective=objective),
        burns=found,
        steps=[Step(u.at, u.bad, u.total, left) for u, left in zip_longest(judged, shares)],
        costs=costs,
    )  # fmt: skip


def _seconds(slo: Slo) -> int:
    return slo.slice_s or length_of(slo)


def _burns(slo: Slo, rules: list[BurnRule], counted: Mapping[str, Seen]) -> list[Burn]:
    return burns(rules, counted, objective=float(slo.objective), slices=slo.by_slices)


def _looked_back(slo: Slo, rules: Iterable[BurnRule], units: list[Unit], until: datetime) -> dict[str, Seen]:
    length = timedelta(seconds=_seconds(slo))

    def held(back: timedelta) -> LookBack:
        touched = [unit for unit in units if unit.at + length > until - back]
        failed = [unit.failed for unit in touched if unit.failed is not None]
        return LookBack(
            sum(unit.bad for unit in touched), sum(unit.total for unit in touched), sum(failed) if failed else None
        )

    return {rule.name: Seen(held(rule.long), held(rule.middle), held(rule.short)) for rule in rules}


def _by_step(units: list[Unit], window: Window, now: datetime) -> list[Unit]:
    begin = _hour_of if window.by_hour else _day_of(ZoneInfo(window.zone))
    sums: dict[datetime, tuple[int, int]] = {}
    for unit in units:
        bad, total = sums.get(begin(unit.at), (0, 0))
        sums[begin(unit.at)] = bad + unit.bad, total + unit.total
    return [Unit(at, *sums.get(at, (0, 0))) for at in window.steps(now)]


def _hour_of(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def _day_of(zone: ZoneInfo) -> Callable[[datetime], datetime]:
    return lambda at: midnight(at.astimezone(zone).date(), zone)
