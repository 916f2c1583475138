"""Simulated canary trials: counts of failures by arm at each look, drawn from a seed."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rollouts.verdicts.origins import Tally, log_evidence

REQUESTS = 20_000
EVERY = 100  # requests from one look to the next
LOOKS = REQUESTS // EVERY
RAMP = (0.05, 0.25, 0.5)  # a third of the requests each

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Trials:
    """R trials of L looks: what had been counted by each of them.

    Attributes:
        weights: (L,) in force before each look.
        asked: (R, L) requests to the canary.
        canary, champion: (R, L) failures.
    """

    weights: Floats
    asked: Floats
    canary: Floats
    champion: Floats

    def evidence(self, *, margin: float | None = None, late: float = 0.0, part: int = 0) -> Floats:
        """Return log E (R, L) as the product computes it: of "worse", or with a margin of "less than so many times as bad".

        Args:
            late: prior weight of harm that begins with a later part, of which there is one, from look ``part`` on.
        """
        found = [self._evidence(slice(i, i + 250), margin, late, part) for i in range(0, len(self.canary), 250)]
        return np.concatenate(found)

    def _evidence(self, rows: slice, margin: float | None, late: float, part: int) -> Floats:
        weights = np.unique(self.weights)
        fresh = np.diff([self.canary[rows], self.canary[rows] + self.champion[rows]], axis=-1, prepend=0)
        begun = np.stack([np.ones_like(self.weights), np.arange(len(self.weights)) >= part][: 2 if late else 1])
        canary, both = fresh[:, None] * begun[:, None, :]  # (S, R, L)
        by_weight = [(both * (self.weights == weight)).cumsum(axis=-1) for weight in weights]
        counts = Tally(
            weights,
            canary.cumsum(axis=-1).reshape(len(begun), -1),
            np.stack(by_weight, axis=-1).reshape(len(begun), -1, len(weights)),
            (1 - late, late / 2)[: len(begun)],
            late / 2,
        )
        return log_evidence(counts, 1.0 if margin is None else margin, below=margin is not None).reshape(
            canary.shape[1:]
        )


def independent(
    random: np.random.Generator, replicates: int, *, champion: Floats | float, canary: Floats | float,
    weights: Floats | float, looks: int = LOOKS,
) -> Trials:  # fmt: skip
    """Draw trials whose requests fail independently; rates and weights may change from look to look."""
    weights = np.broadcast_to(np.asarray(weights, float), looks)
    asked = random.binomial(EVERY, weights, (replicates, looks))
    failed = random.binomial(asked, np.broadcast_to(canary, looks))
    others = random.binomial(EVERY - asked, np.broadcast_to(champion, looks))
    return Trials(weights, *(np.cumsum(one, axis=1, dtype=float) for one in (asked, failed, others)))


def ramp() -> Floats:
    """Return the weight before each look of a ramp."""
    return np.repeat(RAMP, [LOOKS // 3, LOOKS // 3, LOOKS - 2 * (LOOKS // 3)])


def sticky(
    random: np.random.Generator, replicates: int, *, base: float, ratio: float = 1.0, users: int = 2_000
) -> tuple[Trials, Trials]:
    """Draw trials of users who come back, keep their arm while the ramp lasts, and differ in activity and risk.

    A tenth of the users ask for most; most never fail, and a few fail each third time. A user whose hash the growing weight reaches moves to the
    canary, as in the product.

    Returns: the trials by each user's first failure, and by every failure.
    """
    weights = ramp()
    first, every = np.zeros((2, 2, replicates, LOOKS))
    asked = np.zeros((replicates, LOOKS))
    look = np.arange(REQUESTS) // EVERY
    for i in range(replicates):
        activity = random.lognormal(0, 1.5, users).cumsum()
        who = np.searchsorted(activity, random.random(REQUESTS) * activity[-1])
        risk = np.minimum(random.gamma(0.1, base / 0.1, users), 1 / 3)
        in_canary = random.random(users)[who] < weights[look]
        failed = np.flatnonzero(random.random(REQUESTS) < risk[who] * np.where(in_canary, ratio, 1.0))
        _, firsts = np.unique(who[failed], return_index=True)
        asked[i] = np.bincount(look[in_canary], minlength=LOOKS)
        for into, rows in ((first, failed[firsts]), (every, failed)):
            for arm in (0, 1):
                own = rows[in_canary[rows] == (arm == 0)]
                into[arm, i] = np.bincount(look[own], minlength=LOOKS)
    asked, first, every = asked.cumsum(axis=-1), first.cumsum(axis=-1), every.cumsum(axis=-1)
    return Trials(weights, asked, *first), Trials(weights, asked, *every)


def paired(random: np.random.Generator, replicates: int, *, lost: float, won: float, pairs: int = 8_000) -> Trials:
    """Draw answers of two models to the same requests, looked at every ten pairs: those that one alone had right."""
    looks = pairs // 10
    drawn = random.multinomial(10, [lost, won, 1 - lost - won], (replicates, looks)).cumsum(axis=1).astype(float)
    return Trials(np.full(looks, 0.5), np.zeros(()), drawn[..., 0], drawn[..., 1])


@dataclass(frozen=True)
class Differences:
    """R trials of L looks at two means: values in each arm (L,), difference and its standard error (R, L)."""

    n: Floats
    difference: Floats
    error: Floats


def skewed(random: np.random.Generator, replicates: int) -> Differences:
    """Draw log-normal values of the same distribution in both arms, half of the requests each."""
    n = np.arange(1.0, LOOKS + 1) * EVERY / 2
    sums = np.empty((2, 2, replicates, LOOKS))
    for i in range(replicates):
        for arm in (0, 1):
            values = random.lognormal(0, 1, REQUESTS // 2)
            parts = np.stack([values, values**2]).reshape(2, LOOKS, -1).sum(axis=-1)
            sums[:, arm, i] = parts.cumsum(axis=-1)
    total, squares = sums
    variance = (squares - total**2 / n) / (n - 1)
    error: Floats = np.sqrt(variance.sum(axis=0) / n)
    return Differences(n, (total[0] - total[1]) / n, error)
