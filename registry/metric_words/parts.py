"""What each metric means to somebody who has never heard of it. Pure: words and scales, no numbers of any model.

A sentence speaks of ``{cases}`` (what the model looks at, such as flights) and ``{events}`` (those it is to find, such as
late flights); ``{n}`` is the number as people read it, which is the value times the metric's ``scale``.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Nouns:
    """What a model's cases are called, in the plural; criteria sets may name them."""

    cases: str = "cases"
    events: str = "true cases"


@dataclass(frozen=True)
class MetricWords:
    """How one metric is put to people.

    Attributes:
        question: what it asks of the model.
        unit: what stands behind the number.
        meaning: the number as a sentence.
        up, down: a difference to the version in use, as a sentence; ``{n}`` is its size.
        higher_is_better: which way is good.
        scale: from the metric's unit to people's number.
        most: the largest number there can be; None where there is no end.
        explained: what is measured, in a sentence, for who writes criteria.
    """

    question: str
    unit: str
    meaning: str
    up: str
    down: str
    explained: str
    higher_is_better: bool = True
    scale: float = 100.0
    most: float | None = 100.0
