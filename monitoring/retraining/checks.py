"""What a retraining policy may not say: each contradiction names its field. Pure: no ORM, clock or settings."""

from datetime import time
from math import isfinite
from typing import Any
from zoneinfo import available_timezones

import msgspec

from monitoring.retraining.parts import GROUPS, Condition, Policy, PolicyError, Quiet
from monitoring.retraining.turns import CronError, check_cron

MOST_CONDITIONS = 20
HOUR_S = 3600
LONGEST_S = 400 * 86_400
# The fields each kind may have beside its kind; those marked must be given.
FIELDS: dict[str, dict[str, bool]] = {
    "any": {"conditions": True},
    "all": {"conditions": True},
    "schedule": {"cron": True, "time_zone": True},
    "drift": {"features": False, "share": False, "feature": False, "severity": False},
    "quality": {"metric": True, "below": False, "above": False, "spans": False, "span_s": False, "early": False,
                "part": False},
    "labels": {"labels": True},
    "budget": {"objective": False, "left_below": True},
}  # fmt: skip
DRIFT_FIELDS = tuple(FIELDS["drift"])


def read_policy(document: Any) -> Policy:
    """Return the policy that a document of plain values holds.

    Raises:
        PolicyError: a value is missing, unknown, of another type or contradicts another one.
    """
    try:
        policy = msgspec.convert(document, Policy)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at `$")
        raise PolicyError(where.rstrip("`").lstrip(".") or "policy", message) from None
    check_policy(policy)
    return policy


def policy_document(policy: Policy) -> dict[str, Any]:
    """Return a policy as plain values, as it is kept."""
    document: dict[str, Any] = msgspec.to_builtins(policy)
    return document


def check_policy(policy: Policy) -> None:
    """See that a policy is sound; whether pipeline, suite and data set exist, the service says.

    Raises:
        PolicyError: names the first field that is not.
    """
    if policy.when.kind not in GROUPS:
        raise PolicyError("when.kind", "any or all: whether one of the conditions is enough, or each must hold")
    _check(policy.when, "when", depth=0)
    if len(policy.when.leaves()) > MOST_CONDITIONS:
        raise PolicyError("when.conditions", f"at most {MOST_CONDITIONS}")
    _between("window_days", policy.window_days, 1 / 1440, 3660)
    for name in ("maturity_s", "cooldown_s"):
        _between(name, getattr(policy, name), 0, LONGEST_S)
    _between("look_every_s", policy.look_every_s, 1, 86_400)
    _between("min_labels", policy.min_labels, 100, 10**9)
    _between("runs_per_week", policy.runs_per_week, 1, 100)
    _between("held_out", policy.held_out, 0.05, 0.6)
    _between("validation", policy.validation, 0.05, 0.4)
    _between("better_by", policy.better_by, 0, 10**9)
    if policy.maturity_s >= policy.window_days * 86_400:
        raise PolicyError("window_days", "longer than predictions wait for their labels (maturity_s)")
    if policy.quiet:
        _check_quiet(policy.quiet)


def _check(condition: Condition, at: str, *, depth: int) -> None:
    allowed = FIELDS[condition.kind]
    defaults = Condition(condition.kind)
    for field in condition.__struct_fields__[1:]:
        given = getattr(condition, field) != getattr(defaults, field)
        if given and field not in allowed:
            raise PolicyError(
                f"{at}.{field}", f"means nothing for {condition.kind}, whose fields are {', '.join(allowed)}"
            )
        if allowed.get(field) and not given:
            raise PolicyError(f"{at}.{field}", f"a condition of kind {condition.kind} needs it")
    if condition.kind in GROUPS:
        if depth > 1:
            raise PolicyError(f"{at}.kind", "a group within a group holds no third one")
        for i, one in enumerate(condition.conditions):
            _check(one, f"{at}.conditions[{i}]", depth=depth + 1)
    elif condition.kind in CHECKS:
        CHECKS[condition.kind](condition, at)


def _schedule(condition: Condition, at: str) -> None:
    try:
        check_cron(condition.cron)
    except CronError as error:
        raise PolicyError(f"{at}.cron", str(error)) from None
    _zone(f"{at}.time_zone", condition.time_zone)


def _drift(condition: Condition, at: str) -> None:
    given = [name for name in DRIFT_FIELDS if getattr(condition, name) not in (None, "")]
    if len(given) != 1:
        raise PolicyError(at, f"one of {', '.join(DRIFT_FIELDS)} says when inputs have drifted enough")
    if condition.features is not None:
        _between(f"{at}.features", condition.features, 1, 10_000)
    if condition.share is not None:
        _between(f"{at}.share", condition.share, 0.001, 1)


def _quality(condition: Condition, at: str) -> None:
    if (condition.below is None) == (condition.above is None):
        raise PolicyError(at, "below or above says which limit the metric is not to pass")
    for name in ("below", "above"):
        value = getattr(condition, name)
        if value is not None and not isfinite(value):
            raise PolicyError(f"{at}.{name}", "a finite number")
    _between(f"{at}.spans", condition.spans, 1, 100)
    _between(f"{at}.span_s", condition.span_s, HOUR_S, LONGEST_S)
    if condition.span_s % HOUR_S:
        raise PolicyError(f"{at}.span_s", "whole hours, in seconds")


def _labels(condition: Condition, at: str) -> None:
    assert condition.labels is not None  # noqa: S101  needed by its kind
    _between(f"{at}.labels", condition.labels, 1, 10**9)


def _budget(condition: Condition, at: str) -> None:
    assert condition.left_below is not None  # noqa: S101  needed by its kind
    _between(f"{at}.left_below", condition.left_below, -1000, 1)


CHECKS = {"schedule": _schedule, "drift": _drift, "quality": _quality, "labels": _labels, "budget": _budget}


def _check_quiet(quiet: Quiet) -> None:
    for name in ("begins", "ends"):
        try:
            time.fromisoformat(getattr(quiet, name))
        except ValueError:
            raise PolicyError(f"quiet.{name}", "a time of day such as 22:00") from None
    if quiet.begins == quiet.ends:
        raise PolicyError("quiet.ends", "another time than the beginning")
    _zone("quiet.time_zone", quiet.time_zone)


def _zone(field: str, name: str) -> None:
    if name not in available_timezones():
        raise PolicyError(field, "a time zone by its name, such as Europe/Paris or UTC")


def _between(field: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise PolicyError(field, f"from {least:g} to {most:,g}")
