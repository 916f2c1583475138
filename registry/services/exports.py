"""Taking documents out of the product: each time is on record."""

from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.models import Promotion, Role


@audited()
def promotion_export(*, actor: Actor, promotion: Promotion, form: str, sha256: str) -> None:
    """Record that ``actor`` took the review pack of a promotion along.

    Args:
        form: ``json``, ``html`` or ``pdf``.
        sha256: the digest of the pack.
    """
    team = promotion.model.team
    if actor.role_in(team) is None:
        actor.require(team, *Role)
    audit(
        action="promotion.export", subject=promotion.path, actor=actor, team=team.slug,
        payload={"form": form, "sha256": sha256},
    )  # fmt: skip
