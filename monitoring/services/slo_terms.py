"""What an objective promises, checked field by field before it becomes a row."""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any, TypedDict
from zoneinfo import ZoneInfo, available_timezones

from monitoring.models import SLICES, LogPolicy, Slo
from monitoring.quality.metrics import BY_KIND
from monitoring.selectors.log import input_columns
from monitoring.selectors.quality import quality_metrics
from monitoring.selectors.quality_policy import quality_policy_of
from monitoring.slo.tally import text_of
from registry.errors import InvalidError
from registry.models import RegisteredModel
from serving.contract import LATENCY_EDGES_US

WINDOW_DAYS = (1, 7, 14, 28, 30, 60, 90)
EDGES_MS = tuple(edge / 1000 for edge in LATENCY_EDGES_US)
KINDS = (Slo.Kind.AVAILABILITY, Slo.Kind.LATENCY, Slo.Kind.QUALITY, Slo.Kind.FRESHNESS, Slo.Kind.COST)
SPANS = {3600: "1 hour", 86_400: "1 day"}  # quality is counted by the hour
LONGEST_WAIT_S = 60 * 86_400
TEXTS: dict[Any, str] = {"name": "", "description": "", "calendar": "", "time_zone": "UTC", "column": "", "metric": ""}
LONGEST_AGE_S = 10 * 366 * 86_400
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)


class Terms(TypedDict, total=False):
    """What people say of an objective; what is left out goes without saying."""

    name: str
    description: str
    kind: str
    objective: Decimal | float | str
    window_days: int | None
    calendar: str
    time_zone: str
    budgeting: str
    slice_s: int | None
    slice_target: float | None
    threshold_ms: float | None
    metric: str
    maturity_s: int | None
    min_coverage: float | None
    column: str
    column_holds: str
    max_age_s: int | None
    input_slice: Mapping[str, object]


# What belongs to some kinds alone.
OWN: dict[str, tuple[str, ...]] = {
    "threshold_ms": (Slo.Kind.LATENCY,),
    "metric": (Slo.Kind.QUALITY,),
    "maturity_s": (Slo.Kind.QUALITY,),
    "min_coverage": (Slo.Kind.QUALITY,),
    "column": (Slo.Kind.FRESHNESS,),
    "column_holds": (Slo.Kind.FRESHNESS,),
    "max_age_s": (Slo.Kind.FRESHNESS,),
}


def fields_of(model: RegisteredModel, terms: Terms) -> dict[str, Any]:
    """Return the columns of an objective that promises ``terms``.

    Raises:
        InvalidError: names the first field that is not acceptable, and what would be.
    """
    kind = terms.get("kind", "")
    if kind not in KINDS:
        raise InvalidError(f"kind must be one of {', '.join(KINDS)}.", field="kind")
    for field, kinds in OWN.items():
        if terms.get(field) not in (None, "") and kind not in kinds:
            raise InvalidError(f"{field} belongs to {' and '.join(kinds)} objectives; leave it out.", field=field)
    columns = set(input_columns(model))
    found: dict[str, Any] = {
        "kind": kind,
        "objective": _objective(terms.get("objective", "")),
        **_window(terms),
        "metric": "",
        "maturity_s": None,
        "min_coverage": None,
        **(_quality(model, terms) if kind == Slo.Kind.QUALITY else _slices(kind, terms)),
        "threshold_us": _threshold_us(kind, terms.get("threshold_ms")),
        **_freshness(kind, terms, columns),
        "input_slice": _input_slice(terms.get("input_slice") or {}, columns),
        "description": (terms.get("description") or "").strip(),
    }
    if kind == Slo.Kind.QUALITY:
        _counted_apart(model, found["input_slice"])
    else:
        _readable(model, found)
    return found | {"name": _name(terms.get("name") or "", found)}


def terms_of(slo: Slo) -> Terms:
    """Return what an objective promises, as people say it; all of it."""
    return {
        "name": slo.name, "description": slo.description, "kind": slo.kind, "objective": _plain(slo.objective),
        "window_days": slo.window_days, "calendar": slo.calendar, "time_zone": slo.time_zone,
        "budgeting": slo.budgeting, "slice_s": slo.slice_s, "slice_target": slo.slice_target,
        "threshold_ms": slo.threshold_ms, "metric": slo.metric, "maturity_s": slo.maturity_s,
        "min_coverage": slo.min_coverage, "column": slo.column, "column_holds": slo.column_holds,
        "max_age_s": slo.max_age_s, "input_slice": slo.input_slice,
    }  # fmt: skip


def told(slo: Slo) -> dict[str, Any]:
    """Return what an objective promises without what goes without saying, for the audit trail."""
    usual = {**TEXTS, "budgeting": Slo.Budgeting.OCCURRENCES, "input_slice": {}, "column_holds": ""}
    return {name: value for name, value in terms_of(slo).items() if value is not None and value != usual.get(name)}


