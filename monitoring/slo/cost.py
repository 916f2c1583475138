"""What predictions cost: declared prices times what was counted. Pure arithmetic."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

BUSY_US_PER_HOUR = 3_600_000_000


@dataclass(frozen=True)
class Price:
    """What a version costs from an instant on; without a version all that have no price of their own.

    Attributes:
        per_1000: predictions; per_cpu_hour: of busy time in the gateway; both in ``currency``.
    """

    version_id: int | None
    starts_at: datetime
    per_1000: Decimal
    per_cpu_hour: Decimal
    currency: str


@dataclass(frozen=True)
class Used:
    """What one version did in some time: predictions made, and microseconds that requests took."""

    version_id: int
    at: datetime
    rows: int
    busy_us: int


def price_at(prices: Iterable[Price], version_id: int, at: datetime) -> Price | None:
    """Return the price of a version that was in force: its own before the model's, the latest one; None where none was."""
    begun = [price for price in prices if price.starts_at <= at and price.version_id in (version_id, None)]
    return max(begun, key=lambda price: (price.version_id is not None, price.starts_at), default=None)


def cost(used: Iterable[Used], prices: Sequence[Price]) -> Decimal | None:
    """Return what it all cost; None where a part has no price: what nobody priced is not free."""
    total = Decimal(0)
    for part in used:
        price = price_at(prices, part.version_id, part.at)
        if price is None:
            return None
        total += price.per_1000 * part.rows / 1000 + price.per_cpu_hour * part.busy_us / BUSY_US_PER_HOUR
    return total


def per_1000(used: Sequence[Used], prices: Sequence[Price]) -> Decimal | None:
    """Return the cost of a thousand predictions; None without predictions or without a price."""
    rows = sum(part.rows for part in used)
    whole = cost(used, prices)
    return whole * 1000 / rows if rows and whole is not None else None
