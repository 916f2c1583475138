"""What the bar of a rollout's steps says."""

import pytest

from rollouts.plans.plan import read_plan
from rollouts.screen.drawing import step_marks
from rollouts.states import State


@pytest.mark.parametrize(
    ("hold_s", "elapsed_s", "held"),
    [(7, 70, "7s of 7s"), (90, 80, "1m of 1m30s"), (600, 59, "59s of 10m"), (600, 3599, "10m of 10m")],
)
def test_a_step_tells_how_much_of_its_hold_has_passed(hold_s, elapsed_s, held):
    plan = read_plan(
        {"steps": [{"weight_bp": 500, "hold_s": hold_s}], "guardrails": [{"name": "errors", "kind": "errors"}]}
    )

    marks = step_marks(plan, state=State.CANARY, step=0, began=True, elapsed_s=elapsed_s, paused=False, reached=[])

    assert marks[0].words == f"holding, {held}"
