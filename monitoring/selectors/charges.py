"""What one version spent of an error budget as canary."""

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal

from monitoring.models import Slo, SloCount
from monitoring.selectors.prices import prices_of, slice_of, used
from monitoring.slo.cost import per_1000
from monitoring.slo.tally import SPAN_S
from monitoring.telemetry import span_start
from registry.models import ModelVersion
from serving.contract import CANARY, SHADOW


def charged(slo: Slo, *, version: ModelVersion, since: datetime, until: datetime) -> tuple[int, int]:
    """Return (bad, total) of what a version spent as canary, by whole five minutes.

    Of time slices those are charged to it that are bad, and would not be without it.
    """
    begin = span_start(since.timestamp(), SPAN_S)
    rows = list(slo.counts.filter(started_at__gte=begin, started_at__lte=until).exclude(arm=SHADOW))
    if not slo.by_slices:
        mine = [row for row in rows if _is_of(row, version)]
        return sum(row.bad for row in mine), sum(row.total for row in mine)
    slices: dict[datetime, list[SloCount]] = {}
    for row in rows:
        slices.setdefault(slice_of(slo, row.started_at), []).append(row)
    is_bad = _judge(slo)
    touched = [held for held in slices.values() if any(_is_of(row, version) for row in held)]
    spent = sum(
        bool(is_bad(held)) and not is_bad([row for row in held if not _is_of(row, version)]) for held in touched
    )  # fmt: skip
    return spent, len(touched)


def _is_of(row: SloCount, version: ModelVersion) -> bool:
    return row.version_id == version.pk and row.arm == CANARY


def _judge(slo: Slo) -> Callable[[Iterable[SloCount]], bool | None]:
    """Return what tells whether a slice is bad; None where nothing was counted in it."""
    target = Decimal(str(slo.slice_target))
    if slo.kind == Slo.Kind.COST:
        prices = prices_of([slo.model_id])[slo.model_id]

        def dear(rows: Iterable[SloCount]) -> bool | None:
            value = per_1000([used(row) for row in rows], prices)
            return None if value is None else value > target

        return dear

    def fell(rows: Iterable[SloCount]) -> bool | None:
        held = list(rows)
        total = sum(row.total for row in held)
        return total - sum(row.bad for row in held) < target * total if total else None

    return fell
