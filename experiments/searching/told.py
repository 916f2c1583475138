"""What Optuna is told of a search and of its trials, and what it answers; without Optuna itself, so that web processes stay small."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

POINTS = 50  # of a learning curve are judged at most


@dataclass(frozen=True)
class Told:
    """What is known of one trial.

    Attributes:
        state: ``complete``, ``pruned`` or ``running``; any other tells nothing.
        curve: (round, value) of the points at which it was judged.
        rungs: where Hyperband has seen it.
    """

    number: int
    state: str
    params: Mapping[str, Any] = field(default_factory=dict)
    value: float | None = None
    curve: Sequence[Sequence[float]] = ()
    rungs: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """How a search goes about it.

    Attributes:
        name: of the study; Hyperband puts trials into brackets by it.
        longest: how many points a learning curve can have; 0: there is none.
    """

    name: str
    space: Mapping[str, Mapping[str, Any]]
    direction: str
    sampler: str
    pruner: str
    seed: int
    longest: int

    @property
    def every(self) -> int:
        """How many rounds lie between two judgements."""
        return max(1, self.longest // POINTS)


@dataclass(frozen=True)
class Judgement:
    """Whether to stop a trial, and the rungs at which it was seen."""

    stop: bool
    rungs: dict[str, float]


Ask = Callable[[Plan, Sequence[Told], int], dict[str, Any]]
Judge = Callable[[Plan, Sequence[Told], int], Judgement]
Weigh = Callable[[Plan, Sequence[Told]], dict[str, float]]
