"""Acceptance criteria that only a rollout can show: measured, held against, waived by a second person."""

from datetime import timedelta

import numpy as np
import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from experiments.comparing.chosen import _latest
from experiments.metrics import wilson_interval
from monitoring.models import QualityWindow
from monitoring.quality.sums import Kind, probabilities
from registry.errors import CriteriaError
from registry.metric_words import Nouns
from registry.models import Evidence, Role
from registry.plain_words.rules import Rule
from registry.selectors import champion_against, promotion_checks, rollout_checks
from registry.services import evidence_record, waiver_ask, waiver_grant
from rollouts import services
from rollouts.measures import newcombe, paired
from rollouts.selectors.criteria import criteria_checks
from rollouts.states import State
from tests import factories
from tests.rollouts import (
    ERRORS,
    NOW,
    PLAN,
    SLOW,
    approver,
    count,
    count_pairs,
    gateways_hold,
    look,
    make_planned,
    make_rollout,
    make_routable,
)

pytestmark = pytest.mark.django_db

RARE = {
    "metric": "error_rate", "direction": "at_most", "threshold": 0.002, "basis": "interval", "phase": "canary",
    "reason": "Travellers who get no answer call the desk.",
}  # fmt: skip
ALIKE = {
    "metric": "agreement", "direction": "at_least", "threshold": 0.95, "phase": "shadow",
    "reason": "A new version must not decide otherwise out of the blue.",
}  # fmt: skip
BEFORE = {"metric": "roc_auc", "direction": "at_least", "threshold": 0.7, "reason": "Better than chance."}


def make_judged(*criteria, plan=PLAN):
    """A rollout whose promotion is judged by these criteria, at its first look."""
    model = make_planned(plan=plan)
    factories.make_criteria(model, [BEFORE, *criteria])
    return make_rollout(model, plan=plan)


def test_missed_criterion_of_the_canary_holds_the_last_step():
    rollout = look(make_judged(RARE))
    count(rollout, champion=(9000, 90), candidate=(1000, 10))
    rollout = look(rollout, 60)
    count(rollout, at=60, champion=(5000, 50), candidate=(5000, 50), failed=(20, 22))

    rollout = look(rollout, 130)

    assert (rollout.state, rollout.step) == (State.CANARY, 1)
    assert "C2 Requests that fail ≤ 0.002: failed, 0.00365" in rollout.waiting_for
    with pytest.raises(CriteriaError) as refused:
        services.rollout_advance(
            actor=approver(rollout), rollout_id=rollout.pk, reason="It is late.", now=NOW + timedelta(seconds=131)
        )
    assert "an engineer or product member asks for a waiver" in refused.value.unmet[0]["who"]


def test_met_criteria_are_recorded_as_evidence_and_change_no_approval():
    rollout = look(make_judged(RARE))
    before = [check.evidence.pk for check in promotion_checks(rollout.promotion)]
    count(rollout, champion=(90_000, 900), candidate=(10_000, 100))
    rollout = look(rollout, 60)
    count(rollout, at=60, champion=(5000, 50), candidate=(5000, 50))

    rollout = look(rollout, 130)

    assert rollout.state == State.PROMOTED
    [check] = rollout_checks(rollout.promotion, "canary")
    assert (check.status, check.evidence.kind, check.evidence.value) == ("passed", "canary", 0.0)
    rollout.promotion.refresh_from_db()
    assert [check.evidence.pk for check in promotion_checks(rollout.promotion)] == before


def test_criteria_of_the_shadow_come_before_the_first_caller():
    agreement = {"name": "decisions", "kind": "agreement", "margin": 0.5, "decides": False}
    shadow = {"share_bp": 5000, "duration_s": 60, "min_pairs": 100}
    rollout = look(make_judged(ALIKE, plan=PLAN | {"shadow": shadow, "guardrails": [ERRORS, SLOW, agreement]}))
    count_pairs(rollout, 1000, 900)

    held = look(rollout, 70)
    assert held.state == State.SHADOW
    assert "C2 Same decision as the champion ≥ 0.95: failed, 0.9" in held.waiting_for

    count_pairs(rollout, 10_000, 9990, at=70)
    assert look(rollout, 80).state == State.CANARY


def test_what_nothing_measures_is_told_and_never_passed():
    rollout = look(make_judged({**RARE, "metric": "wrong_answers"}))
    count(rollout, champion=(9000, 90), candidate=(1000, 10))
    rollout = look(rollout, 60)
    count(rollout, at=60, champion=(5000, 50), candidate=(5000, 50))
    assert "nothing in this rollout has measured it" in look(rollout, 130).waiting_for


