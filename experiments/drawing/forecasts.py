"""What a version's page draws of forecasts: some series, what was forecast of each, and what came. Pure: the form is that of suites.showing."""

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.drawing.charts import BOTTOM, LEFT, WIDTH, Chart, Line

AT_FIRST = ("worst", "largest", "drawn")  # one of each is drawn where nobody chose


def series_drawn(shown: Mapping[str, Any], chosen: str = "") -> list[Chart]:
    """Return the chart of the series that was chosen, or one of each sort where none was."""
    known = shown.get("series", [])
    wanted = [one for one in known if one["of"] == chosen]
    if not wanted:
        firsts = [next((one for one in known if one["chosen"] == sort), None) for sort in AT_FIRST]
        wanted = [one for one in firsts if one]
    return [series_chart(one, shown.get("interval")) for one in wanted]


def series_chart(one: Mapping[str, Any], interval: int | None) -> Chart:
    """Return what was known, what was forecast from there on, within what, and what came."""
    begins, last = one["begins"], len(one["times"]) - 1
    steps = range(begins, last + 1)
    bounds = [value for name in ("low", "high") for value in one[name] or []]
    values = [value for value in (*one["actual"], *one["forecast"], *bounds) if value is not None]
    low, high = min(0.0, *values), max(0.0, *values) or 1.0

    def path(places: Sequence[int], heights: Sequence[float | None]) -> str:
        points = [(place, value) for place, value in zip(places, heights, strict=True) if value is not None]
        return " ".join(
            f"{LEFT + place / max(last, 1) * (WIDTH - LEFT):.1f},{BOTTOM * (1 - (value - low) / (high - low)):.1f}"
            for place, value in points
        )

    lines = []
    if bounds:
        there = [
            place for place, value in enumerate(one["high"]) if value is not None and one["low"][place] is not None
        ]
        above = path([steps[place] for place in there], [one["high"][place] for place in there])
        below = path([steps[place] for place in there[::-1]], [one["low"][place] for place in there[::-1]])
        lines.append(Line("band", "", f"M{above} {below}Z"))
    lines += [
        Line("came", "what came", f"M{path(range(last + 1), one['actual'])}"),
        Line("ca", "forecast", f"M{path(steps, one['forecast'])}"),
    ]
    days = [moment[:10] for moment in one["times"]]
    ticks = [
        (LEFT, days[0], "start"), (LEFT + begins / max(last, 1) * (WIDTH - LEFT), days[begins], "middle"), (float(WIDTH), days[-1], "end"),
    ]  # fmt: skip
    spread = [one["low"] or [None] * len(steps), one["high"] or [None] * len(steps)]
    about = f"Forecast of {one['of']} from {days[begins]} on, and what came"
    return Chart(
        one["of"], f"{about}; the band should hold {interval} of 100" if bounds else about, lines,
        [(BOTTOM * (1 - share), _label(low + (high - low) * share)) for share in (0.0, 0.5, 1.0)],
        [ticks[0], ticks[2]] if begins < last / 4 or begins > 3 * last / 4 else ticks,
        ["Step", "Forecast", "Came", *([f"{interval}% from", "to"] if bounds else [])],
        [
            [place + 1, one["forecast"][place], one["actual"][begins + place], *([side[place] for side in spread] if bounds else [])]
            for place in range(len(steps))
        ],
    )  # fmt: skip


def _label(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
