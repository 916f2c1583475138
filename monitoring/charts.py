"""Lines for the pages' SVG drawings. Pure: numbers in, path data out; colours and classes are the templates'."""

from collections.abc import Sequence


def line(values: Sequence[float | None], *, width: float, height: float, low: float = 0.0, high: float = 0.0) -> str:
    """Return the path of a line through evenly spaced values; a None interrupts it.

    Args:
        values: left to right.
        width, height: of the drawing; y grows downwards, so ``high`` is drawn at 0.
        low, high: the values at the bottom and the top; a ``high`` not above ``low`` takes the largest value.
    """
    known = [value for value in values if value is not None]
    if not known:
        return ""
    top = high if high > low else max(*known, low) or 1.0
    step = width / max(len(values) - 1, 1)
    drawn = []
    pen = "M"
    for i, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        y = height - (min(max(value, low), top) - low) / ((top - low) or 1.0) * height
        drawn.append(f"{pen}{i * step:.1f},{y:.1f}")
        pen = "L"
    return " ".join(drawn)


def steps(shares: Sequence[float], *, width: float, height: float, high: float) -> str:
    """Return the outline of a histogram of equal bins, from the floor up, along the tops and down again."""
    if not shares:
        return ""
    wide = width / len(shares)
    drawn = [f"M0,{height:.1f}"]
    for i, share in enumerate(shares):
        y = height - min(share / (high or 1.0), 1.0) * height
        drawn.append(f"L{i * wide:.1f},{y:.1f} L{(i + 1) * wide:.1f},{y:.1f}")
    return " ".join([*drawn, f"L{width:.1f},{height:.1f}"])
