"""What goes into a verdict and what comes out: counts, sums, and one frozen answer."""

import math
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What a metric says of a candidate. Only ``fail`` goes back and only ``pass`` promotes, whoever else is asked."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    NO_DATA = "no_data"


@dataclass(frozen=True)
class Origin:
    """Where the failures came from that happened while one weight was in force.

    Attributes:
        weight: the canary's share of the traffic, in (0, 1).
        canary, champion: failures of either arm (count). With sticky keys a key's first failure in the whole rollout
            is counted, in whichever arm it happened, and no other failure of that key.
        part: of the rollout, counted from 0. Parts begin at instants that no failure to come decides: with each step, say, and
            every few hours of a long one.
    """

    weight: float
    canary: int
    champion: int
    part: int = 0

    def __post_init__(self) -> None:
        if not (0 < self.weight < 1 and min(self.canary, self.champion, self.part) >= 0):
            raise ValueError(f"{self}: the weight lies in (0, 1), counts and parts are not negative.")


@dataclass(frozen=True)
class Exposure:
    """Requests that a rate is of, in either arm (count)."""

    canary: int
    champion: int

    def __post_init__(self) -> None:
        if self.canary < 0 or self.champion < 0:
            raise ValueError(f"{self}: counts are not negative.")

    @property
    def total(self) -> int:
        """Requests of both arms."""
        return self.canary + self.champion


@dataclass(frozen=True)
class Sample:
    """Sums over one arm's values of a numeric metric; two samples of the same arm add up.

    Take a constant off all values beforehand where their mean is much larger than their spread: the variance is a
    difference of the sums.
    """

    n: int
    total: float
    squares: float

    def __post_init__(self) -> None:
        if self.n < 0 or not (math.isfinite(self.total) and math.isfinite(self.squares) and self.squares >= 0):
            raise ValueError(f"{self}: n and squares are not negative, sums are finite.")

    def __add__(self, other: "Sample") -> "Sample":
        return Sample(self.n + other.n, self.total + other.total, self.squares + other.squares)

    @property
    def mean(self) -> float | None:
        """Mean in the metric's unit; None without values."""
        return self.total / self.n if self.n else None

    @property
    def variance(self) -> float:
        """Unbiased variance in the squared unit; 0 where it is lost in rounding, and below two values."""
        if self.n < 2:
            return 0.0
        spread = self.squares - self.total**2 / self.n
        return spread / (self.n - 1) if spread > 1e-12 * self.squares else 0.0


@dataclass(frozen=True)
class Pairs:
    """Answers of both models to the same requests, by whether they were right (count).

    Attributes:
        difference: the candidate's score minus the champion's, where both gave one.
    """

    both: int
    only_champion: int
    only_candidate: int
    neither: int
    difference: Sample = Sample(0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if min(self.both, self.only_champion, self.only_candidate, self.neither) < 0:
            raise ValueError(f"{self}: counts are not negative.")

    @property
    def n(self) -> int:
        """All pairs."""
        return self.both + self.only_champion + self.only_candidate + self.neither


@dataclass(frozen=True)
class Coverage:
    """How many mature predictions of either arm were answered, and how many of those have a label (count)."""

    champion_answered: int
    champion_labelled: int
    canary_answered: int
    canary_labelled: int

    def __post_init__(self) -> None:
        if not (
            0 <= self.champion_labelled <= self.champion_answered and 0 <= self.canary_labelled <= self.canary_answered
        ):
            raise ValueError(f"{self}: labelled predictions are some of those answered.")


Interval = tuple[float, float, float]  # low, estimate, high


@dataclass(frozen=True)
class Verdict:
    """What one metric says now.

    An e-value that reached its threshold at *any* look is a valid rejection, however often one looked before (Ville's
    inequality), also when later data take it back below. Whoever keeps verdicts keeps the highest evidence of each kind, so a
    pass stays a pass until there is a fail; a fail dominates.

    Attributes:
        champion, canary: the arms' values in the metric's unit; None without data.
        difference: canary minus champion, in the metric's unit, for numeric metrics and pairs.
        ratio: canary's risk over champion's, for failures. Each bound of either interval holds at all times with
            probability 1 - alpha. The upper bound may be infinite.
        evidence_against: natural logarithm of E for "worse"; may be infinite.
        evidence_for: the same for "no worse than the margin".
        threshold, pass_threshold: log(1 / alpha), which either is compared with.
        n: requests, or pairs, looked at.
        expected_more: requests, or pairs, still expected until a verdict, if rates, difference and weight stay as they are.
            0 with a verdict; None where that is unknown or beyond all realistic traffic.
        sentence: the same in plain words.
        reason: why there is no data, or no verdict yet.
    """

    metric: str
    outcome: Outcome
    champion: float | None
    canary: float | None
    difference: Interval | None
    evidence_against: float
    evidence_for: float
    threshold: float
    n: int
    expected_more: int | None
    sentence: str
    reason: str = ""
    ratio: Interval | None = None
    pass_threshold: float = math.inf


def thresholds(alpha: float, alpha_pass: float | None) -> tuple[float, float]:
    """Return log(1 / alpha) for fail and for pass; the second defaults to the first.

    Raises:
        ValueError: an alpha lies outside (0, 1).
    """
    found = []
    for one in (alpha, alpha if alpha_pass is None else alpha_pass):
        if not 0 < one < 1:
            raise ValueError(f"alpha={one} lies outside (0, 1).")
        found.append(-math.log(one))
    return found[0], found[1]


def outcome(against: float, in_favour: float, limits: tuple[float, float]) -> Outcome:
    """Return what the evidence says; fail dominates."""
    if against >= limits[0]:
        return Outcome.FAIL
    return Outcome.PASS if in_favour >= limits[1] else Outcome.INCONCLUSIVE
