"""One question with its answer."""

from dataclasses import dataclass

from registry.criteria import CheckStatus, Measured, metric_label
from registry.metric_words import MetricWords, Nouns, words_of
from registry.plain_words.gauges import Gauge, gauge_of
from registry.plain_words.numbers import Shown, enough_digits
from registry.plain_words.rules import Rule, filled, part_words, shown, target_label, target_words, wants_better


@dataclass(frozen=True)
class Plain:
    """One question with its answer.

    Attributes:
        figure, unit: the result as a large number and what stands behind it; empty where nothing was measured.
        mark, state: the status mark and its word.
        meaning: the result and the target in sentences.
        range: how far chance may have helped or harmed; empty without an interval.
        today: how the version in use does; empty where that is not known.
        target: the label of the target on the gauge.
    """

    question: str
    figure: str
    unit: str
    mark: str
    state: str
    meaning: str
    range: str
    today: str
    target: str
    gauge: Gauge | None


def plain(
    rule: Rule, status: CheckStatus, measured: Measured | None, *, nouns: Nouns, champion: float | None = None,
    undecided: str = "",
) -> Plain:  # fmt: skip
    """Put one criterion and its result in words.

    Args:
        champion: what the version in use reaches, in the metric's unit.
        undecided: why what was measured decides nothing.
    """
    words = words_of(rule.metric, metric_label(rule.metric))
    mark, state = _state(rule, status)
    question = _better(words, rule, nouns) if rule.against_champion else filled(words.question, nouns)
    if rule.data_slice:
        question = f"Among {part_words(rule.data_slice, nouns)}: {question[0].lower()}{question[1:]}"
    if measured is None:
        meaning = _nothing(rule, status)
        return Plain(question, "", "", mark, state, meaning, "", "", target_words(rule, nouns), None)
    show = shown(rule, words, measured.value)
    sentences = [
        _difference(words, measured.value, show, nouns) if rule.against_champion
        else filled(words.meaning, nouns, n=show(measured.value)),
        _target_sentence(rule, words),
    ]  # fmt: skip
    if status is CheckStatus.NOT_MEASURED:
        sentences.append(
            f"It decides nothing yet: {undecided}."
            if undecided
            else "The rule asks for the range that chance allows, and that was not measured."
        )
    return Plain(
        question=question,
        figure=show(measured.value, sign=rule.against_champion),
        unit=_unit(words, rule, nouns),
        mark=mark,
        state=state,
        meaning=" ".join(sentences),
        range=_range(rule, words, measured),
        today=""
        if champion is None or rule.against_champion
        else f"The version in use today reaches {show(champion)}.",
        target=target_label(rule, words),
        gauge=gauge_of(rule, measured, words, show),
    )


def weakest_part(rule: Rule, value: float, data_slice: str, parts: int, cases: str) -> str:
    """Return a sentence about the part of the data on which the result is worst."""
    words = words_of(rule.metric, metric_label(rule.metric))
    show = shown(rule, words, value)
    missed = value < rule.threshold if rule.at_least else value > rule.threshold
    compared = (
        "short of"
        if missed and rule.at_least
        else "over"
        if missed
        else "still within"
        if not rule.at_least
        else "still above"
    )
    aim = "target" if rule.at_least else "limit"
    return (
        f"It does worst among {part_words(data_slice, Nouns(cases))}: {show(value)}, {compared} the {aim} of "
        f"{Shown(words.scale, enough_digits(rule.threshold * words.scale))(rule.threshold)} for all. {parts} parts of the data were looked at."
    )


def _better(words: MetricWords, rule: Rule, nouns: Nouns) -> str:
    asked = filled(words.question, nouns)
    surely = "surely " if rule.by_interval else ""
    if wants_better(rule, words) and (rule.threshold if rule.at_least else -rule.threshold) >= 0:
        return f"Is it {surely}better than the version in use? {asked}"
    return f"Is it {surely}not much worse than the version in use? {asked}"


def _unit(words: MetricWords, rule: Rule, nouns: Nouns) -> str:
    unit = filled(words.unit, nouns)
    return f"{unit}, against the version in use".lstrip(", ") if rule.against_champion else unit


def _state(rule: Rule, status: CheckStatus) -> tuple[str, str]:
    reached, missed = ("On target", "Below target") if rule.at_least else ("Within the limit", "Over the limit")
    match status:
        case CheckStatus.PASSED:
            return "pass", reached
        case CheckStatus.FAILED:
            return ("fail", missed) if rule.blocking else ("warn", f"{missed}, only advice")
        case CheckStatus.WAIVED:
            return "warn", f"{missed}, but excused"
        case CheckStatus.STALE:
            return "skipped", "Out of date"
        case CheckStatus.NOT_APPLICABLE:
            return "skipped", "Nothing to compare with"
    return "skipped", "Not measured yet"


def _nothing(rule: Rule, status: CheckStatus) -> str:
    if status is CheckStatus.NOT_APPLICABLE:
        return (
            "This asks for a comparison with the version in use, and none is in use yet. Nothing is asked of you here."
        )
    stop = "Until then it cannot be promoted." if rule.blocking else "It can be promoted without."
    return f"Nobody knows yet: it was not tried. An engineer starts an evaluation. {stop}"


def _difference(words: MetricWords, value: float, show: Shown, nouns: Nouns) -> str:
    if not value:
        return "There is no difference to the version in use."
    return filled(words.up if value > 0 else words.down, nouns, n=show(abs(value)))


def _target_sentence(rule: Rule, words: MetricWords) -> str:
    show = Shown(words.scale, enough_digits(rule.threshold * words.scale))
    if not rule.against_champion:
        return f"{'The target is at least' if rule.at_least else 'The limit is'} {show(rule.threshold)}."
    if rule.threshold == 0:
        return "It has to be no worse." if wants_better(rule, words) else "It has to be no better."
    return f"The rule asks for a difference of {'at least' if rule.at_least else 'at most'} {show(rule.threshold, sign=True)}."


def _range(rule: Rule, words: MetricWords, measured: Measured) -> str:
    if measured.low is None or measured.high is None:
        return ""
    show = shown(rule, words, measured.low, measured.high)
    worse, better = (measured.low, measured.high) if rule.at_least else (measured.high, measured.low)
    low, good = (show(end, sign=rule.against_champion) for end in (worse, better))
    said = f"A trial is never exact: in truth it could be as {'low' if rule.at_least else 'high'} as {low}, or as good as {good}."
    if not rule.by_interval:
        return said
    missed = [end < rule.threshold if rule.at_least else end > rule.threshold for end in (measured.value, worse)]
    if missed == [False, True]:
        return f"{said} The careful end of that is held to the rule, and misses it; chance alone may have carried the result over."
    return f"{said} The careful end of that is held to the rule."
