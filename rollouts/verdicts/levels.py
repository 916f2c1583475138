"""How an error level is shared out."""

import math
from collections.abc import Mapping, Sequence


def split_alpha(
    alpha: float, guardrails: Sequence[str], weights: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Return each guardrail's share of ``alpha``, so that a rollback without reason has at most that probability over all of them.

    One guardrail is enough to go back, so their errors add up (Bonferroni), whatever depends on what. A pass needs all of
    them, so it needs no split: give ``alpha_pass=alpha`` to each.

    Args:
        weights: importance by guardrail, above 0; those left out weigh 1.

    Raises:
        ValueError: alpha outside (0, 1), no guardrail, one named twice, an unknown name or a weight that is not positive.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"{alpha=} lies outside (0, 1).")
    if not guardrails or len(set(guardrails)) != len(guardrails):
        raise ValueError(f"Each guardrail is named once, and there is one: {list(guardrails)}")
    given = dict(weights or {})
    if unknown := given.keys() - set(guardrails):
        raise ValueError(f"Weights for unknown guardrails: {sorted(unknown)}")
    if any(not 0 < weight < math.inf for weight in given.values()):
        raise ValueError(f"Weights are above 0: {given}")
    total = sum(given.get(name, 1.0) for name in guardrails)
    return {name: alpha * given.get(name, 1.0) / total for name in guardrails}
