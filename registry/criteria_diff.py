"""What changed between two criteria sets, in words. Pure: rules in, changes out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from registry.metric_words import Nouns
from registry.plain_words.rules import Rule, target_words


@dataclass(frozen=True)
class Drafted:
    """One criterion of a set with its reason."""

    label: str
    rule: Rule
    reason: str
    phase: str = ""

    @property
    def about(self) -> tuple[str, str, str, str, bool]:
        """What makes two criteria the same one in two sets."""
        rule = self.rule
        return (rule.metric, rule.data_slice, rule.data_set, self.phase, rule.against_champion)


@dataclass(frozen=True)
class Change:
    """One criterion that was added, dropped or changed; ``words`` say what, one sentence a change."""

    kind: Literal["added", "dropped", "changed"]
    label: str
    words: list[str]
    easier: bool | None = None


def changes(old: Sequence[Drafted], new: Sequence[Drafted], nouns: Nouns) -> list[Change]:
    """Return what ``new`` changes against ``old``: first what is dropped or easier, since that lets more pass."""
    before, after = _numbered(old), _numbered(new)
    found = [
        Change("dropped", one.label, [f"No longer asked: {_asks(one, nouns)}"], one.rule.blocking)
        for key, one in before.items()
        if key not in after
    ]
    for key, one in after.items():
        if key not in before:
            found.append(Change("added", one.label, [_asks(one, nouns), one.reason], False))
        elif (words := _changed(before[key], one, nouns)) != []:
            found.append(Change("changed", one.label, words, _is_easier(before[key].rule, one.rule)))
    return sorted(found, key=lambda change: not change.easier)


def _numbered(drafted: Sequence[Drafted]) -> dict[tuple[object, ...], Drafted]:
    """Return criteria by what they are about; several about the same are told apart by their order."""
    seen: dict[tuple[object, ...], int] = {}
    numbered: dict[tuple[object, ...], Drafted] = {}
    for one in drafted:
        seen[one.about] = seen.get(one.about, 0) + 1
        numbered[(*one.about, seen[one.about])] = one
    return numbered


def _asks(one: Drafted, nouns: Nouns) -> str:
    return target_words(one.rule, nouns)


def _changed(old: Drafted, new: Drafted, nouns: Nouns) -> list[str]:
    said = []
    if _asks(old, nouns) != _asks(new, nouns) or old.rule.at_least != new.rule.at_least:
        said.append(f"Was: {_asks(old, nouns)} Now: {_asks(new, nouns)}")
    if old.rule.blocking != new.rule.blocking:
        said.append("It blocks a promotion now." if new.rule.blocking else "It only advises now.")
    if old.reason != new.reason:
        said.append(f"Reason now: {new.reason}")
    return said


def _is_easier(old: Rule, new: Rule) -> bool | None:
    """Tell whether more versions meet the new rule; None where neither set of versions holds the other."""
    if old.at_least != new.at_least:
        return None
    gap = new.threshold - old.threshold if new.at_least else old.threshold - new.threshold
    steps = [gap, float(new.by_interval) - float(old.by_interval), float(new.blocking) - float(old.blocking)]
    if all(step >= 0 for step in steps):
        return False
    return True if all(step <= 0 for step in steps) else None
