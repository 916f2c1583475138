"""Shares and lengths of time as people write them: ``5%``, ``1h30m``. Pure, and lossless both ways."""

import re
from decimal import Decimal

from serving.contract import BASIS_POINTS

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NUMBER = r"\d{1,12}(?:\.\d{1,40})?"
_PERCENT = re.compile(rf"({_NUMBER})\s*%")
_PART = re.compile(rf"\s*({_NUMBER})\s*(days?|d|hours?|h|min|minutes?|m|seconds?|s)")
_SECONDS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
_MS = re.compile(rf"({_NUMBER})\s*(ms|s)")


def read_percent(text: str) -> float:
    """Return the ratio that a percentage such as ``5%`` stands for.

    Raises:
        ValueError: it is none; says how one is written.
    """
    found = _PERCENT.fullmatch(text.strip().lower())
    if not found:
        raise ValueError("a share in per cent, such as 5%")
    return float(Decimal(found[1]) / 100)


def show_percent(ratio: float) -> str:
    """Return a ratio as a percentage that :func:`read_percent` reads as the same number."""
    text = f"{Decimal(repr(ratio)) * 100:f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text}%"


def read_share(text: str) -> int:
    """Return a share in basis points.

    Raises:
        ValueError: it is none, or finer than a basis point.
    """
    found = _PERCENT.fullmatch(text.strip().lower())
    points = Decimal(found[1]) * BASIS_POINTS / 100 if found else None
    if points is None or points != points.to_integral_value():
        raise ValueError("a share in per cent, such as 5%, no finer than 0.01%")
    return int(points)


def show_share(points: int) -> str:
    """Return basis points as a percentage: ``0.5%``."""
    return show_percent(points / BASIS_POINTS)


def read_duration(text: str) -> int:
    """Return a length of time in seconds.

    Raises:
        ValueError: it is none, or has no unit.
    """
    place, seconds = 0, Decimal(0)
    stripped = text.strip().lower()
    while part := _PART.match(stripped, place):
        seconds += Decimal(part[1]) * _SECONDS[part[2][0]]
        place = part.end()
    if not stripped or place != len(stripped) or seconds != seconds.to_integral_value():
        raise ValueError("a length of time with its unit, such as 30m, 1h30m or 7d")
    return int(seconds)


def show_duration(seconds: int) -> str:
    """Return seconds in whole units: ``1h30m``; zero is ``0s``."""
    parts, rest = [], seconds
    for unit, size in _SECONDS.items():
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def read_ms(text: str) -> float:
    """Return a latency in milliseconds.

    Raises:
        ValueError: it is none, or has no unit.
    """
    found = _MS.fullmatch(text.strip().lower())
    if not found:
        raise ValueError("a latency with its unit, such as 15ms")
    return float(Decimal(found[1]) * (1000 if found[2] == "s" else 1))


def show_ms(ms: float) -> str:
    """Return milliseconds with their unit: ``15ms``."""
    text = f"{Decimal(repr(ms)):f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text}ms"


def read_weekday(text: str) -> int:
    """Return a weekday from 0, Monday.

    Raises:
        ValueError: it is none.
    """
    if text.strip().lower()[:3] not in WEEKDAYS:
        raise ValueError("a day of the week: " + ", ".join(WEEKDAYS))
    return WEEKDAYS.index(text.strip().lower()[:3])
