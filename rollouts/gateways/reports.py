"""What gateways report back: they write files beside their segments, so that they need nobody to be up.

Those of this host's disk are read there; those of other hosts send the same by `POST /api/v1/gateways/states`.
"""

import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from django.conf import settings
from django.db.models.functions import Now

from registry.audit_trail import audit, audited
from registry.errors import InvalidError
from registry.models import Alert, ModelVersion, RegisteredModel
from registry.services import alert_clear, alert_raise, tokens_used
from rollouts.models import GatewayProcess, GatewayToken, LoadRefusal, RoutingTable
from serving.contract import GatewayState, gateway_states

ALIVE = timedelta(seconds=15)  # three reports
REMEMBERED = timedelta(days=7)
MOST_PROCESSES = 256  # of one host
UNKNOWN = "unknown_version"
PROCESS = "gateway"


def states_here() -> list[GatewayState]:
    """Return what the gateways that live now on this host's disk say of themselves."""
    return gateway_states(Path(settings.SPOOL_ROOT), now=time.time())


def living_gateways() -> list[GatewayState]:
    """Return what the gateways that live now say of themselves, here and elsewhere."""
    elsewhere = GatewayProcess.objects.filter(token__isnull=False, last_seen_at__gt=Now() - ALIVE)
    return states_here() + [state_of(process) for process in elsewhere]


def not_loaded(version: ModelVersion) -> str:
    """Return why not every living gateway could answer by ``version`` at once; empty where each has it in memory."""
    states = living_gateways()
    if not states:
        return "No gateway lives that could answer."
    key = (version.model.name, version.number, version.artifact_digest)
    without = sum(key not in {(v.model, v.number, v.digest) for v in state.loaded} for state in states)
    return f"{without} of {len(states)} gateway processes have not loaded v{version.number} yet." if without else ""


def state_of(process: GatewayProcess) -> GatewayState:
    """Return the state as the gateway told it."""
    return msgspec.convert(process.state, GatewayState, str_keys=True)


def states_note(states: Iterable[GatewayState], *, token: GatewayToken | None) -> None:
    """Keep what gateways say of themselves, and forget those that have been gone for long.

    Args:
        token: whose host tells it; None for this host's disk.

    Raises:
        InvalidError: there are more than one host has, or one has no sensible name.
    """
    states = list(states)
    if len(states) > MOST_PROCESSES:
        raise InvalidError(f"states: at most {MOST_PROCESSES} processes of one host.", field="states")
    for number, state in enumerate(states):
        if not 0 < len(state.spool_id) <= 200 or not state.spool_id.isprintable():
            raise InvalidError("spool_id has 1 to 200 printable characters.", field=f"states/{number}/spool_id")
    for state in states:
        GatewayProcess.objects.update_or_create(
            token=token, spool_id=state.spool_id,
            defaults={"state": msgspec.to_builtins(state, str_keys=True), "last_seen_at": Now()},
        )  # fmt: skip
    GatewayProcess.objects.filter(token=token, last_seen_at__lt=Now() - REMEMBERED).delete()


@audited()
def unknown_observe() -> None:
    """Raise an alert for each version that a gateway holds and the registry does not know, until none holds it."""
    states = living_gateways()
    if not states:
        return  # nobody to ask is no sign that anything was cleared
    found = unknown_versions(states)
    models = {
        model.name: model for model in RegisteredModel.objects.live().filter(name__in={name for name, _, _ in found})
    }
    keys: dict[int, set[str]] = {}
    for name, number, digest in sorted(found):
        if model := models.get(name):
            key = f"{UNKNOWN}:{number}:{digest[:71]}"
            keys.setdefault(model.pk, set()).add(key)
            alert_raise(
                model=model, kind=UNKNOWN, key=key, severity=Alert.Severity.CRITICAL, link=f"/gateways/?model={name}",
                title=f"A gateway holds v{number} with the digest {digest[:19]}…, which the registry does not know",
                process=PROCESS,
            )  # fmt: skip
    for alert in Alert.objects.filter(kind=UNKNOWN, cleared_at__isnull=True).select_related("model"):
        if alert.key not in keys.get(alert.model_id or 0, set()):
            alert_clear(model=alert.model, key=alert.key, process=PROCESS)


def unknown_versions(states: Iterable[GatewayState]) -> set[tuple[str, int, str]]:
    """Return model, number and digest of what gateways hold in memory and the registry never gave them.

    Known is what a version of that name has, and what the table holds that the gateway follows: a name may have changed since.
    """
    states = list(states)
    held = {(v.model, v.number, v.digest) for state in states for v in state.loaded}
    if not held:
        return set()
    known = set(
        ModelVersion.objects.filter(model__name__in={name for name, _, _ in held}).values_list(
            "model__name", "number", "artifact_digest"
        )
    )
    if held <= known:
        return set()
    for document in RoutingTable.objects.filter(version__in={s.table_version for s in states}).values_list(
        "document", flat=True
    ):
        known |= {(r["model"], v["number"], v["digest"]) for r in document["routes"] for v in r["versions"]}
    return held - known


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
        ModelVersion.objects.select_for_update(of=("self",), no_key=True)
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
