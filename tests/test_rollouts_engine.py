"""Rollouts from an approved promotion to champion: each step, each way back."""

from datetime import timedelta
from functools import partial

import pytest
from django.db import connection

from monitoring.models import TelemetryHour, TelemetryWindow, TrialPairs
from monitoring.services import log_policy_change, slo_create
from registry import services as registry
from registry.access import Actor
from registry.errors import ConflictError, CriteriaError, FourEyesError, InvalidError, RoleError
from registry.models import AuditEvent, Evidence, Membership, Promotion, Role
from registry.selectors import can_go_on
from registry.states import PromotionState
from rollouts import services
from rollouts.models import LoadRefusal, Rollout, RolloutVerdict, RoutingTable
from rollouts.routes import compose
from rollouts.routing import document_of
from rollouts.states import State
from rollouts.tasks import reconcile
from serving.contract import Arm
from tests import factories
from tests.rollouts import (
    NOW,
    PLAN,
    SLOW,
    approver,
    count,
    gateways_hold,
    look,
    make_canary,
    make_planned,
    make_rollout,
    make_routable,
)

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
    assert (
        Evidence.objects.filter(version=rollout.candidate, kind="canary", metric="slow_rate", against=None).count() == 2
    )
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


def test_tier_that_asks_for_rollouts_gets_one_by_the_installations_plan():
    model = factories.make_model(risk_tier=1)
    promotion = factories.make_promotion(model, version=make_routable(model))
    factories.approve(promotion)
    assert factories.approve(promotion).state == PromotionState.COMPLETED  # the first champion replaces nobody

    later = factories.make_promotion(model, version=make_routable(model))
    factories.approve(later)
    assert factories.approve(later).state == PromotionState.APPROVED
    rollout = services.rollout_start(promotion_id=later.pk, now=NOW)

    assert (rollout.made_from.risk_tier, rollout.plan.promote_gate) == (1, True)
    gateways_hold(rollout.candidate)
    assert "read off 200 answers" in hold(rollout)


def test_candidate_waits_until_gateways_hold_it():
    rollout = make_rollout(loaded=False)
    (route,) = compose()
    assert (route.standby, [version.number for version in route.versions]) == ([2], [2, 1])

    assert hold(rollout) == "No gateway lives that could answer."
    gateways_hold(rollout.champion)
    assert hold(rollout) == "1 of 1 gateway processes have not loaded v2 yet."
    assert look(rollout, 301).state == State.PENDING
    assert rollout.model.alerts.get(cleared_at=None).title.startswith("Rollout of v2 cannot begin")

    gateways_hold(rollout.champion, rollout.candidate)
    assert look(rollout, 302).state == State.CANARY
    assert not rollout.model.alerts.filter(cleared_at=None).exists()


def test_latency_is_held_against_the_champions_99th_percentile_of_before():
    rollout = make_rollout(plan=PLAN | {"guardrails": [{"name": "latency", "kind": "slow"}]})
    assert "there are 0" in hold(rollout)
    latency = [0] * 6 + [198, 2] + [0] * 10  # up to 5 ms, and up to 10 ms
    TelemetryWindow.objects.create(
        version=rollout.champion,
        arm="champion",
        weight_bp=10_000,
        table_version=1,
        started_at=NOW,
        requests=200,
        latency=latency,
    )

    rollout = look(rollout)

    assert rollout.state == State.CANARY
    assert rollout.plan.guardrails[0].threshold_ms == 5.0
    assert rollout.trial.read_guards()[0].threshold_ms == 5.0


@pytest.mark.parametrize("held_by", ["pause", "gate"])
def test_breach_goes_back_while_nobody_lets_it_move(held_by):
    steps = [{"weight_bp": 1000, "hold_s": 0, "min_requests": 1}, {"weight_bp": 5000, "hold_s": 0, "gate": True}]
    rollout = make_canary(plan=PLAN | {"steps": steps})
    count(rollout, champion=(900, 9), candidate=(100, 1))
    if held_by == "pause":
        services.rollout_pause(actor=approver(rollout), rollout_id=rollout.pk, reason="Lunch.", now=NOW)
    assert look(rollout, 10).state == (State.CANARY if held_by == "pause" else State.AWAITING)

    count(rollout, at=10, champion=(9000, 90), candidate=(1000, 100))

    assert look(rollout, 20).state == State.ROLLED_BACK
    assert champion_of(rollout.model) == 1


