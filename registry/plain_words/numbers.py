"""Numbers as people read them: with as many digits as tell them apart."""

import math
from dataclasses import dataclass

MINUS = "\N{MINUS SIGN}"
MOST_DIGITS = 6


@dataclass(frozen=True)
class Shown:
    """Prints a value of the metric as people's number."""

    scale: float
    digits: int

    def __call__(self, value: float, *, sign: bool = False) -> str:
        """Return the value as text; with ``sign``, also that of a positive one."""
        text = f"{abs(value) * self.scale:,.{self.digits}f}"
        is_nothing = not float(text.replace(",", ""))
        if value < 0 and not is_nothing:
            return MINUS + text
        return f"+{text}" if sign and not is_nothing else text


def enough_digits(number: float) -> int:
    """Return how many decimals show a number to two significant digits, and whole numbers without any."""
    size = abs(number)
    if size == 0 or math.isclose(size, round(size), rel_tol=1e-9):
        return 0
    digits = 0 if size >= 10 else 1 - math.floor(math.log10(size))
    while digits < MOST_DIGITS and not math.isclose(round(size, digits), size, rel_tol=0.005):
        digits += 1
    return min(digits, MOST_DIGITS)


def is_told(end: float, target: float, digits: int) -> bool:
    """Whether ``end``, rounded, lies on the side of ``target`` on which it truly lies."""
    rounded = float(f"{end:.{digits}f}")
    return (rounded > target) == (end > target) and (rounded < target) == (end < target)
