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


WORDS = {
    "average_precision": MetricWords(
        question="Of the {cases} it flags, are enough really {events}?",
        unit="of 100 flagged {cases}",
        meaning="Out of 100 {cases} flagged, about {n} were {events}, averaged over all levels of strictness.",
        up="Out of 100 {cases} flagged, about {n} more were {events} than with the version in use.",
        down="Out of 100 {cases} flagged, about {n} fewer were {events} than with the version in use.",
        explained="Of the {cases} we flag, how many are really {events}, over all levels of strictness.",
    ),
    "precision_at_5pct_alerts": MetricWords(
        question="When it flags the 5 in 100 {cases} it is surest about, are enough of them {events}?",
        unit="of 100 flagged {cases}",
        meaning="Out of 100 {cases} flagged, about {n} were {events}; the others were false alarms.",
        up="Out of 100 {cases} flagged, about {n} more were {events} than with the version in use.",
        down="Out of 100 {cases} flagged, about {n} fewer were {events} than with the version in use.",
        explained="When 5 in 100 {cases} are flagged, how many of the flagged are really {events}.",
    ),
    "recall_at_5pct_alerts": MetricWords(
        question="Does it catch enough of the {events}?",
        unit="of 100 {events}",
        meaning="Out of 100 {events}, {n} are among the few {cases} it flags (5 in every 100); it misses the rest.",
        up="Out of 100 {events}, it catches {n} more than the version in use.",
        down="Out of 100 {events}, it catches {n} fewer than the version in use.",
        explained="When 5 in 100 {cases} are flagged, how many of all {events} are among them.",
    ),
    "roc_auc": MetricWords(
        question="Can it tell {events} from other {cases}?",
        unit="of 100 pairs ordered rightly",
        meaning="Shown one of the {events} and one other, it picks the right one in {n} of 100 tries. "
        "Tossing a coin is right in 50.",
        up="It picks the right one of two {cases} in {n} more of 100 tries than the version in use.",
        down="It picks the right one of two {cases} in {n} fewer of 100 tries than the version in use.",
        explained="Shown one of the {events} and one other, how often it picks the right one; a coin does so in 50 of 100.",
    ),
    "brier_score": MetricWords(
        question="Are the chances it gives close to what happens?",
        unit="penalty points of 100",
        meaning="It collects {n} of 100 penalty points for chances that turned out wrong. A perfect forecast collects "
        "none; saying “50 in 100” every time collects 25.",
        up="It collects {n} more penalty points of 100 than the version in use.",
        down="It collects {n} fewer penalty points of 100 than the version in use.",
        explained="Penalty points for chances that turned out wrong: 0 is perfect, “50 in 100” every time is 0.25.",
        higher_is_better=False,
    ),
    "calibration_error": MetricWords(
        question="Can people trust the chances it shows?",
        unit="in 100 beside the truth",
        meaning="Where it says “40 in 100”, about 40 should come true. On average it is {n} in 100 beside that.",
        up="The chances it shows are {n} in 100 further from the truth than those of the version in use.",
        down="The chances it shows are {n} in 100 nearer to the truth than those of the version in use.",
        explained="How far, on average, the chance it shows is from how often it comes true.",
        higher_is_better=False,
    ),
    "error_rate": MetricWords(
        question="Does it answer those who ask?",
        unit="of 100 requests fail",
        meaning="Of 100 requests, {n} were not answered, because the service failed.",
        up="Of 100 requests, {n} more fail than with the version in use.",
        down="Of 100 requests, {n} fewer fail than with the version in use.",
        explained="How many requests are not answered while it is tried on real callers.",
        higher_is_better=False,
    ),
    "timeout_rate": MetricWords(
        question="Does it answer in time?",
        unit="of 100 requests too late",
        meaning="Of 100 requests, {n} were answered too late or not at all.",
        up="Of 100 requests, {n} more come too late than with the version in use.",
        down="Of 100 requests, {n} fewer come too late than with the version in use.",
        explained="How many requests are answered too late while it is tried on real callers.",
        higher_is_better=False,
    ),
    "slow_rate": MetricWords(
        question="Does it answer quickly?",
        unit="of 100 answers slow",
        meaning="Of 100 answers, {n} took longer than agreed.",
        up="Of 100 answers, {n} more are slow than with the version in use.",
        down="Of 100 answers, {n} fewer are slow than with the version in use.",
        explained="How many answers take longer than agreed while it is tried on real callers.",
        higher_is_better=False,
    ),
    "agreement": MetricWords(
        question="Does it decide as the version in use does?",
        unit="of 100 decisions alike",
        meaning="Of 100 {cases}, it decides {n} as the version in use does.",
        up="Of 100 {cases}, {n} more are decided alike.",
        down="Of 100 {cases}, {n} fewer are decided alike.",
        explained="How many {cases} both versions decide alike when both are asked the same.",
    ),
    "wrong_answers": MetricWords(
        question="Is it right about the {cases} that it really saw?",
        unit="of 100 answers wrong",
        meaning="Of 100 {cases} whose outcome is known by now, it was wrong about {n}.",
        up="It is wrong about {n} more of 100 {cases} than the version in use.",
        down="It is wrong about {n} fewer of 100 {cases} than the version in use.",
        explained="How many answers to real callers turn out wrong once the outcome is known.",
        higher_is_better=False,
    ),
    "mean_absolute_error": MetricWords(
        question="How far is it off?",
        unit="off on average",
        meaning="What really happened lay {n} beside what it said, on average.",
        up="It lies {n} further off than the version in use.",
        down="It lies {n} nearer than the version in use.",
        explained="How far its numbers are from what really happened, on average.",
        higher_is_better=False,
        scale=1.0,
        most=None,
    ),
    "mean_squared_error": MetricWords(
        question="How far is it off, large misses above all?",
        unit="squared, off on average",
        meaning="The squares of how far it was off are {n} on average; large misses weigh most.",
        up="The squares of its misses are {n} larger than the version in use.",
        down="The squares of its misses are {n} smaller than the version in use.",
        explained="The average of its squared misses: large ones weigh most.",
        higher_is_better=False,
        scale=1.0,
        most=None,
    ),
    "log_loss": MetricWords(
        question="Are the chances it gives borne out, sure ones above all?",
        unit="penalty on average",
        meaning="It collects {n} penalty points per answer for chances that turned out wrong; sure ones cost most.",
        up="It collects {n} more penalty points per answer than the version in use.",
        down="It collects {n} fewer penalty points per answer than the version in use.",
        explained="A penalty for chances that turned out wrong: 0 is perfect, and “50 in 100” every time is 0.69.",
        higher_is_better=False,
        scale=1.0,
        most=None,
    ),
}  # fmt: skip


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
