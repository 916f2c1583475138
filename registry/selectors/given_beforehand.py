"""Whether standing approvals hold, and what ended those that do not."""

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from registry.models import RegisteredModel, StandingApproval


@dataclass(frozen=True)
class End:
    """When a standing approval ended, by whom (empty: by nobody), and why."""

    at: datetime
    why: str
    by: str = ""


@dataclass(frozen=True)
class Standing:
    """One standing approval as pages and API show it; ``end`` is None while it holds."""

    of: StandingApproval
    end: End | None


def standing_end(standing: StandingApproval) -> End | None:
    """Return what ended a standing approval; None while it holds, by PostgreSQL's word."""
    if standing.ended_at:
        return End(standing.ended_at, standing.ended_why, standing.ended_by.get_username() if standing.ended_by else "")
    now = timezone.now()
    if standing.expires_at <= now:
        return End(standing.expires_at, "Its time was over.")
    if StandingApproval.objects.holding().filter(pk=standing.pk).exists():
        return None
    return End(now, f"{standing.approver.get_username()} is no approver of the team any more.")


def standings_of(model: RegisteredModel, *, limit: int = 20) -> list[Standing]:
    """Return a model's standing approvals, newest first."""
    rows = model.standing_approvals.select_related("approver", "ended_by", "criteria_set", "model")[:limit]
    return [Standing(one, standing_end(one)) for one in rows]
