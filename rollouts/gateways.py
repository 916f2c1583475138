"""What gateways report back: they write files beside their segments, so that they need nobody to be up."""

import time
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings

from registry.audit_trail import audit, audited
from registry.models import ModelVersion
from registry.services import tokens_used
from rollouts.models import LoadRefusal
from serving.contract import GatewayState, gateway_states


def living_gateways() -> list[GatewayState]:
    """Return what the gateways that live now say of themselves."""
    return gateway_states(Path(settings.SPOOL_ROOT), now=time.time())


def callers_observe() -> None:
    """Note which tokens gateways were called with, and when."""
    used: dict[int, float] = {}
    for state in living_gateways():
        for token, at in state.callers.items():
            used[token] = max(at, used.get(token, 0.0))
    tokens_used({token: datetime.fromtimestamp(at, UTC) for token, at in used.items()})


@audited()
def refusals_observe(*, now: datetime) -> None:
    """Note each version that a gateway would not load (T9), once until no gateway reports it any more."""
    states = living_gateways()
    if not states:
        return  # nobody to ask is no sign that anything was cleared
    reported = {(r.model, r.number, r.digest, r.reason) for state in states for r in state.refused}
    still = [_note(model, number, digest, reason, now) for model, number, digest, reason in sorted(reported)]
    LoadRefusal.objects.filter(cleared_at__isnull=True).exclude(pk__in=[pk for pk in still if pk]).update(
        cleared_at=now
    )


def _note(model: str, number: int, digest: str, reason: str, now: datetime) -> int | None:
    """Return the open refusal that says this, a new one if need be; None if the version is not ours any more."""
    version = (
        ModelVersion.objects.select_for_update(of=("self",))
        .select_related("model__team")
        .filter(model__name=model, model__archived_at__isnull=True, number=number, artifact_digest=digest)
        .first()
    )
    if version is None:
        return None
    known = LoadRefusal.objects.filter(version=version, reason=reason, cleared_at__isnull=True).first()
    if known:
        return known.pk
    refusal = LoadRefusal.objects.create(version=version, reason=reason, noticed_at=now)
    audit(
        action="version.load_refused", subject=version.path, actor=None, process="gateway",
        team=version.model.team.slug, payload={"digest": digest, "reason": reason},
    )  # fmt: skip
    return refusal.pk
