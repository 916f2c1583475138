"""What a criterion asks for."""

from dataclasses import dataclass

from registry.criteria import metric_label
from registry.metric_words import MetricWords, Nouns, words_of
from registry.plain_words.numbers import MOST_DIGITS, Shown, enough_digits, is_told


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


def target_words(rule: Rule, nouns: Nouns) -> str:
    """Return what a criterion asks for as a sentence, such as it stands beside a draft."""
    words = words_of(rule.metric, metric_label(rule.metric))
    show = Shown(words.scale, enough_digits(rule.threshold * words.scale))
    limit = f"{'at least' if rule.at_least else 'at most'} {show(abs(rule.threshold))}"
    if not rule.against_champion:
        said = f"{limit} {filled(words.unit, nouns)}".rstrip()
    elif rule.threshold == 0:
        said = "no worse than the version in use" if wants_better(rule, words) else "no better than the version in use"
    elif wants_better(rule, words) == ((rule.threshold > 0) == rule.at_least):
        said = f"better than the version in use by at least {show(abs(rule.threshold))} {filled(words.unit, nouns)}".rstrip()
    else:
        said = (
            f"worse than the version in use by at most {show(abs(rule.threshold))} {filled(words.unit, nouns)}".rstrip()
        )
    careful = ", even if chance flattered the measurement" if rule.by_interval else ""
    data = f", measured on {rule.data_set}" if rule.data_set else ""
    part = f", counting only {part_words(rule.data_slice, nouns)}" if rule.data_slice else ""
    return f"{said[:1].upper()}{said[1:]}{part}{careful}{data}."


def shown(rule: Rule, words: MetricWords, *values: float) -> Shown:
    """Return a printer with the fewest decimals that tell ``values`` from the threshold: no miss reads as a hit."""
    target = rule.threshold * words.scale
    ends = [value * words.scale for value in values]
    digits = 0 if abs(ends[0]) >= 10 else 1
    while digits < MOST_DIGITS and any(not is_told(end, target, digits) for end in ends):
        digits += 1
    return Shown(words.scale, digits)


def filled(text: str, nouns: Nouns, **values: str) -> str:
    """Return a sentence with its nouns and values in their places."""
    return text.format(cases=nouns.cases, events=nouns.events, **values)


def part_words(data_slice: str, nouns: Nouns) -> str:
    """Return what a slice such as ``origin=JFK`` counts."""
    name, equals, value = data_slice.partition("=")
    return f"{nouns.cases} where {name} is {value}" if equals else data_slice


def wants_better(rule: Rule, words: MetricWords) -> bool:
    """Whether the rule bounds the metric on its bad side."""
    return rule.at_least == words.higher_is_better


def target_label(rule: Rule, words: MetricWords) -> str:
    """Return the label of the target, such as ``target 40``."""
    name = "target" if rule.at_least else "limit"
    if rule.against_champion and not rule.threshold:
        return f"{name}: no change"
    show = Shown(words.scale, enough_digits(rule.threshold * words.scale))
    return f"{name} {show(rule.threshold, sign=rule.against_champion)}"
