"""The review pack: one document per promotion, put together from what each app knows, as page, PDF and JSON."""

from typing import Any

from experiments.selectors import data_record
from monitoring.selectors import monitoring_plan
from registry.models import Promotion
from registry.review_pack import sealed
from registry.selectors import promotion_record
from rollouts.record import rollouts_record


def review_pack(promotion: Promotion) -> dict[str, Any]:
    """Return the pack of a promotion; two of the same state are equal, to the last byte."""
    return sealed(
        {
            **promotion_record(promotion),
            "data": data_record(promotion.version, decided_at=promotion.decided_at),
            "monitoring_plan": monitoring_plan(promotion.version),
            "rollouts": rollouts_record(promotion),
        }
    )
