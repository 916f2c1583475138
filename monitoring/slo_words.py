"""Objectives in words, for lists, alerts and budgets."""

from monitoring.models import SLICES, Slo


def said_in_words(slo: Slo) -> str:
    """Return an objective as people say it, such as ``latency within 50 ms, 99% over 28 days``."""
    of = f" of {slice_words(slo)}" if slo.input_slice else ""
    return f"{sli_words(slo)}{of}, {float(slo.objective) * 100:g}% over {window_words(slo)}"


def sli_words(slo: Slo) -> str:
    """Return what is measured, such as ``latency within 50 ms``."""
    within = {
        Slo.Kind.LATENCY: f" within {slo.threshold_ms or 0:g} ms",
        Slo.Kind.FRESHNESS: f" of {slo.column} within {duration_words(slo.max_age_s or 0)}",
        Slo.Kind.QUALITY: f" by {slo.metric.replace('_', ' ')}",
        Slo.Kind.COST: f" up to {slo.slice_target or 0:g} per 1,000",
    }.get(Slo.Kind(slo.kind), "")
    slices = f" in slices of {SLICES.get(slo.slice_s or 0, '')}" if slo.by_slices else ""
    return f"{slo.kind}{within}{slices}"


def slice_words(slo: Slo) -> str:
    """Return which requests it is about, such as ``origin=JFK``."""
    return ", ".join(f"{name}={value}" for name, value in sorted(slo.input_slice.items()))


def window_words(slo: Slo) -> str:
    """Return the window, such as ``28 days`` or ``the month in Europe/Berlin``."""
    if slo.calendar:
        return f"the {slo.calendar}" + ("" if slo.time_zone == "UTC" else f" in {slo.time_zone}")
    return "1 day" if slo.window_days == 1 else f"{slo.window_days} days"


def duration_words(seconds: int) -> str:
    """Return a length of time in its units, the largest first: ``5 min``, ``22 h 25 min``."""
    found = []
    for length, unit in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        whole, seconds = divmod(seconds, length)
        if whole:
            found.append(f"{whole} {unit}")
    return " ".join(found) or "0 s"
