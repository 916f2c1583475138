"""A criterion and its result in words for people who decide about products. Pure: numbers in, sentences out."""

import math
from dataclasses import dataclass

from registry.criteria import CheckStatus, Measured, metric_label
from registry.metric_words import MetricWords, Nouns, words_of

MINUS = "\N{MINUS SIGN}"
MOST_DIGITS = 6


@dataclass(frozen=True)
class Rule:
    """A criterion as far as sentences need it; ``threshold`` is a margin where it is against the champion."""

    metric: str
    at_least: bool
    threshold: float
    by_interval: bool = False
    against_champion: bool = False
    data_set: str = ""
    data_slice: str = ""
    blocking: bool = True


@dataclass(frozen=True)
class Gauge:
    """Places on a scale, in per cent of its width, with the words below its ends."""

    value_from: float
    value: float
    target: float
    low: float | None
    high: float | None
    left: str
    right: str
    about: str

    @property
    def width(self) -> float:
        """How wide the bar of the value is."""
        return round(self.value - self.value_from, 2)

    @property
    def range_width(self) -> float:
        """How wide the line of the interval is."""
        return round((self.high or 0) - (self.low or 0), 2)


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
    rule: Rule, status: CheckStatus, measured: Measured | None, *, nouns: Nouns, champion: float | None = None
) -> Plain:  # fmt: skip
    """Put one criterion and its result in words.

    Args:
        champion: what the version in use reaches, in the metric's unit.
    """
    words = words_of(rule.metric, metric_label(rule.metric))
    mark, state = _state(rule, status)
    question = _better(words, rule, nouns) if rule.against_champion else _said(words.question, nouns)
    if rule.data_slice:
        question = f"Among {_part(rule.data_slice, nouns)}: {question[0].lower()}{question[1:]}"
    if measured is None:
        meaning = _nothing(rule, status)
        return Plain(question, "", "", mark, state, meaning, "", "", target_words(rule, nouns), None)
    show = _shown(rule, words, measured.value)
    sentences = [
        _difference(words, measured.value, show, nouns) if rule.against_champion
        else _said(words.meaning, nouns, n=show(measured.value)),
        _target_sentence(rule, words),
    ]  # fmt: skip
    if status is CheckStatus.NOT_MEASURED:
        sentences.append("The rule asks for the range that chance allows, and that was not measured.")
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
        target=_target(rule, words),
        gauge=_gauge(rule, measured, words, show),
    )


def target_words(rule: Rule, nouns: Nouns) -> str:
    """Return what a criterion asks for as a sentence, such as it stands beside a draft."""
    words = words_of(rule.metric, metric_label(rule.metric))
    show = _Shown(words.scale, _enough_digits(rule.threshold * words.scale))
    limit = f"{'at least' if rule.at_least else 'at most'} {show(abs(rule.threshold))}"
    if not rule.against_champion:
        said = f"{limit} {_said(words.unit, nouns)}".rstrip()
    elif rule.threshold == 0:
        said = "no worse than the version in use" if _wants_better(rule, words) else "no better than the version in use"
    elif _wants_better(rule, words) == ((rule.threshold > 0) == rule.at_least):
        said = f"better than the version in use by at least {show(abs(rule.threshold))} {_said(words.unit, nouns)}".rstrip()
    else:
        said = (
            f"worse than the version in use by at most {show(abs(rule.threshold))} {_said(words.unit, nouns)}".rstrip()
        )
    careful = ", even if chance flattered the measurement" if rule.by_interval else ""
    data = f", measured on {rule.data_set}" if rule.data_set else ""
    part = f", counting only {_part(rule.data_slice, nouns)}" if rule.data_slice else ""
    return f"{said[:1].upper()}{said[1:]}{part}{careful}{data}."


@dataclass(frozen=True)
class _Shown:
    """Prints a value of the metric as people's number."""

    scale: float
    digits: int

    def __call__(self, value: float, *, sign: bool = False) -> str:
        text = f"{abs(value) * self.scale:,.{self.digits}f}"
        is_nothing = not float(text.replace(",", ""))
        if value < 0 and not is_nothing:
            return MINUS + text
        return f"+{text}" if sign and not is_nothing else text


def _enough_digits(number: float) -> int:
    """Return how many decimals show a number to two significant digits, and whole numbers without any."""
    size = abs(number)
    if size == 0 or math.isclose(size, round(size), rel_tol=1e-9):
        return 0
    digits = 0 if size >= 10 else 1 - math.floor(math.log10(size))
    while digits < MOST_DIGITS and not math.isclose(round(size, digits), size, rel_tol=0.005):
        digits += 1
    return min(digits, MOST_DIGITS)


def _shown(rule: Rule, words: MetricWords, *values: float) -> _Shown:
    """Return a printer with the fewest decimals that tell ``values`` from the threshold: no miss reads as a hit."""
    target = rule.threshold * words.scale
    ends = [value * words.scale for value in values]
    digits = 0 if abs(ends[0]) >= 10 else 1
    while digits < MOST_DIGITS and any(not _is_told(end, target, digits) for end in ends):
        digits += 1
    return _Shown(words.scale, digits)


