"""The rules that every data set is held to, with or without a contract of its own. Pure."""

from collections.abc import Sequence

from experiments.contracts.rules import (
    BothOutcomes,
    Categories,
    Monotone,
    Nulls,
    Rule,
    TrainingFirst,
    Unique,
    Varies,
)
from experiments.rows.roles import BINARY

MOST_MISSING = 0.9


def standard_rules(
    *, features: Sequence[str], target: str, time_column: str, key: str, target_kind: str = BINARY, by_time: bool = True
) -> list[Rule]:
    """Return what rows need so that a model can be trained on them and measured honestly.

    Args:
        time_column: empty where rows have no time.
        target_kind: of ``experiments.rows.roles.TARGET_KINDS``.
        by_time: whether the splits are intervals of time.
    """
    timed: list[Rule] = [
        Nulls(name=time_column, reason="A row without a time is in no split."),
        Monotone(name=time_column, reason="Splits are cut by time."),
    ] if time_column else []  # fmt: skip
    labels: list[Rule] = [
        Categories(name=target, values=["0", "1"], reason="Labels are 0 or 1."),
        BothOutcomes(reason="Without both outcomes nothing can be learned or measured."),
    ] if target_kind == BINARY else [Varies(name=target, reason="A target that never changes teaches nothing.")]  # fmt: skip
    return [
        Unique(together=[key], reason="A row that is there twice counts twice, and may lie in two splits."),
        Nulls(name=key, reason="A row without a name cannot be found again."),
        Nulls(name=target, reason="A row without a label teaches nothing."),
        *timed,
        *labels,
        *([TrainingFirst(reason="A model that has seen later rows looks better than it is.")] if by_time else []),
        *(Varies(name=name, reason="A feature that never changes teaches nothing.") for name in features),
        *(
            Nulls(name=name, max_share=MOST_MISSING, reason="A feature that is hardly ever there teaches nothing.")
            for name in features
        ),
    ]


def together(standard: Sequence[Rule], contract: Sequence[Rule]) -> list[Rule]:
    """Return both, without the standard rules that the contract repeats or tightens."""
    own = {rule.key: rule for rule in contract if rule.severity == "blocking"}
    return [*contract, *(rule for rule in standard if rule.key not in own or _looser(own[rule.key], rule))]


def _looser(own: Rule, standard: Rule) -> bool:
    """Tell whether a contract's rule allows what the standard one does not."""
    match own, standard:
        case Nulls(max_share=a), Nulls(max_share=b):
            return a > b
        case Categories(values=a, max_new_share=share), Categories(values=b):
            return share > 0 or not set(a) <= set(b)
    return False