def test_time_of_a_pause_does_not_count():
    rollout = make_canary()
    count(rollout, champion=(9000, 90), candidate=(1000, 10))
    deadline = rollout.deadline_at
    services.rollout_pause(actor=approver(rollout), rollout_id=rollout.pk, reason="Lunch.", now=at(30))
    assert look(rollout, 600).step == 0

    services.rollout_resume(actor=approver(rollout), rollout_id=rollout.pk, reason="Back.", now=at(630))

    assert look(rollout, 659).step == 0
    rollout = look(rollout, 660)
    assert (rollout.step, rollout.deadline_at) == (1, deadline + timedelta(seconds=600))


def test_undecided_at_the_deadline_asks_and_an_approver_decides():
    rollout = make_canary(step_of(5000))
    count(rollout, champion=(100, 1), candidate=(100, 1))

    rollout = look(rollout, 3600)
    assert (rollout.state, rollout.asks) == (State.AWAITING, "deadline")
    assert rollout.model.alerts.filter(cleared_at=None, key__endswith=":awaits").exists()
    assert arms(rollout)[-1] == Arm("canary", 2, 5000)

    decide = partial(services.rollout_decide, rollout_id=rollout.pk, choice="promote", now=at(3700))
    with pytest.raises(RoleError):
        decide(actor=factories.make_actor(rollout.model.team), reason="Looks fine.")
    with pytest.raises(FourEyesError):
        decide(actor=part_in(rollout), reason="Looks fine.")
    with pytest.raises(InvalidError):
        decide(actor=approver(rollout), reason=" ")
    assert rollout_of(rollout).state == State.AWAITING

    done = decide(actor=approver(rollout), reason="A week without a complaint.")

    assert done.state == State.PROMOTED
    assert champion_of(rollout.model) == 2
    assert not rollout.model.alerts.filter(cleared_at=None).exists()


def test_more_time_is_a_decision_too():
    rollout = make_canary(step_of(5000))
    count(rollout, champion=(100, 1), candidate=(100, 1))
    look(rollout, 3600)

    rollout = services.rollout_decide(
        actor=approver(rollout), rollout_id=rollout.pk, choice="continue", reason="Quiet week.", now=at(3700)
    )

    assert (rollout.state, rollout.step, rollout.phase_started_at) == (State.CANARY, 0, NOW)
    assert look(rollout, 3701).state == State.CANARY
    assert look(rollout, 7300).state == State.AWAITING


def test_without_data_it_holds_alerts_and_nobody_promotes_it():
    rollout = look(make_canary(step_of(5000)), 61)

    assert rollout.state == State.CANARY
    assert rollout.model.alerts.get(cleared_at=None).key == f"rollout:{rollout.pk}:no_data"
    rollout = look(rollout, 3600)
    assert rollout.state == State.AWAITING
    with pytest.raises(CriteriaError, match="Nothing is known"):
        services.rollout_decide(
            actor=approver(rollout), rollout_id=rollout.pk, choice="promote", reason="Trust me.", now=at(3601)
        )
    assert champion_of(rollout.model) == 1


def test_skipping_the_hold_passes_no_guardrail_by():
    rollout = make_canary()
    skip = partial(services.rollout_advance, rollout_id=rollout.pk, reason="Release day.")
    engineer = factories.make_actor(rollout.model.team)
    count(rollout, champion=(900, 9), candidate=(100, 1))

    rollout = skip(actor=engineer, now=at(1))
    assert (rollout.step, rollout.weight_bp) == (1, 5000)

    with pytest.raises(RoleError):
        skip(actor=engineer, now=at(2))
    count(rollout, at=10, champion=(5000, 50), candidate=(5000, 300))
    with pytest.raises(CriteriaError, match="goes back by itself"):
        skip(actor=approver(rollout), now=at(20))
    assert champion_of(rollout.model) == 1
    assert look(rollout, 21).state == State.ROLLED_BACK


