"""How a booster's probability is set right after training: a rising curve that lies in the model's own file.

LightGBM's text holds it as a line of its header, XGBoost's files as an attribute; both libraries pass over what they do not know.
"""

import bisect
import math
from itertools import pairwise
from typing import Literal

import msgspec

CALIBRATION = "calibration"  # of the header's line, and of the attribute
EDGE = 1e-12  # probabilities of 0 and 1 have no log-odds


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """From what a booster answers to a probability.

    Attributes:
        slope, shift: of ``sigmoid``: the log-odds become slope · log-odds + shift (Platt 1999, on log-odds).
        scores, shares: of ``isotonic``: the corners of a rising line, flat beyond its ends (Zadrozny and Elkan 2002).
    """

    method: Literal["sigmoid", "isotonic"]
    slope: float = 1.0
    shift: float = 0.0
    scores: list[float] = []
    shares: list[float] = []

    def __post_init__(self) -> None:
        numbers = [self.slope, self.shift, *self.scores, *self.shares]
        if not all(map(math.isfinite, numbers)) or self.slope <= 0:
            raise ValueError("a calibration is made of finite numbers, and its slope is above 0")
        if self.method == "isotonic" and not (
            0 < len(self.scores) == len(self.shares)
            and all(a <= b for column in (self.scores, self.shares) for a, b in pairwise(column))
            and 0 <= self.shares[0] <= self.shares[-1] <= 1
        ):
            raise ValueError("an isotonic calibration is a rising line of probabilities")

    def probability(self, score: float) -> float:
        """Return the probability that stands for what the booster answered, 0 to 1."""
        if self.method == "sigmoid":
            inside = min(max(score, EDGE), 1 - EDGE)
            odds = self.slope * math.log(inside / (1 - inside)) + self.shift
            return 1 / (1 + math.exp(-odds)) if odds >= 0 else math.exp(odds) / (1 + math.exp(odds))
        after = bisect.bisect_right(self.scores, score)
        if after in (0, len(self.scores)):
            return self.shares[min(after, len(self.shares) - 1)]
        low, high = self.scores[after - 1], self.scores[after]
        start, end = self.shares[after - 1], self.shares[after]
        return start + (score - low) / (high - low) * (end - start)


def read_calibration(said: str | None) -> Calibration | None:
    """Return the calibration that a file holds; None where it holds none.

    Raises:
        ValueError: what it holds is no calibration.
    """
    if said is None:
        return None
    try:
        return msgspec.json.decode(said, type=Calibration)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"its calibration cannot be read: {error}") from error


def calibrated_text(text: str, calibration: Calibration) -> str:
    """Return LightGBM's text with a calibration in its header."""
    header, parted, trees = text.partition("\n\n")
    return f"{header}\n{CALIBRATION}={written(calibration)}{parted}{trees}"


def calibration_of_text(text: str) -> Calibration | None:
    """Return the calibration in the header of LightGBM's text.

    Raises: ValueError as :func:`read_calibration`.
    """
    lines = text.partition("\n\n")[0].splitlines()
    return read_calibration(
        next((line.partition("=")[2] for line in lines if line.startswith(f"{CALIBRATION}=")), None)
    )


def written(calibration: Calibration) -> str:
    """Return it as text of one line."""
    return msgspec.json.encode(calibration).decode()
