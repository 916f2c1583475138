"""Numbers, sizes and times as a person reads them. Pure: no settings, no clock."""

import math
from datetime import UTC, date, datetime, timedelta

MINUTE, HOUR, DAY = 60, 3600, 86_400
MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"


def compact(value: float | None) -> str:
    """Return a count in full up to 99,999 and with a unit beyond: ``41,208``, ``1.2 M``."""
    if value is None:
        return NOTHING
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= size and abs(value) >= 100_000:
            return _signed(f"{value / size:.3g} {unit}")
    return _signed(f"{value:,.0f}" if abs(value) >= 10 or value == int(value) else f"{value:.2g}")


def metric(value: float | None) -> str:
    """Return a measured value with three significant digits, whole digits never dropped: ``0.720``, ``1,234``."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if isinstance(value, int) or abs(value) >= 100:
        return _signed(f"{value:,.0f}")
    if value == 0:
        return "0"
    digits = 2 - math.floor(math.log10(abs(value)))
    return _signed(f"{value:.{digits}f}" if digits <= 6 else f"{value:.2e}")


def signed(value: float | None) -> str:
    """Return a difference with its sign, as fine as the measurements it lies between: ``+0.010``, ``+4.20``."""
    if value is None or not math.isfinite(value):
        return NOTHING
    text = _signed(f"{value:.3f}") if 0.001 <= abs(value) < 1 else metric(value)
    return f"+{text}" if value > 0 else text


def percent(share: float | None) -> str:
    """Return a share (ratio) in per cent; near 100% as many digits as it takes not to round up to it."""
    if share is None or not math.isfinite(share):
        return NOTHING
    missing = 1 - share
    if 0 < missing < 0.01:
        text = f"{share * 100:.{min(6, -math.floor(math.log10(missing)) - 1)}f}".rstrip("0")
    else:
        text = f"{share * 100:.3g}" if abs(share) < 10 else f"{share * 100:,.0f}"
    return _signed(f"{text}%")


def duration(seconds: float | timedelta | None) -> str:
    """Return a length of time (seconds) in its two largest units: ``3.8 ms``, ``45 s``, ``3 h 44 min``."""
    if seconds is None:
        return NOTHING
    if isinstance(seconds, timedelta):
        seconds = seconds.total_seconds()
    if 0 < seconds < 1:
        return f"{seconds * 1000:.2g} ms" if seconds < 0.01 else f"{seconds * 1000:.0f} ms"
    if seconds < 10 and seconds != int(seconds):
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, smaller_size, smaller_unit in (
        (DAY, "d", HOUR, "h"),
        (HOUR, "h", MINUTE, "min"),
        (MINUTE, "min", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // smaller_size
            return f"{whole // size} {unit}" + (f" {rest} {smaller_unit}" if rest else "")
    return f"{whole} s"


def size(count: int | None) -> str:
    """Return a size (bytes) in decimal units: ``812 B``, ``1.4 MB``."""
    if count is None:
        return NOTHING
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} TB"


def since(moment: datetime, now: datetime, *, short: bool = False) -> str:
    """Return how long ago ``moment`` was, or how far ahead it is; a date once it is more than a month away.

    Args:
        short: leave out "ago" and "in", for a column that is headed by what it means.
    """
    seconds = (now - moment).total_seconds()
    away = abs(seconds)
    if away >= 31 * DAY:
        return f"{moment.day} {moment:%b %Y}"
    for length, unit in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (1, "s")):
        if away >= length:
            text = f"{away // length:.0f} {unit}"
            break
    else:
        text = "0 s"
    if short:
        return text
    return f"{text} ago" if seconds >= 0 else f"in {text}"


def _signed(text: str) -> str:
    return text.replace("-", MINUS, 1) if text.startswith("-") else text


def stamp(text: str | None) -> str:
    """Return an instant that stands as text in a document, such as ``2026-11-26T05:02:44Z``, as ``26 Nov 2026, 05:02 UTC``.

    A day, such as ``2026-11-26``, is one without a time.
    """
    if not text:
        return NOTHING
    if "T" not in text:
        return f"{date.fromisoformat(text):%d %b %Y}".lstrip("0")
    return f"{datetime.fromisoformat(text).astimezone(UTC):%d %b %Y, %H:%M} UTC".lstrip("0")


def value(one: object) -> str:
    """Return a model's input or output as it is read at a glance: a number to five digits, what is missing as such."""
    if one is None or one != one:
        return "missing"
    return f"{one:.5g}" if isinstance(one, float) else str(one)
