"""An evaluation plan in plain words, and what changed from one to the next. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from experiments.suites.plan import Plan

COSTS = {
    "false_negative": "A case that is missed costs",
    "false_positive": "A false alarm costs",
    "true_positive": "A case that is caught costs",
    "true_negative": "Leaving a harmless case alone costs",
}
LABELS = {
    "slices": "Parts measured on their own",
    "groups": "Groups held against each other",
    "hidden": "Columns that no table shows",
    "least_positives": "The fewest that decide",
    "season": "Length of the season",
    "latency": "Column with the time of a retrieval",
    "price": "Column with the cost of a retrieval",
    "cpu_hour_price": "An hour of one processor costs",
    "query_price": "1,000 queries cost, beside computing",
}
ABOUT = {
    "slices": "Results are told for each value of these columns as well, so that a good average hides nobody.",
    "groups": "How differently people fare by these columns is measured: the gap between the best and the worst served. Error tables never show them.",
    "hidden": "Tables of errors read “withheld” in place of these.",
    "least_positives": "A value that rests on fewer is recorded, and decides no criterion.",
    "season": "After how many steps a series repeats itself: 4 for quarters, 7 for days of a week, 12 for months. What “as good as last season” means.",
    "latency": "In milliseconds; the median and the 95th of 100 are measured.",
    "price": "Its mean is measured.",
    "cpu_hour_price": "What 1,000 queries keep a processor busy for is measured, and priced at this.",
    "query_price": "Such as what an index service charges.",
}
USUAL = {
    "slices": "every category of few values",
    "groups": "none",
    "hidden": "none but the groups",
    "latency": "not measured",
    "price": "not measured",
    "cpu_hour_price": "not priced",
    "query_price": "not priced",
}
COUNTED = {"classification": "positives", "anomaly": "positives", "forecasting": "series", "regression": "rows"}
OF_TASK = {
    "classification": ("costs", "slices", "groups", "hidden", "least_positives"),
    "anomaly": ("costs", "slices", "groups", "hidden", "least_positives"),
    "ranking": ("slices", "hidden", "least_positives"),
    "retrieval": ("slices", "hidden", "least_positives", "latency", "price", "cpu_hour_price", "query_price"),
    "forecasting": ("slices", "hidden", "least_positives", "season"),
    "regression": ("slices", "hidden", "least_positives"),
}


@dataclass(frozen=True)
class Said:
    """One thing that a plan declares; ``usual`` where nobody declared it."""

    label: str
    text: str
    about: str = ""
    usual: bool = False


@dataclass(frozen=True)
class Change:
    """What one thing was, and what it became."""

    label: str
    before: str
    after: str


def said(plan: Plan, task: str) -> list[Said]:
    """Return what holds for models of ``task``, and beyond that what the plan declares all the same."""
    document, asked = plan.document(), OF_TASK.get(task, ())
    found = []
    for name in [*asked, *(name for name in document if name not in asked)]:
        if name == "costs":
            found += _costs(document.get("costs"))
        else:
            value = _word(name, getattr(plan, name), task)
            found.append(Said(LABELS.get(name, name), value, ABOUT.get(name, ""), usual=name not in document))
    return found


def changes(before: Mapping[str, Any], after: Mapping[str, Any], task: str) -> list[Change]:
    """Return what differs between two documents of plans, in the order of the task's fields."""
    one, other = _flat(before, task), _flat(after, task)
    usual = _flat({}, task)
    labels = dict.fromkeys([*usual, *one, *other])
    left_out = dict.fromkeys(COSTS.values(), "not priced")

    def text(found: Mapping[str, str], label: str) -> str:
        return found.get(label) or left_out.get(label, "as usual")

    pairs = [(label, text(one, label), text(other, label)) for label in labels]
    return [Change(*pair) for pair in pairs if pair[1] != pair[2]]


def _flat(document: Mapping[str, Any], task: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in dict.fromkeys([*OF_TASK.get(task, ()), *document]):
        if name == "costs":
            found |= {one.label: one.text for one in _costs(document.get("costs")) if not one.usual}
        else:
            value = document.get(name, getattr(Plan(), name, ""))
            found[LABELS.get(name, name)] = _word(name, value, task)
    return found


def _costs(costs: Mapping[str, Any] | None) -> list[Said]:
    if costs is None:
        about = "Without costs the threshold alerts 5 of 100 rows, and decisions are not priced."
        return [Said("Costs of decisions", "not priced", about, usual=True)]
    return [
        Said(label, f"the amount in column {cell}" if isinstance(cell, str) else f"{cell:,.10g}")
        for name, label in COSTS.items()
        for cell in [costs.get(name, 0.0)]
    ]


def _word(name: str, value: Any, task: str) -> str:
    if value in ("", (), [], None) or (name.endswith("_price") and not value):
        return USUAL.get(name, "as usual")
    if name == "least_positives":
        return f"{value:,} {COUNTED.get(task, 'queries')}"
    if name == "season":
        return "none" if value == 1 else f"{value:,} steps"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
