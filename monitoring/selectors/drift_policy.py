"""What holds for the watching of a model's inputs."""

from monitoring.models import DriftPolicy
from monitoring.selectors.log import MOST_SHOWN
from registry.models import RegisteredModel

WORDS = {
    "window_hours": "short window, in hours",
    "alpha": "false alarms of one feature",
    "fdr": "share of wrong ones among those found",
    "effect_floor": "smallest shift that counts",
    "muted": "muted",
    "slices": "slices",
    "report_cron": "full reports",
    "report_zone": "time zone",
    "sample_rows": "predictions of a full report",
}


def drift_policy_of(model: RegisteredModel) -> DriftPolicy:
    """Return how a model's inputs are watched; an unsaved policy with the defaults where the team decided nothing."""
    latest = DriftPolicy.objects.select_related("changed_by").filter(model=model).first()
    return latest or DriftPolicy(model=model, number=0, changed_at=None)  # type: ignore[misc]  # it never was


def drift_policy_history(model: RegisteredModel) -> list[tuple[DriftPolicy, list[str]]]:
    """Return what was decided on the watching of a model, newest first, each with what it changed in words."""
    rows = list(DriftPolicy.objects.select_related("changed_by").filter(model=model)[:MOST_SHOWN])
    before = [*rows[1:], DriftPolicy(model=model)] if len(rows) < MOST_SHOWN else rows[1:]
    return [(after, changes(earlier, after)) for after, earlier in zip(rows, before, strict=False)]


def changes(before: DriftPolicy, after: DriftPolicy) -> list[str]:
    """Return in words what ``after`` changes."""
    pairs = ((words, getattr(before, name), getattr(after, name)) for name, words in WORDS.items())
    return [f"{words}: {_said(was)} → {_said(now)}" for words, was, now in pairs if was != now]


def _said(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value) or "on demand"
