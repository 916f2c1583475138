"""What a plan may not say: each contradiction names its field. Pure: no ORM, clock or settings."""

from collections.abc import Callable
from datetime import datetime, time
from math import isfinite
from zoneinfo import ZoneInfo, available_timezones

from monitoring.trials.guards import EVENTS
from rollouts.plans.parts import Freeze, Guardrail, Plan, PlanError, Shadow, Step
from serving.contract import BASIS_POINTS

LONGEST_S = 90 * 86_400
MOST_STEPS, MOST_GUARDRAILS, MOST_FREEZES = 20, 20, 50
# Compare both answers to one request, which a shadow alone gives.
PAIRED = ("agreement", "pairs", "paired_errors", "paired_quality")
RATIOS = (*EVENTS, "paired_errors", "paired_quality")  # whose margin is a ratio, of risks or odds
# Which attributes mean something for which kinds; anywhere else they would be read as if they did.
MEANT_FOR = {
    "threshold_ms": ("slow", "timeouts"),
    "output": ("output", "mean", "agreement", "pairs", "paired_quality", "quality"),
    "above": ("output",),
    "below": ("output",),
    "cut": ("agreement", "paired_quality", "quality"),
    "tolerance": ("agreement",),
    "higher_is_better": ("mean", "pairs"),
    "loss": ("quality",),
    "maturity_s": ("quality", "paired_quality"),
}


def check_plan(plan: Plan) -> None:
    """See that a plan is sound.

    Raises:
        PlanError: names the first field that is not.
    """
    if not 0 < plan.alpha <= 0.5:
        raise PlanError("alpha", "a chance above 0 and up to 0.5, such as 0.05")
    if plan.key_column != plan.key_column.strip():
        raise PlanError("key_column", "the name of an input column, without blanks around it")
    _seconds("max_duration_s", plan.max_duration_s, least=60)
    if plan.shadow:
        _check_shadow(plan.shadow)
    _each("steps", plan.steps, MOST_STEPS, "such as 5% for half an hour")
    before = 0
    for i, step in enumerate(plan.steps):
        _check_step(f"steps[{i}]", step, before)
        before = step.weight_bp
    _each("guardrails", plan.guardrails, MOST_GUARDRAILS, "without any nothing is ever known")
    names: set[str] = set()
    for i, guard in enumerate(plan.guardrails):
        _check_guardrail(f"guardrails[{i}]", guard, names, has_shadow=plan.shadow is not None)
        names.add(guard.name)
    if not any(guard.decides for guard in plan.guardrails):
        raise PlanError("guardrails", "at least one decides: the way to 100% rests on its pass")
    least = sum(step.hold_s for step in plan.steps) + (plan.shadow.duration_s if plan.shadow else 0)
    if plan.max_duration_s < least:
        raise PlanError(
            "max_duration_s", f"phases and steps alone take {least} seconds, so it would never be done in time"
        )
    if len(plan.freezes) > MOST_FREEZES:
        raise PlanError("freezes", f"at most {MOST_FREEZES}")
    for i, freeze in enumerate(plan.freezes):
        check_freeze(f"freezes[{i}]", freeze)


def _each(field: str, rows: list[Step] | list[Guardrail], most: int, why: str) -> None:
    if not rows:
        raise PlanError(field, f"at least one: {why}" if field == "guardrails" else f"at least one, {why}")
    if len(rows) > most:
        raise PlanError(field, f"at most {most}")


def _seconds(field: str, value: int, *, least: int = 0) -> None:
    if not least <= value <= LONGEST_S:
        raise PlanError(field, f"from {least} to {LONGEST_S} seconds")


def _count(field: str, value: int, *, least: int = 0) -> None:
    if not least <= value <= 10**9:
        raise PlanError(field, f"a count from {least} to 1,000,000,000")


def _check_shadow(shadow: Shadow) -> None:
    if not 0 < shadow.share_bp <= BASIS_POINTS:
        raise PlanError("shadow.share_bp", f"from 1 to {BASIS_POINTS} basis points; leave the phase out for none")
    _seconds("shadow.duration_s", shadow.duration_s)
    _count("shadow.min_pairs", shadow.min_pairs, least=1)


def _check_step(at: str, step: Step, before: int) -> None:
    if not before < step.weight_bp < BASIS_POINTS:
        raise PlanError(
            f"{at}.weight_bp", f"above {before} and below {BASIS_POINTS} basis points, growing from step to step"
        )
    _seconds(f"{at}.hold_s", step.hold_s)
    _count(f"{at}.min_requests", step.min_requests, least=1)
    _count(f"{at}.min_callers", step.min_callers)
    _count(f"{at}.min_failures", step.min_failures)