def test_abort_goes_back_and_ends_the_promotion():
    rollout = make_canary()

    done = services.rollout_abort(actor=approver(rollout), rollout_id=rollout.pk, reason="Wrong week.", now=at(1))

    assert done.state == State.ABORTED
    assert arms(rollout) == [Arm("champion", 1, 10_000)]
    promotion = Promotion.objects.get(pk=rollout.promotion_id)
    assert (promotion.state, promotion.outcome) == (PromotionState.ROLLED_BACK, "Wrong week.")
    with pytest.raises(ConflictError, match="aborted already"):
        services.rollout_pause(actor=approver(rollout), rollout_id=rollout.pk, reason="Again.", now=at(2))


def test_champion_moved_by_hand_ends_the_rollout_and_the_canary_goes_with_it():
    model = make_planned()
    first = model.versions.get(number=1)
    services.plan_save(actor=factories.make_actor(model.team), model=model, document=None, note="At once, this time.")
    factories.approve(factories.make_promotion(model, version=make_routable(model)))
    services.plan_save(actor=factories.make_actor(model.team), model=model, document=PLAN, note="And back.")
    rollout = make_canary(model)
    assert arms(rollout) == [Arm("champion", 2, 9000), Arm("canary", 3, 1000)]

    roll_back_to(first)
    assert arms(rollout) == [Arm("champion", 1, 10_000)]

    assert look(rollout, 1).state == State.ABORTED
    assert champion_of(model) == 1


def test_refusal_by_gateways_fails_it_at_once_where_it_answers_and_after_a_while_before():
    waiting, answering = make_rollout(loaded=False), make_canary()
    for rollout in (waiting, answering):
        LoadRefusal.objects.create(version=rollout.candidate, reason="bytes changed", noticed_at=NOW)

    assert look(waiting, 59).state == State.PENDING
    assert look(answering, 1).state == State.ROLLED_BACK
    assert "bytes changed" in look(waiting, 60).outcome


def test_column_withheld_from_the_log_routes_nobody():
    model = make_planned()
    engineer = factories.make_actor(model.team)
    log_policy_change(actor=engineer, model=model, columns={"carrier": "hash"}, reason="Personal.")
    save = partial(services.plan_save, actor=engineer, model=model, note="By carrier.")

    with pytest.raises(InvalidError) as refused:
        save(document=PLAN | {"key_column": "carrier"})
    assert refused.value.field == "key_column"
    with pytest.raises(InvalidError, match="takes no column colour"):
        save(document=PLAN | {"key_column": "colour"})

    save(document=PLAN | {"key_column": "distance"})
    rollout = make_canary(model)
    (route,) = compose()
    assert (route.key_column, route.salt) == ("distance", rollout.salt)
    log_policy_change(actor=engineer, model=model, columns={"distance": "hash"}, reason="Personal.")
    assert compose()[0].key_column == ""
    assert "withheld" in look(rollout, 1).outcome


def test_promotion_brings_a_plan_of_its_own_before_the_first_approval():
    model = factories.make_model()
    factories.approve(factories.make_promotion(model, version=make_routable(model)))
    promotion = factories.make_promotion(model, version=make_routable(model))
    bring = partial(services.promotion_plan_save, promotion=promotion, document=PLAN | {"promote_gate": True})
    with pytest.raises(RoleError):
        bring(actor=factories.make_actor(model.team))

    bring(actor=Actor(promotion.requested_by, "session"))
    assert factories.approve(promotion).state == PromotionState.APPROVED

    rollout = services.rollout_start(promotion_id=promotion.pk, now=NOW)
    assert (rollout.plan.promote_gate, rollout.made_from.promotion) == (True, promotion)
    with pytest.raises(ConflictError, match="before the first approval"):
        bring(actor=Actor(promotion.requested_by, "session"))


def test_rollout_that_outlasts_its_approvals_makes_no_champion():
    rollout = make_canary(step_of(5000))
    count(rollout, champion=(5000, 50), candidate=(5000, 50))
    factories.change_policy(rollout.model.team, required={"approver": 2})

    with pytest.raises(CriteriaError, match="hold no longer"):
        services.rollout_advance(actor=approver(rollout), rollout_id=rollout.pk, reason="Now.", now=at(30))
    rollout = look(rollout, 60)

    assert (rollout.state, "asks for more by now" in rollout.outcome) == (State.ABORTED, True)
    assert champion_of(rollout.model) == 1


