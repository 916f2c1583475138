"""What holds for a model's quality."""

from typing import Any

from monitoring.models.quality import QualityPolicy
from registry.models import RegisteredModel

UNITS = (("days", 86_400), ("hours", 3600), ("minutes", 60), ("seconds", 1))
MOST_SHOWN = 100  # of a history


DECIDED = (
    "kind", "output", "threshold", "tolerance", "maturity_s", "min_coverage", "slices", "metric", "limit", "watched_s",
)  # fmt: skip


def quality_policy_of(model: RegisteredModel) -> QualityPolicy:
    """Return the policy of a model's quality; an unsaved one with the defaults where the team decided nothing."""
    latest = QualityPolicy.objects.select_related("changed_by").filter(model=model).first()
    if latest is None:
        return QualityPolicy(model=model, number=0, changed_at=None)  # type: ignore[misc]  # it never was
    latest.model = model
    return latest


def quality_history(model: RegisteredModel) -> list[QualityPolicy]:
    """Return what was decided on a model's quality, newest first."""
    return list(QualityPolicy.objects.select_related("changed_by").filter(model=model)[:MOST_SHOWN])


def quality_changes(model: RegisteredModel) -> list[tuple[QualityPolicy, list[str]]]:
    """Return the same, each with what it changed in words."""
    rows = quality_history(model)
    before = [*rows[1:], QualityPolicy(model=model)] if len(rows) < MOST_SHOWN else rows[1:]
    return [(after, quality_differences(earlier, after)) for after, earlier in zip(rows, before, strict=False)]


def quality_differences(before: QualityPolicy, after: QualityPolicy) -> list[str]:
    """Return in words what ``after`` changes."""
    return [
        f"{name.removesuffix('_s').replace('_', ' ')}: {_said(name, was)} → {_said(name, now)}"
        for name in DECIDED
        if (was := getattr(before, name)) != (now := getattr(after, name))
    ]


def _said(name: str, value: Any) -> str:
    if name == "slices":
        return slices_said(value, "; ") or "none"
    if name.endswith("_s"):
        unit, of = next((unit, of) for unit, of in UNITS if value % of == 0)
        return f"{value // of:g} {unit}"
    return "none" if value in ("", None) else f"{value:g}" if isinstance(value, float) else str(value)


def slices_said(slices: dict[str, list[str]], between: str) -> str:
    """Return declared slices as people write them, such as ``origin=JFK, EWR``."""
    return between.join(f"{column}={', '.join(values)}" for column, values in slices.items())
