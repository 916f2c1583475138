"""What every move of a rollout has in common: the locks, the line in the log, the audit event."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from registry.access import Actor
from registry.audit_trail import audit
from registry.models import Alert, RegisteredModel
from registry.services import alert_clear, alert_raise
from rollouts.models import Rollout, RolloutAct
from rollouts.states import ROLLOUT, Event, State

PROCESS = "rollouts"
HEARD = "See whether gateways still send their log and callers still ask; or roll it back."


def locked(rollout_id: int) -> Rollout:
    """Lock a rollout and return it; its model's row first, where promotions and moves of aliases queue too."""
    model_id = Rollout.objects.values_list("model_id", flat=True).get(pk=rollout_id)
    RegisteredModel.objects.hold(model_id)
    rows = Rollout.objects.select_for_update(of=("self",), no_key=True)
    return rows.select_related(
        "model__team",
        "champion",
        "candidate__model__team",
        "promotion__model__team",
        "promotion__criteria_set",
        "trial",
    ).get(pk=rollout_id)


def move(
    rollout: Rollout, event: Event | None, text: str, *, action: str, actor: Actor | None = None,
    payload: dict[str, Any] | None = None, **fields: Any,
) -> None:  # fmt: skip
    """Move a locked rollout by ``event`` (None: its state stays), set ``fields``, and tell the log and the audit trail.

    Raises:
        IllegalEventError: the table of states has no such move.
    """
    before = State(rollout.state)
    rollout.state = ROLLOUT.after(before, event) if event else before
    for name, value in fields.items():
        setattr(rollout, name, value)
    RolloutAct.objects.create(
        rollout=rollout, action=action, before=before, after=rollout.state, weight_bp=rollout.weight_bp, text=text,
        actor=actor.user if actor else None,
    )  # fmt: skip
    rollout.save(update_fields=["state", *fields])
    audit(
        action=action, subject=rollout.path, actor=actor, process="" if actor else PROCESS, team=rollout.model.team.slug,
        payload={"model": rollout.model.name, "candidate": rollout.candidate.number, "champion": rollout.champion.number,
                 "before": before, "after": rollout.state, "weight_bp": rollout.weight_bp, "shadow_bp": rollout.shadow_bp,
                 "reason": text} | (payload or {}),
    )  # fmt: skip


def elapsed(rollout: Rollout, now: datetime) -> timedelta:
    """Return how long the present phase has lasted, without pauses."""
    return max((rollout.paused_at or now) - rollout.phase_started_at - rollout.paused_for, timedelta())


def key(rollout: Rollout, what: str) -> str:
    """Return the key of an alert about a rollout."""
    return f"rollout:{rollout.pk}:{what}"


def warn(
    rollout: Rollout, what: str, title: str, *, next_step: str, severity: str = Alert.Severity.WARNING,
    actions: Sequence[dict[str, str]] = (),
) -> None:  # fmt: skip
    """Open an alert about a rollout; the same again is the same alert."""
    alert_raise(
        model=rollout.model, kind="rollout", key=key(rollout, what), severity=severity, link=rollout.path, next_step=next_step,
        title=title if len(title) <= 300 else f"{title[:299]}…", actions=actions, process=PROCESS,
    )  # fmt: skip


def calm(rollout: Rollout, *whats: str) -> None:
    """Close alerts about a rollout, where they are open."""
    for what in whats:
        alert_clear(model=rollout.model, key=key(rollout, what), process=PROCESS)
