"""Which run belongs to which scenario."""

import threading
from collections.abc import Callable

from controlplane.demo.drift_rehearsal import DriftRehearsal
from controlplane.demo.drift_scenario import DRIFT
from controlplane.demo.playing import Play
from controlplane.demo.rehearsal import Rehearsal
from controlplane.demo.scenarios import SCENARIOS

NAMES = [*SCENARIOS, DRIFT.name]


def play_of(
    name: str, rate: float, speed: float, say: Callable[[float, str], None], stopping: threading.Event | None = None
) -> Play:
    """Return a run of the scenario that is named."""
    stopping = stopping or threading.Event()
    if name == DRIFT.name:
        return DriftRehearsal(DRIFT, rate, speed, say, stopping)
    return Rehearsal(SCENARIOS[name], rate, speed, say, stopping)