def test_second_person_waives_what_a_rollout_missed():
    rollout = look(make_judged(RARE))
    count(rollout, champion=(9000, 90), candidate=(1000, 10))
    rollout = look(rollout, 60)
    count(rollout, at=60, champion=(5000, 50), candidate=(5000, 50), failed=(20, 22))
    assert look(rollout, 130).state == State.CANARY

    waiver = waiver_ask(
        actor=factories.make_actor(rollout.model.team), promotion_id=rollout.promotion_id, criterion=2,
        reason="The champion fails as often.", expires_at=timezone.now() + timedelta(days=3), document="Seen in the log.",
    )  # fmt: skip
    waiver_grant(
        actor=factories.make_actor(rollout.model.team, Role.APPROVER), waiver_id=waiver.pk, note="Checked the log."
    )

    with connection.cursor() as cursor:  # what an approval rested on holds as before
        cursor.execute("SELECT registry_quorum_reached(%s)", [rollout.promotion_id])
        assert cursor.fetchone()[0]
    assert look(rollout, 131).state == State.PROMOTED


def test_such_criteria_ask_for_a_rollout_without_a_plan_or_policy():
    model = factories.make_model()
    factories.approve(factories.make_promotion(model, version=make_routable(model)))
    factories.make_criteria(model, [BEFORE, RARE])
    candidate = make_routable(model)
    gateways_hold(candidate)

    promotion = factories.approve(factories.make_promotion(model, version=candidate))

    assert promotion.state == "approved"
    assert services.rollout_start(promotion_id=promotion.pk, now=NOW)


def test_evidence_of_a_rollout_is_no_ground_for_beginning_one():
    rollout = make_judged(
        {**BEFORE, "metric": "error_rate", "direction": "at_most", "threshold": 0.5, "blocking": False}
    )
    Evidence.objects.create(
        version=rollout.candidate,
        kind="canary",
        metric="error_rate",
        value=0.0,
        artifact_digest=rollout.candidate.artifact_digest,
    )
    assert [check.status for check in promotion_checks(rollout.promotion) if check.criterion.position == 2] == [
        "not_measured"
    ]


def test_intervals_match_published_values():
    # Newcombe (1998), table II, 56/70 against 48/80, method 10; Wilson's is the one of its parts.
    assert newcombe(56, 70, 48, 80) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)
    assert wilson_interval(0, 10) == pytest.approx((0.0, 0.0, 0.2775), abs=1e-4)


@given(st.integers(0, 500), st.integers(1, 500))
def test_share_lies_in_its_interval(events, more):
    share, low, high = wilson_interval(events, events + more)
    assert 0 <= low <= share <= high <= 1


@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 100))
def test_paired_difference_is_mirrored(gained, lost, alike):
    n = gained + lost + alike
    value, low, high = paired(gained, lost, n)
    assert paired(lost, gained, n) == pytest.approx((-value, -high, -low))


def label(version, arm, *, right, n=400):
    """Count an hour of a version's predictions, all of them labelled."""
    sums = probabilities(np.where(np.arange(n) < right, 0.9, 0.1), np.ones(n), threshold=0.5)
    QualityWindow.objects.create(
        version=version, arm=arm, kind=Kind.PROBABILITY, span=3600, started_at=NOW, predictions=n, labelled=n,
        right=sums.right, cells=sums.cells.pack(), sums=sums.sums,
    )  # fmt: skip


def test_labels_of_the_canarys_own_hours_are_held_against_criteria():
    sure = {**BEFORE, "metric": "accuracy", "threshold": 0.8, "basis": "interval", "phase": "canary"}
    rollout = look(make_judged(sure))
    label(rollout.candidate, "canary", right=380)
    rollout.refresh_from_db()

    early = criteria_checks(rollout, [], now=NOW + timedelta(hours=2))
    due = criteria_checks(rollout, [], now=NOW + timedelta(days=2))

    assert [check.status for check in early] == ["not_measured"]  # those that came by then may be those that come early
    assert [(check.status, check.evidence.value, check.evidence.sample_size) for check in due] == [
        ("passed", 0.95, 400)
    ]


def test_labels_of_both_arms_are_compared():
    better = {
        **BEFORE,
        "metric": "accuracy",
        "threshold": -0.02,
        "basis": "interval",
        "phase": "canary",
        "against_champion": True,
    }
    rollout = look(make_judged(better))
    label(rollout.candidate, "canary", right=380)
    [unknown] = criteria_checks(rollout, [], now=NOW + timedelta(days=2))
    label(rollout.champion, "champion", right=320)

    [check] = criteria_checks(rollout, [], now=NOW + timedelta(days=2))

    assert unknown.status == "not_measured"
    assert (check.status, check.evidence.value) == ("passed", pytest.approx(0.15))
    assert check.evidence.ci_low < 0.15 < check.evidence.ci_high


def test_what_a_rollout_measured_stands_for_nothing_that_a_data_set_showed():
    model = make_planned()
    champion = model.aliases.get(name="champion").version
    evidence_record(version=champion, metric="roc_auc", value=0.9, kind="canary", data_set="production")

    today = champion_against(model, Rule("roc_auc", True, 0.7), Nouns("flights", "late flights"))
    shown = _latest([champion], champion)[0][champion.pk]

    assert today
    assert today.figure == "80"
    assert {part: one.value for (metric, part), one in shown.items() if metric == "roc_auc"} == {"": 0.8, "canary": 0.9}
