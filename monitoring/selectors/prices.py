"""Prices that were declared, and what predictions cost by them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from monitoring.models import ModelPrice, Slo, SloCount
from monitoring.selectors.slo_sums import Unit, ended, is_shadow, length_of
from monitoring.slo.cost import Price, Used, cost, per_1000
from monitoring.telemetry import span_start


@dataclass(frozen=True)
class Costs:
    """What was spent in an objective's window.

    Attributes:
        per_1000: predictions that callers met; None without any, or without a price.
        shadow: what shadow copies cost in all; never part of a budget.
    """

    per_1000: Decimal | None
    total: Decimal | None
    shadow: Decimal | None
    currency: str


def prices_of(models: Iterable[int]) -> dict[int, list[Price]]:
    """Return the prices of each model."""
    found: dict[int, list[Price]] = {model: [] for model in models}
    for row in ModelPrice.objects.filter(model__in=found).order_by("starts_at", "id"):
        found[row.model_id].append(
            Price(row.version_id, row.starts_at, row.per_1000, row.per_cpu_hour, row.currency)
        )  # fmt: skip
    return found


def cost_units(slo: Slo, rows: Sequence[SloCount], prices: Sequence[Price], *, now: datetime) -> list[Unit]:
    """Return the slices of an objective on cost that have ended and had predictions, each good or bad."""
    assert slo.slice_target is not None  # noqa: S101  a constraint
    until = ended(slo, now)
    slices: dict[datetime, list[Used]] = {}
    for row in rows:
        if not is_shadow(row) and row.started_at < until:
            slices.setdefault(slice_of(slo, row.started_at), []).append(used(row))
    found = ((at, per_1000(parts, prices)) for at, parts in slices.items())
    return [Unit(at, int(value > Decimal(str(slo.slice_target))), 1) for at, value in found if value is not None]


def costs(rows: Sequence[SloCount], prices: Sequence[Price]) -> Costs:
    """Return what was spent, shadow copies apart."""
    asked, shadow = ([used(row) for row in rows if is_shadow(row) is off] for off in (False, True))
    return Costs(
        per_1000(asked, prices), cost(asked, prices), cost(shadow, prices) if shadow else None,
        prices[-1].currency if prices else "",
    )  # fmt: skip


def used(row: SloCount) -> Used:
    """Return what a row says of use."""
    return Used(row.version_id, row.started_at, row.rows, row.busy_us)


def slice_of(slo: Slo, at: datetime) -> datetime:
    """Return the start of the slice that an instant lies in."""
    if length_of(slo) < 86_400:
        return span_start(at.timestamp(), length_of(slo))
    return ended(slo, at)
