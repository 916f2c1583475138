"""What each metric means to somebody who has never heard of it. Pure: words and scales, no numbers of any model."""

from registry.metric_words import detection, forecasts, live, ordering
from registry.metric_words.parts import MetricWords, Nouns

_RANKED = {
    name: detection.WORDS[name] for name in detection.WORDS if name not in ("brier_score", "calibration_error")
}  # fmt: skip
_OFF = {"mean_absolute_error": live.WORDS["mean_absolute_error"]}
BY_TASK = {
    "classification": detection.WORDS,
    "anomaly": _RANKED,
    "ranking": ordering.RANKING,
    "retrieval": ordering.RANKING | ordering.RETRIEVAL,
    "regression": forecasts.REGRESSION | _OFF,
    "forecasting": forecasts.FORECASTING
    | _OFF
    | {"root_mean_squared_error": forecasts.REGRESSION["root_mean_squared_error"]},
}
LIVE = live.WORDS
WORDS = LIVE | {name: words for table in BY_TASK.values() for name, words in table.items()}


def words_of(metric: str, label: str) -> MetricWords:
    """Return the words for ``metric``; one that nobody described is put by its ``label`` and bare number."""
    return WORDS.get(metric) or MetricWords(
        question=f"Is it good enough by the measure “{label}”?",
        unit="",
        meaning=f"The measure “{label}” gave {{n}}.",
        up=f"The measure “{label}” is {{n}} higher than for the version in use.",
        down=f"The measure “{label}” is {{n}} lower than for the version in use.",
        explained=f"The measure “{label}”, as the engineers define it.",
        scale=1.0,
        most=None,
    )


def higher_is_better(metric: str) -> bool | None:
    """Return which way is good; None for a metric nobody described."""
    return WORDS[metric].higher_is_better if metric in WORDS else None


__all__ = ["BY_TASK", "LIVE", "WORDS", "MetricWords", "Nouns", "higher_is_better", "words_of"]