def _objective(objective: Decimal | float | str) -> Decimal:
    try:
        share = Decimal(str(objective))
        sound = 0 < share < 1 and share == round(share, 5)
    except InvalidOperation:
        sound = False
    if not sound:
        raise InvalidError(
            "objective must be a share between 0 and 1 with at most five decimals, such as 0.999.", field="objective"
        )
    return share


def _window(terms: Terms) -> dict[str, Any]:
    unit, days = terms.get("calendar") or "", terms.get("window_days")
    zone = terms.get("time_zone") or "UTC"
    if zone not in available_timezones():
        raise InvalidError("time_zone must be an IANA name, such as Europe/Berlin.", field="time_zone")
    ZoneInfo(zone)
    if unit and unit not in Slo.Unit.values:
        raise InvalidError(f"calendar must be one of {', '.join(Slo.Unit.values)}.", field="calendar")
    if unit and days is not None:
        raise InvalidError(
            "Either window_days (a rolling window) or calendar; leave one of them out.", field="window_days"
        )
    days = None if unit else 30 if days is None else days
    if days is not None and days not in WINDOW_DAYS:
        raise InvalidError(f"window_days must be one of {', '.join(map(str, WINDOW_DAYS))}.", field="window_days")
    return {"calendar": unit, "window_days": days, "time_zone": zone}


def _slices(kind: str, terms: Terms) -> dict[str, Any]:
    usual = Slo.Budgeting.TIMESLICES if kind == Slo.Kind.COST else Slo.Budgeting.OCCURRENCES
    budgeting = terms.get("budgeting") or usual
    length, target = terms.get("slice_s"), terms.get("slice_target")
    if budgeting not in Slo.Budgeting.values:
        raise InvalidError(f"budgeting must be one of {', '.join(Slo.Budgeting.values)}.", field="budgeting")
    if budgeting == Slo.Budgeting.OCCURRENCES:
        if kind == Slo.Kind.COST:
            raise InvalidError(
                "Cost is that of many predictions together, so it is judged by timeslices.", field="budgeting"
            )
        for field, value in (("slice_target", target), ("slice_s", length)):
            if value is not None:
                raise InvalidError(f"{field} belongs to timeslices; leave it out.", field=field)
        return {"budgeting": budgeting, "slice_s": None, "slice_target": None}
    if length not in SLICES:
        lengths = ", ".join(f"{seconds} ({words})" for seconds, words in SLICES.items())
        raise InvalidError(f"slice_s must be one of {lengths}.", field="slice_s")
    if target is None or not 0 < target < float("inf") or (kind != Slo.Kind.COST and target > 1):
        raise InvalidError(
            "slice_target must be the cost of 1,000 predictions up to which a slice is good, above 0."
            if kind == Slo.Kind.COST
            else "slice_target must be the share of good requests from which on a slice is good, such as 0.99.",
            field="slice_target",
        )
    return {"budgeting": budgeting, "slice_s": length, "slice_target": float(target)}


def _quality(model: RegisteredModel, terms: Terms) -> dict[str, Any]:
    """Return what an objective on quality asks of labels; what is left out is as the model's quality policy has it."""
    policy = quality_policy_of(model)
    metric, known = terms.get("metric") or "", quality_metrics(model)
    if metric not in known:
        raise InvalidError(f"metric must be one of {', '.join(known)}.", field="metric")
    counts = BY_KIND[policy.compares][metric].counts_events
    budgeting = terms.get("budgeting") or (
        Slo.Budgeting.OCCURRENCES if counts and terms.get("slice_target") is None else Slo.Budgeting.TIMESLICES
    )
    if budgeting not in Slo.Budgeting.values or (budgeting == Slo.Budgeting.OCCURRENCES and not counts):
        raise InvalidError(
            f"{metric} is no share of events, so it is judged by timeslices.", field="budgeting"
        )  # fmt: skip
    span, target = terms.get("slice_s") or max(SPANS), terms.get("slice_target")
    if span not in SPANS:
        raise InvalidError(f"slice_s must be one of {', '.join(map(str, SPANS))}.", field="slice_s")
    if budgeting == Slo.Budgeting.OCCURRENCES and target is not None:
        raise InvalidError("slice_target belongs to timeslices; leave it out.", field="slice_target")
    if budgeting == Slo.Budgeting.TIMESLICES and (target is None or not isfinite(target)):
        raise InvalidError("slice_target must be the value that makes a slice good.", field="slice_target")
    wait, share = terms.get("maturity_s"), terms.get("min_coverage")
    wait, share = policy.maturity_s if wait is None else wait, policy.min_coverage if share is None else share
    if not 0 <= wait <= LONGEST_WAIT_S:
        raise InvalidError("maturity_s must be 0 to 60 days, in seconds.", field="maturity_s")
    if not 0 < share <= 1:
        raise InvalidError("min_coverage must be a share above 0, up to 1.", field="min_coverage")
    return {
        "budgeting": budgeting, "slice_s": span, "slice_target": target, "metric": metric, "maturity_s": wait,
        "min_coverage": share,
    }  # fmt: skip