def test_killed_between_any_two_writes_it_ends_the_same():
    rollout = make_canary()
    count(rollout, champion=(9000, 90), candidate=(1000, 60))

    for survived in range(1, 60):
        with connection.execute_wrapper(Killer(survived)):
            try:
                look(rollout, 10)
            except KilledError:
                assert (rollout_of(rollout).state, champion_of(rollout.model)) == (State.CANARY, 1)
                assert not RolloutVerdict.objects.filter(rollout=rollout).exists()
                continue
        break
    else:
        pytest.fail("more writes than expected")

    assert survived > 10
    assert rollout_of(rollout).state == State.ROLLED_BACK
    assert look(rollout, 11).state == State.ROLLED_BACK
    assert AuditEvent.objects.filter(subject=rollout.path, action="rollout.roll_back").count() == 1


def test_budget_that_the_canary_spent_is_charged_to_it():
    rollout = make_canary()
    for model in (TelemetryWindow, TelemetryHour):
        extra = {"weight_bp": 1000, "table_version": 1} if model is TelemetryWindow else {}
        model.objects.create(version=rollout.candidate, arm="canary", started_at=NOW, requests=100, errors=2, **extra)
        model.objects.create(
            version=rollout.champion,
            arm="champion",
            started_at=NOW,
            requests=900,
            **(extra | {"weight_bp": 9000} if extra else {}),
        )
    slo_create(
        actor=factories.make_actor(rollout.model.team), model=rollout.model, kind="availability", objective="0.99", window_days=28,
    )  # fmt: skip

    rollout = look(rollout, 10)

    assert (rollout.canary_requests, rollout.canary_failures) == (100, 2)
    assert [(row["bad"], row["total"], row["share"]) for row in rollout.budget] == [(2, 100, pytest.approx(0.2))]


def test_one_run_of_the_task_takes_up_moves_on_and_publishes():
    model = make_planned()
    candidate = make_routable(model)
    gateways_hold(candidate)
    factories.approve(factories.make_promotion(model, version=candidate))

    reconcile()

    (route,) = document_of(RoutingTable.objects.latest("version")).routes
    assert route.arms == [Arm("champion", 1, 9000), Arm("canary", 2, 1000)]
    assert RoutingTable.objects.latest("version").reason == f"{model.name}: v1 90%, v2 10% serves"


def step_of(weight_bp):
    return make_planned(plan=PLAN | {"steps": [{"weight_bp": weight_bp, "hold_s": 60, "min_requests": 100}]})


def at(seconds):
    return NOW + timedelta(seconds=seconds)


def hold(rollout) -> str:
    found = look(rollout)
    assert found.state == State.PENDING
    return found.waiting_for


def rollout_of(rollout) -> Rollout:
    return Rollout.objects.get(pk=rollout.pk)


def part_in(rollout) -> Actor:
    """Who made the candidate, an approver by now."""
    user = rollout.candidate.created_by
    Membership.objects.filter(user=user).update(role=Role.APPROVER)
    return Actor(user, "session")


def roll_back_to(version) -> None:
    registry.rollback(
        actor=factories.make_actor(version.model.team, Role.APPROVER),
        model=version.model,
        to_version=version,
        reason="Seen it.",
    )


class KilledError(Exception):
    """The process is gone."""


class Killer:
    """Kills the process at its n-th write."""

    def __init__(self, survives: int) -> None:
        self.left = survives

    def __call__(self, execute, sql, params, many, context):
        if "INSERT INTO" in sql or sql.startswith("UPDATE"):
            self.left -= 1
            if not self.left:
                raise KilledError
        return execute(sql, params, many, context)


def test_a_candidate_that_fails_as_a_shadow_never_answers_a_caller():
    plan = PLAN | {
        "shadow": {"duration_s": 60, "min_pairs": 100},
        "guardrails": [SLOW, {"name": "shadow errors", "kind": "paired_errors", "decides": False}],
    }
    rollout = look(make_rollout(plan=plan))
    assert rollout.state == State.SHADOW
    TrialPairs.objects.create(
        trial=rollout.trial, guard="shadow errors", started_at=NOW, answered_both=188, only_champion=12
    )

    rollout = look(rollout, after=10)

    assert (rollout.state, rollout.weight_bp) == (State.ROLLED_BACK, 0)
    assert rollout.outcome.startswith("shadow errors: ")
    assert not rollout.acts.filter(weight_bp__gt=0).exists()
