"""Declaring what predictions cost."""

import re
from datetime import datetime, timedelta
from decimal import Decimal

from django.utils import timezone

from monitoring.models import ModelPrice
from monitoring.services.slos import SLO_OWNERS
from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import InvalidError
from registry.models import ModelVersion, RegisteredModel

CLOCKS_APART = timedelta(minutes=1)


@audited()
def price_declare(
    *, actor: Actor, model: RegisteredModel, currency: str, reason: str, version: ModelVersion | None = None,
    per_1000: Decimal = Decimal(0), per_cpu_hour: Decimal = Decimal(0), starts_at: datetime | None = None,
) -> ModelPrice:  # fmt: skip
    """Say what predictions of a model, or of one version, cost from an instant on; earlier prices stay for what was before.

    Args:
        per_1000: predictions; per_cpu_hour: of busy time in the gateway. One of them at least, both add up.
        currency: ISO 4217; one and the same for all prices of a model.
        starts_at: not in the past, so that no budget is restated by it; None for now.

    Raises:
        InvalidError: a value is not acceptable.
        RoleError: the actor may not set objectives in the model's team.
    """
    actor.require(model.team, *SLO_OWNERS)
    now = timezone.now()
    if not re.fullmatch(r"[A-Z]{3}", currency):
        raise InvalidError("currency must be three capitals, such as EUR.", field="currency")
    held = ModelPrice.objects.filter(model=model).exclude(currency=currency).first()
    if held:
        raise InvalidError(f"The prices of {model.name} are in {held.currency}; this one too.", field="currency")
    if min(per_1000, per_cpu_hour) < 0 or not (per_1000 or per_cpu_hour):
        raise InvalidError("per_1000 or per_cpu_hour must be above 0, and none below.", field="per_1000")
    if starts_at and starts_at < now - CLOCKS_APART:
        raise InvalidError("starts_at must not be past: what was spent stays as it was.", field="starts_at")
    if not reason.strip():
        raise InvalidError("Say where the price comes from.", field="reason")
    price = ModelPrice.objects.create(
        model=model, version=version, per_1000=per_1000, per_cpu_hour=per_cpu_hour, currency=currency,
        starts_at=starts_at or now, reason=reason.strip(), declared_by=actor.user,
    )  # fmt: skip
    audit(
        action="price.declare", subject=model.path, actor=actor, team=model.team.slug,
        payload={
            "price": price.pk, "version": version.number if version else None, "per_1000": str(per_1000),
            "per_cpu_hour": str(per_cpu_hour), "currency": currency, "starts_at": price.starts_at.isoformat(),
            "reason": price.reason,
        },
    )  # fmt: skip
    return price