def _counted_apart(model: RegisteredModel, asked: Mapping[str, str]) -> None:
    """Refuse a part of the predictions whose quality nobody counts."""
    slices = quality_policy_of(model).slices
    for column, value in asked.items():
        if len(asked) > 1 or value not in [text_of(held) for held in slices.get(column, [])]:
            known = ", ".join(f"{name}={value}" for name, values in slices.items() for value in values) or "none yet"
            raise InvalidError(
                f"The quality of {column}={value} is not counted apart. The model's quality policy names what is: {known}.",
                field="input_slice",
            )


def _threshold_us(kind: str, threshold_ms: float | None) -> int | None:
    if kind != Slo.Kind.LATENCY:
        return None
    if threshold_ms not in EDGES_MS:
        edges = ", ".join(f"{edge:g}" for edge in EDGES_MS)
        raise InvalidError(
            f"threshold_ms must be one of {edges}. Latencies are counted in bins with these edges, so a limit between "
            "two of them cannot be told from its neighbours.",
            field="threshold_ms",
        )
    return LATENCY_EDGES_US[EDGES_MS.index(threshold_ms)]


def _freshness(kind: str, terms: Terms, columns: set[str]) -> dict[str, Any]:
    if kind != Slo.Kind.FRESHNESS:
        return {"column": "", "column_holds": "", "max_age_s": None}
    column, holds, age = (terms.get("column") or "").strip(), terms.get("column_holds"), terms.get("max_age_s")
    if not column or len(column) > 255:
        raise InvalidError("column must name the input that tells how old the values are.", field="column")
    _known("column", column, columns)
    if holds not in Slo.Holds.values:
        raise InvalidError(
            "column_holds must be instant (ISO 8601, or seconds or milliseconds since 1970) or age (in seconds).",
            field="column_holds",
        )
    if age is None or not 0 < age <= LONGEST_AGE_S:
        raise InvalidError("max_age_s must be a number of seconds above 0, up to ten years.", field="max_age_s")
    return {"column": column, "column_holds": holds, "max_age_s": age}


def _input_slice(asked: Mapping[str, object], columns: set[str]) -> dict[str, str]:
    if len(asked) > 5:
        raise InvalidError("input_slice holds at most five inputs.", field="input_slice")
    for column, value in asked.items():
        if not column or not isinstance(value, str | int | float | bool) or len(text_of(value)) > 200:
            raise InvalidError(
                "input_slice is {input: value}, each value a text, a number or true or false.", field="input_slice"
            )
        _known("input_slice", column, columns)
    return {column: text_of(value) for column, value in sorted(asked.items())}


def _known(field: str, column: str, columns: set[str]) -> None:
    if columns and column not in columns:
        raise InvalidError(
            f"{column} is no input of the model; it has {', '.join(sorted(columns))[:500]}.", field=field
        )  # fmt: skip


def _readable(model: RegisteredModel, found: Mapping[str, Any]) -> None:
    """Refuse what the prediction log withholds: nothing could be counted by it."""
    policy = LogPolicy.objects.in_force().filter(model=model).first()
    withheld = policy.columns if policy else {}
    for field, names in (("column", [found["column"]]), ("input_slice", list(found["input_slice"]))):
        for name in names:
            if name in withheld:
                raise InvalidError(
                    f"{name} is withheld from the prediction log, so nothing can be counted by it. Choose another input, or "
                    "change the log's policy on the model's page.",
                    field=field,
                )


def _name(name: str, found: Mapping[str, Any]) -> str:
    name = name.strip() or _usual_name(found)
    if not NAME.fullmatch(name):
        raise InvalidError(
            "name must be of at most 63 small letters, digits and hyphens, and neither begin nor end with a hyphen.",
            field="name",
        )
    return name


def _usual_name(found: Mapping[str, Any]) -> str:
    parts = [
        found["kind"], found["column"], found.get("metric") or "",
        f"{found['threshold_us'] / 1000:g}ms" if found["threshold_us"] else "",
        *(f"{column}-{value}" for column, value in found["input_slice"].items()),
        found["calendar"] or f"{found['window_days']}d",
        "slices" if not found.get("metric") and found["budgeting"] == Slo.Budgeting.TIMESLICES and found["kind"] != Slo.Kind.COST else "",
    ]  # fmt: skip
    words = re.sub(r"[^a-z0-9]+", "-", "-".join(part for part in parts if part).lower())
    return words[:63].strip("-")


def _plain(objective: Decimal) -> str:
    return f"{objective.normalize():f}"