def _is_told(end: float, target: float, digits: int) -> bool:
    """Whether ``end``, rounded, lies on the side of ``target`` on which it truly lies."""
    rounded = float(f"{end:.{digits}f}")
    return (rounded > target) == (end > target) and (rounded < target) == (end < target)


def _said(text: str, nouns: Nouns, **values: str) -> str:
    return text.format(cases=nouns.cases, events=nouns.events, **values)


def _part(data_slice: str, nouns: Nouns) -> str:
    name, equals, value = data_slice.partition("=")
    return f"{nouns.cases} where {name} is {value}" if equals else data_slice


def _wants_better(rule: Rule, words: MetricWords) -> bool:
    return rule.at_least == words.higher_is_better


def _better(words: MetricWords, rule: Rule, nouns: Nouns) -> str:
    asked = _said(words.question, nouns)
    surely = "surely " if rule.by_interval else ""
    if _wants_better(rule, words) and (rule.threshold if rule.at_least else -rule.threshold) >= 0:
        return f"Is it {surely}better than the version in use? {asked}"
    return f"Is it {surely}not much worse than the version in use? {asked}"


def _unit(words: MetricWords, rule: Rule, nouns: Nouns) -> str:
    unit = _said(words.unit, nouns)
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


def _difference(words: MetricWords, value: float, show: _Shown, nouns: Nouns) -> str:
    if not value:
        return "There is no difference to the version in use."
    return _said(words.up if value > 0 else words.down, nouns, n=show(abs(value)))


def _target(rule: Rule, words: MetricWords) -> str:
    """Return the label of the target, such as ``target 40``."""
    name = "target" if rule.at_least else "limit"
    if rule.against_champion and not rule.threshold:
        return f"{name}: no change"
    show = _Shown(words.scale, _enough_digits(rule.threshold * words.scale))
    return f"{name} {show(rule.threshold, sign=rule.against_champion)}"


def _target_sentence(rule: Rule, words: MetricWords) -> str:
    show = _Shown(words.scale, _enough_digits(rule.threshold * words.scale))
    if not rule.against_champion:
        return f"{'The target is at least' if rule.at_least else 'The limit is'} {show(rule.threshold)}."
    if rule.threshold == 0:
        return "It has to be no worse." if _wants_better(rule, words) else "It has to be no better."
    return f"The rule asks for a difference of {'at least' if rule.at_least else 'at most'} {show(rule.threshold, sign=True)}."


def _range(rule: Rule, words: MetricWords, measured: Measured) -> str:
    if measured.low is None or measured.high is None:
        return ""
    show = _shown(rule, words, measured.low, measured.high)
    worse, better = (measured.low, measured.high) if rule.at_least else (measured.high, measured.low)
    low, good = (show(end, sign=rule.against_champion) for end in (worse, better))
    said = f"A trial is never exact: in truth it could be as {'low' if rule.at_least else 'high'} as {low}, or as good as {good}."
    if not rule.by_interval:
        return said
    missed = [end < rule.threshold if rule.at_least else end > rule.threshold for end in (measured.value, worse)]
    if missed == [False, True]:
        return f"{said} The careful end of that is held to the rule, and misses it; chance alone may have carried the result over."
    return f"{said} The careful end of that is held to the rule."


def _gauge(rule: Rule, measured: Measured, words: MetricWords, show: _Shown) -> Gauge:
    ends = [measured.value, rule.threshold, *(e for e in (measured.low, measured.high) if e is not None)]
    largest = max(abs(end) for end in ends) * words.scale
    span = _round_up(largest)
    if words.most is not None and not rule.against_champion and largest > words.most / 5:
        span = words.most
    left = -span if any(end < 0 for end in ends) or rule.against_champion else 0.0

    def place(value: float) -> float:
        return round(min(max((value * words.scale - left) / (span - left), 0.0), 1.0) * 100, 2)

    zero, value = place(0.0), place(measured.value)
    shown_ends = _Shown(1.0, _enough_digits(span))
    about = f"{show(measured.value)}, {_target(rule, words)}"
    if measured.low is not None and measured.high is not None:
        near = _shown(rule, words, measured.low, measured.high)
        about += f", likely {near(measured.low)} to {near(measured.high)}"
    return Gauge(
        value_from=min(zero, value), value=max(zero, value), target=place(rule.threshold),
        low=None if measured.low is None else place(measured.low),
        high=None if measured.high is None else place(measured.high),
        left=shown_ends(left), right=shown_ends(span), about=about,
    )  # fmt: skip


def _round_up(value: float) -> float:
    """Return the next of 1, 2, 5, 10, 20, … times a power of ten; 1 for nothing."""
    if not value:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value * (1 - 1e-9))


def weakest_part(rule: Rule, value: float, data_slice: str, parts: int, cases: str) -> str:
    """Return a sentence about the part of the data on which the result is worst."""
    words = words_of(rule.metric, metric_label(rule.metric))
    show = _shown(rule, words, value)
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
        f"It does worst among {_part(data_slice, Nouns(cases))}: {show(value)}, {compared} the {aim} of "
        f"{_Shown(words.scale, _enough_digits(rule.threshold * words.scale))(rule.threshold)} for all. {parts} parts of the data were looked at."
    )
