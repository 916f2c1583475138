"""What happened to a model's traffic, to be marked on a time axis: other champions, and rollouts."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from monitoring.models import Trial
from registry.models import AliasMove, RegisteredModel
from serving.contract import CHAMPION


@dataclass(frozen=True)
class Mark:
    """Something that happened.

    Attributes:
        kind: ``champion``, ``rollback`` or ``rollout``.
        until: the end of a rollout; None while it goes on, and of what has no duration.
    """

    at: datetime
    kind: str
    text: str
    until: datetime | None = None


def marks_of(model: RegisteredModel, *, since: datetime, until: datetime) -> list[Mark]:
    """Return what happened to a model from an instant to another, oldest first."""
    moves = AliasMove.objects.filter(model=model, name=CHAMPION, at__gte=since, at__lte=until).select_related("version")
    trials = Trial.objects.filter(Q(closed_at=None) | Q(closed_at__gte=since), model=model, opened_at__lte=until)
    marks = [
        Mark(t.opened_at, "rollout", f"v{t.candidate.number} rolled out beside v{t.champion.number}", t.closed_at)
        for t in trials.select_related("champion", "candidate")
    ]
    for move in moves:
        if move.version is None:
            marks.append(Mark(move.at, "champion", "no champion any more"))
        elif move.rollback_id:
            marks.append(Mark(move.at, "rollback", f"rolled back to v{move.version.number}"))
        else:
            marks.append(Mark(move.at, "champion", f"v{move.version.number} became champion"))
    return sorted(marks, key=lambda mark: mark.at)


def latest_champions(models: Iterable[int]) -> dict[int, AliasMove]:
    """Return the last move of each model's champion, where another version had been champion before it."""
    moves = AliasMove.objects.filter(model__in=list(models), name=CHAMPION, version__isnull=False)
    found: dict[int, AliasMove] = {}
    seen: dict[int, int] = {}
    for move in moves.select_related("version").order_by("model_id", "-id"):
        seen[move.model_id] = seen.get(move.model_id, 0) + 1
        found.setdefault(move.model_id, move)
    return {model: move for model, move in found.items() if seen[model] > 1}
