"""How the inputs of models stand: the latest looks, and how they went over time."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.drift.packing import unpack
from monitoring.drifting import Finding
from monitoring.models import DAY_S, DriftWindow
from registry.models import ModelVersion, RegisteredModel
from serving.contract import CHAMPION

FRESH = {
    False: timedelta(hours=2),
    True: timedelta(days=2),
}  # of a day's window or not: after that nobody looks any more


@dataclass(frozen=True)
class Standing:
    """What the latest looks at one version in one arm found: the short window first, then the day's, of those there are."""

    version: ModelVersion
    arm: str
    windows: list[DriftWindow]

    @property
    def worst(self) -> DriftWindow:
        """The window that says most: drift before breaks before none, the shorter of equals."""
        order = [DriftWindow.State.DRIFTED, DriftWindow.State.BROKEN, DriftWindow.State.STEADY, DriftWindow.State.THIN]
        return min(self.windows, key=lambda window: (order.index(DriftWindow.State(window.state)), window.span))


def drift_standings(models: Iterable[RegisteredModel], *, now: datetime) -> dict[int, list[Standing]]:
    """Return by model what the latest looks at each version and arm found, the champion first; two days back."""
    recent = DriftWindow.objects.light().filter(version__model__in=models, judged_at__gte=now - FRESH[True])
    latest = recent.order_by("version_id", "arm", "span", "-slot_at").distinct("version_id", "arm", "span")
    found: dict[tuple[int, str], list[DriftWindow]] = {}
    for window in latest.select_related("version__model__team"):
        if now - window.judged_at < FRESH[window.span == DAY_S]:
            found.setdefault((window.version_id, window.arm), []).append(window)
    by_model: dict[int, list[Standing]] = {}
    for (_, arm), windows in found.items():
        version = windows[0].version
        by_model.setdefault(version.model_id, []).append(Standing(version, arm, windows))
    for standings in by_model.values():
        standings.sort(key=lambda one: (one.arm != CHAMPION, one.arm, -one.version.number))
    return by_model


def latest_window(version: ModelVersion) -> DriftWindow | None:
    """Return the latest look at a day of a version's inputs, as champion if it was; None where none was held."""
    windows = DriftWindow.objects.filter(version=version).order_by("-span", "-slot_at")
    return windows.filter(arm=CHAMPION).first() or windows.first()


def findings_of(window: DriftWindow) -> list[Finding]:
    """Return what a look found of each feature, the likeliest causes first."""
    return unpack(bytes(window.findings))


def drift_series(version_ids: Iterable[int], *, arm: str, span: int, since: datetime) -> list[DriftWindow]:
    """Return the looks of one arm in order of time, without what was found of each feature."""
    rows = DriftWindow.objects.light().filter(version__in=version_ids, arm=arm, span=span, slot_at__gte=since)
    return list(rows.select_related("version__model").order_by("slot_at", "version_id"))
