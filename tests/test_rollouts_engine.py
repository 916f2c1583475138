"""Rollouts from an approved promotion to champion: each step, each way back."""

import pytest

from registry.models import AuditEvent, Evidence, Promotion
from registry.selectors import can_go_on
from registry.states import PromotionState
from rollouts import services
from rollouts.models import Rollout, RolloutVerdict
from rollouts.routing import compose
from rollouts.states import State
from serving.contract import Arm
from tests import factories
from tests.rollouts import NOW, count, look, make_canary, make_planned, make_rollout, make_routable

pytestmark = pytest.mark.django_db


def champion_of(model) -> int:
    return model.aliases.get(name="champion").version.number


def arms(rollout) -> list[Arm]:
    (route,) = [route for route in compose() if route.model_id == rollout.model_id]
    return route.arms


def test_approved_promotion_waits_for_its_rollout_where_the_model_has_a_plan():
    model = make_planned()
    assert can_go_on(model.aliases.get().version)

    promotion = factories.approve(factories.make_promotion(model, version=make_routable(model)))

    assert promotion.state == PromotionState.APPROVED
    assert champion_of(model) == 1


def test_good_candidate_becomes_champion_step_by_step():
    rollout = make_rollout()
    assert (rollout.state, arms(rollout)) == (State.PENDING, [Arm("champion", 1, 10_000)])

    rollout = look(rollout)
    assert (rollout.state, rollout.step) == (State.CANARY, 0)
    assert arms(rollout) == [Arm("champion", 1, 9000), Arm("canary", 2, 1000)]

    count(rollout, champion=(9000, 90), candidate=(1000, 10))
    assert look(rollout, 30).step == 0
    rollout = look(rollout, 60)
    assert (rollout.state, rollout.step) == (State.CANARY, 1)
    assert arms(rollout) == [Arm("champion", 1, 5000), Arm("canary", 2, 5000)]

    count(rollout, at=60, champion=(5000, 50), candidate=(5000, 50))
    rollout = look(rollout, 120)

    assert rollout.state == State.PROMOTED
    assert champion_of(rollout.model) == 2
    assert arms(rollout) == [Arm("champion", 2, 10_000)]
    assert Promotion.objects.get(pk=rollout.promotion_id).state == PromotionState.COMPLETED
    assert Evidence.objects.filter(version=rollout.candidate, kind="canary", metric="latency").count() == 2
    told = list(AuditEvent.objects.filter(subject=rollout.path).order_by("seq").values_list("action", flat=True))
    assert told == [
        "rollout.start", "rollout.step", "rollout.verdict", "rollout.verdict", "rollout.step", "rollout.verdict", "rollout.promote",
    ]  # fmt: skip


def test_worse_candidate_goes_back_at_once():
    rollout = make_canary()
    count(rollout, champion=(9000, 90), candidate=(1000, 60))

    rollout = look(rollout, 10)

    assert rollout.state == State.ROLLED_BACK
    assert champion_of(rollout.model) == 1
    assert arms(rollout) == [Arm("champion", 1, 10_000)]
    promotion = Promotion.objects.get(pk=rollout.promotion_id)
    assert (promotion.state, promotion.outcome) == (PromotionState.ROLLED_BACK, rollout.outcome)
    assert "latency: worse" in rollout.outcome
    assert RolloutVerdict.objects.filter(rollout=rollout, metric="latency").first().outcome == "fail"
    assert rollout.model.alerts.get(cleared_at=None).key == f"rollout:{rollout.pk}:rolled_back"
    assert Rollout.objects.count() == 1
    assert services.rollout_start(promotion_id=promotion.pk, now=NOW) is None
