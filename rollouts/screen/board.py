"""Rollouts in lists: the board, and the panels of a model and a promotion."""

from dataclasses import dataclass
from datetime import datetime

from rollouts.models import Rollout, RolloutAct, RolloutVerdict
from rollouts.plans.units import show_share
from rollouts.screen import drawing
from rollouts.screen.page import lead
from rollouts.services.moves import elapsed
from rollouts.states import State


@dataclass(frozen=True)
class BoardRow:
    """One rollout in a list."""

    of: Rollout
    open: bool
    mark: str
    word: str
    weight: str
    way: list[drawing.StepMark]
    passed: str
    failed: str
    unsure: str
    why: str


def board_rows(rollouts: list[Rollout], now: datetime) -> list[BoardRow]:
    """Return rollouts as lists print them, in three queries whatever their number."""
    newest = (
        RolloutVerdict.objects.filter(rollout__in=rollouts)
        .order_by("rollout_id", "metric", "-id")
        .distinct("rollout_id", "metric")
    )
    outcomes: dict[int, list[str]] = {}
    for rollout_id, outcome in newest.values_list("rollout_id", "outcome"):
        outcomes.setdefault(rollout_id, []).append(outcome)
    reached: dict[int, set[int]] = {}
    acts = RolloutAct.objects.filter(rollout__in=rollouts, weight_bp__gt=0)
    for rollout_id, weight in acts.values_list("rollout_id", "weight_bp").distinct():
        reached.setdefault(rollout_id, set()).add(weight)
    return [_board_row(one, outcomes.get(one.pk, []), reached.get(one.pk, set()), now) for one in rollouts]


def _board_row(rollout: Rollout, outcomes: list[str], reached: set[int], now: datetime) -> BoardRow:
    mark, word = lead(rollout)
    state = State(rollout.state)

    def tally(outcome: str, words: str) -> str:
        count = outcomes.count(outcome)
        return f"{count} {words}" if count else ""

    return BoardRow(
        of=rollout,
        open=state.is_open,
        mark=mark,
        word=word,
        weight=show_share(rollout.weight_bp),
        way=drawing.step_marks(
            rollout.plan, state=state, step=rollout.step, began=bool(reached), elapsed_s=elapsed(rollout, now).total_seconds(),
            paused=rollout.paused_at is not None, reached=sorted(reached),
        ),
        passed=tally("pass", "passed"),
        failed=tally("fail", "failed"),
        unsure=tally("inconclusive", "open"),
        why=rollout.outcome or rollout.waiting_for or "Its first look follows within seconds.",
    )  # fmt: skip
