"""How far numbers and forecasts lie from what came."""

from registry.metric_words.parts import MetricWords


def _off(question: str, unit: str, meaning: str, explained: str) -> MetricWords:
    return MetricWords(
        question=question, unit=unit, meaning=meaning, explained=explained, higher_is_better=False, scale=1.0, most=None,
        up="It is {n} further off than the version in use.", down="It is {n} nearer than the version in use.",
    )  # fmt: skip


REGRESSION = {
    "root_mean_squared_error": _off(
        "How far is it off, large misses above all?",
        "off, large misses counting most",
        "It is {n} off, where large misses count most.",
        "The root of its mean squared miss: in the unit of what is predicted, and large misses count most.",
    ),
    "r_squared": MetricWords(
        question="Does it explain why one case differs from another?",
        unit="of 100 parts explained",
        meaning="It explains {n} of 100 parts of how cases differ; saying the average every time explains none.",
        up="It explains {n} more of 100 parts than the version in use.",
        down="It explains {n} fewer of 100 parts than the version in use.",
        explained="How much of the spread is explained: 1 is all, 0 is no better than the average, less is worse than it.",
    ),
    "mean_error": _off(
        "Does it lean to one side?", "too high on average", "It is {n} too high on average; below 0 it is too low.",
        "By how much it is too high on average; 0 leans to neither side.",
    ),
}  # fmt: skip

FORECASTING = {
    "mase": _off(
        "Is it better than repeating the last season?",
        "times the miss of repeating the last season",
        "It misses by {n} times what repeating the last season misses by; below 1 it is better.",
        "Its miss beside that of repeating the last season: 1 is as good, 0.5 misses half as much. Mean over series.",
    ),
    "smape": _off(
        "How far is it off, relative to size?",
        "relative miss, 0 to 2",
        "It misses by {n} of the mean of what it said and what came, where 2 is the worst.",
        "Its miss beside the mean of what it said and what came, 0 to 2 (the definition of the M4 competition).",
    ),
    "wape": MetricWords(
        question="How much of the whole does it miss?",
        unit="of 100 of the whole",
        meaning="All misses together are {n} of 100 of all that came.",
        up="It misses {n} of 100 more than the version in use.",
        down="It misses {n} of 100 less than the version in use.",
        explained="All misses together beside all that came: 0.1 means a tenth of the volume is missed.",
        higher_is_better=False,
        most=None,
    ),
    "forecast_bias": _off(
        "Does it lean to one side?", "too high on average", "It is {n} too high on average; below 0 it is too low.",
        "By how much it is too high on average; 0 leans to neither side.",
    ),
    "pinball_loss": _off(
        "Are its best and worst cases where they should be?", "penalty", "Its quantiles collect a penalty of {n} on average.",
        "The penalty of its quantiles: misses beyond a quantile cost as much as they should be rare.",
    ),
    "crps": _off(
        "Is the spread it gives right?", "penalty", "What it held possible lies {n} from what came, on average.",
        "How far all that it held possible lies from what came; of a single number it is the absolute miss.",
    ),
    **{
        f"coverage_{percent}pct": MetricWords(
            question=f"Does what came lie in its {percent}% range as often as it says?",
            unit="of 100 inside",
            meaning=f"{{n}} of 100 lie in the range that should hold {percent}.",
            up="{n} more of 100 lie inside than with the version in use.",
            down="{n} fewer of 100 lie inside than with the version in use.",
            explained=f"How often what came lies in the range that should hold {percent} of 100.",
        )
        for percent in (50, 80, 90, 95)
    },
    **{
        f"width_{percent}pct": MetricWords(
            question=f"How wide is the range that should hold {percent} of 100?",
            unit="wide",
            meaning=f"The range that should hold {percent} of 100 is {{n}} wide on average.",
            up="It is {n} wider than with the version in use.",
            down="It is {n} narrower than with the version in use.",
            explained=f"How wide the range is that should hold {percent} of 100; narrow is better, where it holds as many as it says.",
            higher_is_better=False,
            scale=1.0,
            most=None,
        )
        for percent in (50, 80, 90, 95)
    },
}  # fmt: skip
