"""What a team declares about measuring a model: costs, parts and groups of its own, and how much is enough. Pure."""

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from experiments.metrics.costs import CostMatrix

MOST_NAMES = 20
MOST_SEASON = 10_000
MOST_PRICE = 1_000_000
LEAST = 10  # no plan makes fewer positives decide


class PlanError(ValueError):
    """A plan is wrong; ``field`` names what, such as ``costs.false_negative``."""

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class Plan:
    """How a model's versions are measured.

    Attributes:
        costs: what each outcome of a decision costs; None: decisions are not priced, and 5 in 100 rows are alerted.
        slices: columns whose values are measured on their own; empty: every category of few values.
        groups: columns by whose values people are to be treated alike.
        hidden: columns that no error table shows.
        least_positives: with fewer positives (queries, series, rows) a value decides nothing.
        season: steps of a forecast's season; 1 for none.
        latency, price: columns that hold milliseconds and cost of each retrieval, where a data set tells them.
        cpu_hour_price, query_price: what an hour of one processor costs, and what 1,000 queries cost beside it; 0: not priced.
    """

    costs: CostMatrix | None = None
    slices: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    least_positives: int = 30
    season: int = 1
    latency: str = ""
    price: str = ""
    cpu_hour_price: float = 0.0
    query_price: float = 0.0

    @property
    def columns(self) -> list[str]:
        """The columns that it names, each once."""
        priced = self.costs.columns if self.costs else []
        named = (*priced, *self.slices, *self.groups, *self.hidden, self.latency, self.price)
        return list(dict.fromkeys(filter(None, named)))

    def document(self) -> dict[str, Any]:
        """Return it as plain values; what is as usual is left out."""
        usual = asdict(Plan())
        found = {name: value for name, value in asdict(self).items() if value != usual[name]}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


def read_plan(document: Any) -> Plan:
    """Return the plan that plain values hold.

    Raises:
        PlanError: names what is wrong.
    """
    if not isinstance(document, dict):
        raise PlanError("A plan is an object.", "plan")
    known = [field.name for field in fields(Plan)]
    if unknown := sorted(set(document) - set(known)):
        raise PlanError(f"A plan has no {unknown[0]}; it has {', '.join(known)}.", str(unknown[0]))
    given = dict(document)
    for name in ("slices", "groups", "hidden"):
        if name in given:
            given[name] = _names(given[name], name)
    for name, least, most in (("least_positives", LEAST, 1_000_000), ("season", 1, MOST_SEASON)):
        if name in given and (type(given[name]) is not int or not least <= given[name] <= most):
            raise PlanError(f"{name} is a whole number from {least} to {most:,}.", name)
    for name in ("latency", "price"):
        if not isinstance(given.get(name, ""), str):
            raise PlanError(f"{name} is the name of a column.", name)
    for name in ("cpu_hour_price", "query_price"):
        if name in given:
            given[name] = _price(given[name], name)
    if given.get("costs") is not None:
        given["costs"] = _costs(given["costs"])
    return Plan(**given)


def _names(found: Any, field: str) -> tuple[str, ...]:
    if not isinstance(found, list | tuple) or not all(isinstance(name, str) and name for name in found):
        raise PlanError(f"{field} are names of columns.", field)
    if len(found) > MOST_NAMES:
        raise PlanError(f"{field} are {MOST_NAMES} columns at most.", field)
    return tuple(dict.fromkeys(found))


def _price(found: Any, field: str) -> float:
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found <= MOST_PRICE:
        raise PlanError(f"{field} is an amount from 0 to {MOST_PRICE:,}.", field)
    return float(found)


def _costs(found: Any) -> CostMatrix:
    cells = [field.name for field in fields(CostMatrix)]
    if not isinstance(found, dict) or set(found) - set(cells):
        raise PlanError(f"costs have {', '.join(cells)}.", "costs")
    for cell in ("false_negative", "false_positive"):
        if cell not in found:
            raise PlanError(
                f"Say what a {cell.replace('_', ' ')} costs: an amount, or a column of amounts.", f"costs.{cell}"
            )
    for cell, value in found.items():
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float | str)
            or value == ""
            or (not isinstance(value, str) and not math.isfinite(value))
        ):
            raise PlanError("A cost is an amount, or the name of a column of amounts.", f"costs.{cell}")
    return CostMatrix(**{cell: value if isinstance(value, str) else float(value) for cell, value in found.items()})
