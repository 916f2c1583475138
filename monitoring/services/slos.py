"""Setting and deleting objectives."""

from decimal import Decimal, InvalidOperation

from django.db import IntegrityError, transaction

from monitoring.models import Slo
from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError, InvalidError
from registry.models import RegisteredModel, Role
from serving.contract import LATENCY_EDGES_US

SLO_OWNERS = (Role.ENGINEER, Role.PRODUCT, Role.ADMIN)
WINDOW_DAYS = (1, 7, 28, 30, 90)
EDGES_MS = tuple(edge / 1000 for edge in LATENCY_EDGES_US)


@audited()
def slo_create(
    *, actor: Actor, model: RegisteredModel, kind: str, objective: Decimal | float | str, window_days: int,
    threshold_ms: float | None = None,
) -> Slo:  # fmt: skip
    """Promise a share of good answers over a rolling window.

    Args:
        kind: ``availability`` (answered, not failed) or ``latency`` (answered within the threshold).
        objective: promised good share in (0, 1), such as 0.999; at most five decimals.
        window_days: one of ``WINDOW_DAYS``.
        threshold_ms: for latency alone; one of ``EDGES_MS``.

    Raises:
        InvalidError: a value is not acceptable.
        ConflictError: the model has this objective already.
        RoleError: the actor may not set objectives in the model's team.
    """
    actor.require(model.team, *SLO_OWNERS)
    share = _objective(objective)
    if kind not in Slo.Kind.values:
        raise InvalidError(f"kind must be one of {', '.join(Slo.Kind.values)}.", field="kind")
    if window_days not in WINDOW_DAYS:
        raise InvalidError(
            f"window_days must be one of {', '.join(map(str, WINDOW_DAYS))}.", field="window_days"
        )  # fmt: skip
    threshold_us = _threshold_us(kind, threshold_ms)
    try:
        with transaction.atomic():
            slo = Slo.objects.create(
                model=model, kind=kind, objective=share, window_days=window_days, threshold_us=threshold_us,
                created_by=actor.user,
            )  # fmt: skip
    except IntegrityError:
        raise ConflictError(
            f"{model.name} has such an objective over {window_days} days. Delete that one first to replace it."
        ) from None
    audit(action="slo.create", subject=model.path, actor=actor, team=model.team.slug, payload={"after": _said(slo)})
    return slo


@audited()
def slo_delete(*, actor: Actor, slo: Slo) -> None:
    """Take an objective back; what was measured stays.

    Raises:
        RoleError: the actor may not set objectives in the model's team.
    """
    actor.require(slo.model.team, *SLO_OWNERS)
    before = _said(slo)
    slo.delete()
    audit(
        action="slo.delete", subject=slo.model.path, actor=actor, team=slo.model.team.slug, payload={"before": before}
    )  # fmt: skip


def said_in_words(slo: Slo) -> str:
    """Return an objective as people say it, such as ``latency within 50 ms, 99% over 28 days``."""
    within = f" within {slo.threshold_ms:g} ms" if slo.threshold_ms else ""
    return f"{slo.kind}{within}, {float(slo.objective) * 100:g}% over {slo.window_days} days"


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


def _threshold_us(kind: str, threshold_ms: float | None) -> int | None:
    if kind == Slo.Kind.AVAILABILITY:
        if threshold_ms is not None:
            raise InvalidError("threshold_ms belongs to latency objectives; leave it out.", field="threshold_ms")
        return None
    if threshold_ms not in EDGES_MS:
        edges = ", ".join(f"{edge:g}" for edge in EDGES_MS)
        raise InvalidError(
            f"threshold_ms must be one of {edges}. Latencies are counted in bins with these edges, so a limit between "
            "two of them cannot be told from its neighbours.",
            field="threshold_ms",
        )
    return LATENCY_EDGES_US[EDGES_MS.index(threshold_ms)]


def _said(slo: Slo) -> dict[str, object]:
    return {
        "kind": slo.kind, "objective": str(slo.objective), "window_days": slo.window_days,
        "threshold_ms": slo.threshold_ms,
    }  # fmt: skip