def _check_guardrail(at: str, guard: Guardrail, names: set[str], *, has_shadow: bool) -> None:
    if not 0 < len(guard.name) <= 60 or not guard.name.isprintable() or guard.name != guard.name.strip():
        raise PlanError(f"{at}.name", "1 to 60 printable characters")
    if guard.name in names:
        raise PlanError(f"{at}.name", f"{guard.name} is there already")
    if not (isfinite(guard.alpha_share) and 0 < guard.alpha_share <= 1000):
        raise PlanError(f"{at}.alpha_share", "above 0 and up to 1,000; 1 for an equal share")
    for name in ("margin", "threshold_ms", "above", "below", "cut", "tolerance"):
        value = getattr(guard, name)
        if value is not None and not isfinite(value):
            raise PlanError(f"{at}.{name}", "a finite number")
    for name, kinds in MEANT_FOR.items():
        if guard.kind not in kinds and getattr(guard, name) not in (None, "", 0):
            raise PlanError(f"{at}.{name}", f"means nothing for {guard.kind}; it is for {' and '.join(kinds)}")
    if guard.kind in PAIRED and not has_shadow:
        raise PlanError(
            f"{at}.kind", f"{guard.kind} compares answers to the same request: the plan needs a shadow phase"
        )
    MARGINS[guard.kind](at, guard)
    if not 0 <= guard.threshold_ms <= 600_000:
        raise PlanError(f"{at}.threshold_ms", "from 0 (slow: the champion's 99th percentile) to 600,000 milliseconds")
    if guard.kind == "output" and (guard.above is None) == (guard.below is None):
        raise PlanError(f"{at}.above", "either above or below says which outputs are counted")
    if guard.tolerance < 0:
        raise PlanError(f"{at}.tolerance", "0 or more")
    if guard.tolerance and guard.cut is not None:
        raise PlanError(f"{at}.tolerance", "decisions are alike by their cut, or numbers by a tolerance; not both")
    if guard.kind == "quality":
        _check_quality(at, guard)
    if guard.kind == "paired_quality":
        _seconds(f"{at}.maturity_s", guard.maturity_s, least=1)


def _check_quality(at: str, guard: Guardrail) -> None:
    if not guard.loss:
        raise PlanError(f"{at}.loss", "says how an answer is held against its label, such as log_loss")
    if guard.cut is not None and guard.loss != "correct":
        raise PlanError(f"{at}.cut", f"the loss {guard.loss} has none; only correct has")
    _seconds(f"{at}.maturity_s", guard.maturity_s, least=1)


def _margin_of_ratio(at: str, guard: Guardrail) -> None:
    if not 1 < guard.margin <= 16:
        raise PlanError(f"{at}.margin", "the ratio of risks that a pass rules out: above 1 and up to 16, such as 2")


def _margin_of_difference(at: str, guard: Guardrail) -> None:
    if guard.margin <= 0:
        raise PlanError(f"{at}.margin", "the difference that is still allowed: above 0, in the metric's own unit")


def _margin_of_share(at: str, guard: Guardrail) -> None:
    if not 0 < guard.margin < 1:
        raise PlanError(f"{at}.margin", "the least share of answers that agree: between 0 and 1, such as 0.98")


MARGINS: dict[str, Callable[[str, Guardrail], None]] = {
    **dict.fromkeys(RATIOS, _margin_of_ratio),
    "mean": _margin_of_difference,
    "pairs": _margin_of_difference,
    "quality": _margin_of_difference,
    "agreement": _margin_of_share,
}


def check_freeze(at: str, freeze: Freeze) -> None:
    """See that one freeze says when it holds, once or weekly.

    Raises:
        PlanError: names the field that does not.
    """
    if not freeze.reason.strip():
        raise PlanError(f"{at}.reason", "why nothing moves meanwhile; people who wait read it")
    once, weekly = freeze.starts_at or freeze.ends_at, freeze.days or freeze.from_time or freeze.to_time
    if bool(once) == bool(weekly):
        raise PlanError(at, "either once (starts_at, ends_at) or weekly (days, from_time, to_time)")
    if once:
        starts, ends = (_instant(f"{at}.{name}", getattr(freeze, name)) for name in ("starts_at", "ends_at"))
        if ends <= starts:
            raise PlanError(f"{at}.ends_at", "after starts_at")
        return
    if not freeze.days or set(freeze.days) - set(range(7)) or len(set(freeze.days)) != len(freeze.days):
        raise PlanError(f"{at}.days", "days of the week, each once, from 0 (Monday) to 6")
    times = [_time(f"{at}.{name}", getattr(freeze, name)) for name in ("from_time", "to_time")]
    if times[0] == times[1]:
        raise PlanError(f"{at}.to_time", "another time than from_time; an earlier one is of the next day")
    if freeze.time_zone not in available_timezones():
        raise PlanError(f"{at}.time_zone", "a name such as Europe/Berlin")
    ZoneInfo(freeze.time_zone)


def _instant(field: str, text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise PlanError(field, "an instant with its offset, such as 2026-12-24T18:00+01:00") from None
    if instant.tzinfo is None:
        raise PlanError(field, "an instant with its offset, such as 2026-12-24T18:00+01:00")
    return instant


def _time(field: str, text: str) -> time:
    try:
        at = time.fromisoformat(text)
    except ValueError:
        raise PlanError(field, 'a time of day, such as "18:00"') from None
    if at.tzinfo is not None:
        raise PlanError(field, 'a time of day without offset, such as "18:00"; time_zone says of where')
    return at
