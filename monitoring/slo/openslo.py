"""Objectives as OpenSLO v1 documents, both ways. Pure: no ORM, clock or settings.

What OpenSLO has no field for goes into annotations under ``control-plane/``. What a document of another origin means is taken from
its own fields where they say it, and refused with the reason where they do not.
Source: OpenSLO specification, apiVersion openslo/v1.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from monitoring.slo.openslo_text import Document, Fault, TextError, documents

VERSION = "openslo/v1"
PREFIX = "control-plane/"
SOURCE = "control-plane"
OTHER_KINDS = ("AlertCondition", "AlertNotificationTarget", "AlertPolicy", "DataSource", "Service")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
CALENDAR = {"day": "1d", "week": "1w", "month": "1M", "quarter": "1Q"}
CALENDAR_START = "2024-01-01 00:00:00"  # a Monday, and the first of a month and of a quarter
# Annotation → term, how it is written and read.
EXTRA: dict[str, tuple[str, Callable[[Any], str], Callable[[str], Any]]] = {
    "metric": ("metric", str, str),
    "maturity-seconds": ("maturity_s", str, int),
    "minimum-label-coverage": ("min_coverage", str, float),
    "column": ("column", str, str),
    "column-holds": ("column_holds", str, str),
    "input-slice": ("input_slice", lambda value: json.dumps(value, sort_keys=True), json.loads),
    "time-zone": ("time_zone", str, str),
    "span-seconds": ("slice_s", str, int),
}
VALUED = {"latency": "threshold_ms", "freshness": "max_age_s", "cost": "slice_target", "quality": "slice_target"}
HINTS = {
    "availability": re.compile(r"availab|success|error|uptime|fail", re.IGNORECASE),
    "latency": re.compile(r"latenc|duration|response.?time|slow|fast", re.IGNORECASE),
}


@dataclass(frozen=True)
class Said:
    """One objective of a text: of which model (the document's service), what, and where.

    Attributes:
        terms: as ``monitoring.services.Terms``.
        paths: which field of the document says a term, for refusals.
    """

    model: str
    terms: dict[str, Any]
    document: Document
    paths: dict[str, str] = field(default_factory=dict)

    def fault(self, term: str, message: str) -> Fault:
        """Return a fault of one term, at the field that says it."""
        return self.document.fault(self.paths.get(term, "spec"), message)


def to_yaml(objectives: list[tuple[str, Mapping[str, Any], bool]]) -> str:
    """Return objectives as documents.

    Args:
        objectives: (name of the model, its terms, whether more of its metric is better).
    """
    found = [to_document(model, terms, higher=higher) for model, terms, higher in objectives]
    text: str = yaml.safe_dump_all(found, sort_keys=False, allow_unicode=True, explicit_start=True, width=100)
    return text if found else ""


def to_document(model: str, terms: Mapping[str, Any], *, higher: bool = True) -> dict[str, Any]:
    """Return one objective as a document that :func:`from_yaml` reads as the same terms."""
    kind, slices = terms["kind"], terms["budgeting"] == "timeslices"
    valued = kind in VALUED and not (kind == "quality" and not slices)
    objective: dict[str, Any] = {"target": float(terms["objective"])}
    if valued:
        upward = kind == "quality" and higher
        objective = {"op": "gte" if upward else "lte", "value": terms[VALUED[kind]], **objective}
    if slices:
        whole = kind in ("cost", "quality")  # of a slice as a whole: it meets the value, or does not
        objective["timeSliceTarget"] = 1.0 if whole else terms["slice_target"]
        objective["timeSliceWindow"] = _duration(terms["slice_s"])
    source = {"metricSource": {"type": SOURCE, "spec": {"model": model, "sli": kind}}}
    total = {"metricSource": {"type": SOURCE, "spec": {"model": model, "sli": "all"}}}
    ratio = {"ratioMetric": {"counter": True, "good": source, "total": total}}
    sli = {"thresholdMetric": source} if valued else ratio
    extra = {"kind": kind}
    for name, (term, write, _) in EXTRA.items():
        value = terms.get(term)
        if term == "slice_s" and slices:
            continue  # timeSliceWindow says it
        if term == "time_zone" and (terms["calendar"] or value == "UTC"):
            continue
        if value not in (None, "", {}):
            extra[name] = write(value)
    return {
        "apiVersion": VERSION,
        "kind": "SLO",
        "metadata": {
            "name": terms["name"],
            "annotations": {f"{PREFIX}{name}": value for name, value in extra.items()},
        },
        "spec": {
            **({"description": terms["description"]} if terms["description"] else {}),
            "service": model,
            "indicator": {"metadata": {"name": f"{terms['name'][:59]}-sli"}, "spec": sli},
            "timeWindow": [_window(terms)],
            "budgetingMethod": "Timeslices" if slices else "Occurrences",
            "objectives": [objective],
        },
    }


def from_yaml(text: str) -> tuple[list[Said], list[str]]:
    """Return the objectives that a text holds, and what of it was left out, in words.

    Raises:
        TextError: names the line and the field of each fault.
    """
    read = documents(text)
    notes: list[str] = []
    faults: list[Fault] = []
    said: list[Said] = []
    indicators = {
        doc.value.get("metadata", {}).get("name"): doc for doc in read
        if doc.value.get("kind") == "SLI" and isinstance(doc.value.get("metadata"), dict)
    }  # fmt: skip
    for doc in read:
        kind = doc.value.get("kind")
        if doc.value.get("apiVersion") != VERSION:
            faults.append(doc.fault("apiVersion", f"must be {VERSION}"))
        elif kind == "SLO":
            try:
                said.append(_Reader(doc, indicators, notes).said())
            except TextError as error:
                faults += error.faults
        elif kind in OTHER_KINDS:
            notes.append(f"line {doc.line}: {kind} was left out; alerts, services and sources are the product's own")
        elif kind != "SLI":
            faults.append(doc.fault("kind", f"must be SLO, SLI or one of {', '.join(OTHER_KINDS)}"))
    if not said and not faults:
        faults.append(Fault(1, "document", "no document of kind SLO"))
    if faults:
        raise TextError(*faults)
    return said, notes


class _Reader:
    """Reads one document of kind SLO."""

    def __init__(self, doc: Document, indicators: Mapping[Any, Document], notes: list[str]) -> None:
        self.doc, self.indicators, self.notes = doc, indicators, notes
        self.paths: dict[str, str] = {"kind": "spec.indicator", "name": "metadata.name", "service": "spec.service"}

    def said(self) -> Said:
        """Return what it promises."""
        metadata, spec = self.mapping("metadata"), self.mapping("spec")
        extra = self.annotations(metadata)
        objectives = spec.get("objectives")
        if not isinstance(objectives, list) or len(objectives) != 1 or not isinstance(objectives[0], dict):
            self.refuse("spec.objectives", "exactly one objective; write a document for each")
        objective: dict[str, Any] = objectives[0] if isinstance(objectives, list) else {}
        slices = self.choice("spec.budgetingMethod", spec.get("budgetingMethod"), ("Occurrences", "Timeslices"))
        sli = self.indicator(spec)
        kind = extra.pop("kind", "") or self.guess(metadata, spec, sli)
        terms: dict[str, Any] = {
            "name": self.text("metadata.name", metadata.get("name")), "kind": kind,
            "description": str(spec.get("description") or ""), "objective": self.target(objective),
            "budgeting": "timeslices" if slices == "Timeslices" else "occurrences", **self.window(spec), **extra,
        }  # fmt: skip
        if slices == "Timeslices":
            at = "spec.objectives[0].timeSliceWindow"
            terms["slice_s"] = self.seconds(at, objective.get("timeSliceWindow"))
            terms["slice_target"] = objective.get("timeSliceTarget")
            self.paths |= {"slice_s": at, "slice_target": "spec.objectives[0].timeSliceTarget"}
        if kind in VALUED and not (kind == "quality" and slices == "Occurrences"):
            terms[VALUED[kind]] = self.value(kind, objective)
        return Said(self.text("spec.service", spec.get("service")), terms, self.doc, self.paths)

    def refuse(self, path: str, message: str) -> Any:
        raise TextError(self.doc.fault(path, message))

    def mapping(self, path: str) -> dict[str, Any]:
        value = self.doc.value.get(path)
        return value if isinstance(value, dict) else self.refuse(path, "fields, each with a colon")

    def text(self, path: str, value: Any) -> str:
        return value if isinstance(value, str) and value else self.refuse(path, "a text")

    def choice(self, path: str, value: Any, known: tuple[str, ...]) -> str:
        return str(value) if value in known else self.refuse(path, f"must be one of {', '.join(known)}")

    def number(self, path: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.refuse(path, "a number")
        return float(value)

    def annotations(self, metadata: dict[str, Any]) -> dict[str, Any]:
        held = metadata.get("annotations") or {}
        if not isinstance(held, dict):
            self.refuse("metadata.annotations", "names and texts")
        found: dict[str, Any] = {}
        for key, value in held.items():
            name = str(key).removeprefix(PREFIX)
            path = f"metadata.annotations.{key}"
            if name == key:
                self.notes.append(f"line {self.doc.lines.get(path, self.doc.line)}: annotation {key} was left out")
                continue
            if name == "kind":
                found["kind"] = self.choice(path, value, ("availability", *VALUED))
                self.paths["kind"] = path
                continue
            if name not in EXTRA:
                self.refuse(path, f"must be one of {PREFIX}kind, {', '.join(PREFIX + known for known in EXTRA)}")
            term, _, read = EXTRA[name]
            try:
                found[term] = read(str(value))
            except ValueError:
                self.refuse(path, f"{value} cannot be read")
            self.paths[term] = path
        if metadata.get("labels"):
            self.notes.append(f"line {self.doc.lines.get('metadata.labels', self.doc.line)}: labels were left out")
        return found

    def target(self, objective: dict[str, Any]) -> float:
        self.paths["objective"] = "spec.objectives[0].target"
        if "targetPercent" in objective:
            self.paths["objective"] = "spec.objectives[0].targetPercent"
            return round(self.number(self.paths["objective"], objective["targetPercent"]) / 100, 9)
        return self.number(self.paths["objective"], objective.get("target"))

    def value(self, kind: str, objective: dict[str, Any]) -> float:
        path = "spec.objectives[0].value"
        self.paths[VALUED[kind]] = path
        known = ("gte", "lte") if kind == "quality" else ("lte",)
        op = "spec.objectives[0].op"
        self.choice(op, objective.get("op"), known)
        number = self.number(path, objective.get("value"))
        return int(number) if kind == "freshness" and number.is_integer() else number

    def indicator(self, spec: dict[str, Any]) -> dict[str, Any]:
        reference = spec.get("indicatorRef")
        if reference is not None:
            found = self.indicators.get(reference)
            if found is None:
                self.refuse("spec.indicatorRef", f"the text holds no SLI named {reference}")
            sli = found.value.get("spec") if found else None
        else:
            held = spec.get("indicator")
            sli = held.get("spec") if isinstance(held, dict) else None
        if not isinstance(sli, dict):
            self.refuse("spec.indicator", "an indicator with a spec, or an indicatorRef")
        return dict(sli or {})

    def guess(self, metadata: dict[str, Any], spec: dict[str, Any], sli: dict[str, Any]) -> str:
        """Return the kind that a document of another origin means: a source's query is not run here, so its words decide."""
        kind = "availability" if "ratioMetric" in sli else "latency" if "thresholdMetric" in sli else ""
        path = "spec.indicatorRef" if "indicatorRef" in spec else "spec.indicator"
        words = json.dumps([metadata, spec.get("description"), spec.get("indicatorRef"), sli], default=str)
        if not kind or not HINTS[kind].search(words):
            self.refuse(
                path,
                "its queries are not run here, and its words name neither availability (a ratioMetric) nor latency (a "
                f"thresholdMetric); say what is meant by the annotation {PREFIX}kind",
            )
        at = self.doc.lines.get(path, self.doc.line)
        unit = ", its value as milliseconds" if kind == "latency" else ""
        self.notes.append(f"line {at}: taken as {kind}{unit}, measured in the gateway; its own queries are left out")
        return kind

    def window(self, spec: dict[str, Any]) -> dict[str, Any]:
        path = "spec.timeWindow"
        held = spec.get("timeWindow")
        if not isinstance(held, list) or len(held) != 1 or not isinstance(held[0], dict):
            self.refuse(path, "exactly one window")
        window = held[0] if isinstance(held, list) else {}
        duration = self.text(f"{path}[0].duration", window.get("duration"))
        self.paths |= {"window_days": f"{path}[0].duration", "calendar": f"{path}[0].duration"}
        calendar = window.get("calendar")
        if window.get("isRolling", calendar is None):
            seconds = self.seconds(f"{path}[0].duration", duration)
            if seconds % UNITS["d"]:
                self.refuse(f"{path}[0].duration", "a rolling window of whole days")
            return {"window_days": seconds // UNITS["d"], "calendar": ""}
        unit = next((unit for unit, said in CALENDAR.items() if said == duration), "")
        if not unit:
            self.refuse(f"{path}[0].duration", f"of the calendar: one of {', '.join(CALENDAR.values())}")
        if not isinstance(calendar, dict):
            self.refuse(f"{path}[0].calendar", "a startTime and a timeZone")
        zone = self.text(f"{path}[0].calendar.timeZone", (calendar or {}).get("timeZone"))
        self.paths["time_zone"] = f"{path}[0].calendar.timeZone"
        return {"window_days": None, "calendar": unit, "time_zone": zone}

    def seconds(self, path: str, value: Any) -> int:
        found = re.fullmatch(r"([1-9]\d{0,5})([smhdw])", str(value), re.ASCII)
        if not found:
            self.refuse(path, "a duration such as 5m, 1h or 30d")
        return int(found[1]) * UNITS[found[2]] if found else 0


def _window(terms: Mapping[str, Any]) -> dict[str, Any]:
    unit = terms["calendar"]
    if not unit:
        return {"duration": f"{terms['window_days']}d", "isRolling": True}
    calendar = {"startTime": CALENDAR_START, "timeZone": terms["time_zone"]}
    return {"duration": CALENDAR[unit], "isRolling": False, "calendar": calendar}


def _duration(seconds: int) -> str:
    for unit in ("d", "h", "m"):
        if seconds % UNITS[unit] == 0:
            return f"{seconds // UNITS[unit]}{unit}"
    return f"{seconds}s"
