"""Whether a retraining is due, each slot once, and what holds it; what people may do to it, and what PostgreSQL refuses."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from experiments.models import EvaluationPlan
from experiments.suites import SUITES
from jobs.models import Job
from monitoring.drift.features import SCORE
from monitoring.drift.packing import pack
from monitoring.drifting import Finding
from monitoring.drifting.windows import Share
from monitoring.forms.retraining import PolicyForm
from monitoring.models import DriftWindow, Retraining, RetrainingPolicy, RetrainingWatch
from monitoring.retraining.states import State
from monitoring.services import (
    alert_observe,
    reconcile_retrainings,
    retraining_ask,
    retraining_policy_save,
    retraining_policy_switch,
    retraining_start,
    retraining_stop,
)
from monitoring.services.retraining.looking import observe, retraining_look
from monitoring.services.retraining_policies import compared_in
from registry.errors import ConflictError, InvalidError, RoleError
from registry.models import AuditEvent, Role
from tests.factories import make_actor, make_champion, make_model, make_promotion
from tests.retraining import document, labelled, look, make_policy

NIGHTLY = {"kind": "schedule", "cron": "0 2 * * *", "time_zone": "UTC"}
LABELS = {"kind": "labels", "labels": 100}


@pytest.fixture
def model(db):
    return make_champion(make_model(name="flight-delay", risk_tier=3)).model


@pytest.fixture
def champion(model):
    return model.aliases.get(name="champion").version


def trail(retraining):
    return list(AuditEvent.objects.filter(subject=retraining.path).order_by("seq").values_list("action", flat=True))


def test_enough_new_labels_start_one_retraining_and_no_second(model, champion):
    policy = make_policy(model)
    labelled(champion, 99)
    assert look(policy) is None
    assert not Retraining.objects.exists()

    labelled(champion, 1)
    job = look(policy)
    assert look(policy) is None

    [made] = Retraining.objects.all()
    assert (made.state, made.slot, made.freeze_job) == (State.FREEZING, "after:0", job)
    assert made.why == "labels: 100 since the last training, limit 100"
    assert made.findings[0]["facts"]["new"] == 100
    assert (job.kind, job.created_by) == ("retraining_freeze", policy.made_by)
    assert trail(made) == ["retraining.due", "retraining.freeze"]


def test_two_looks_at_once_make_one(model, champion):
    policy = make_policy(model)
    labelled(champion, 100)
    first, second = (observe(policy, now=timezone.now()) for _ in range(2))

    jobs = [retraining_look(seen=seen, now=timezone.now()) for seen in (first, second)]

    assert [job is None for job in jobs] == [False, True]
    assert Retraining.objects.count() == Job.objects.filter(kind="retraining_freeze").count() == 1


def test_a_slot_is_taken_once_even_by_who_looks_past_the_lock(model):
    policy = make_policy(model)
    given = {"model": model, "policy": policy, "why": "labels: many", "due_at": timezone.now()}
    made = Retraining.objects.create(slot="after:0", **given)
    Retraining.objects.filter(pk=made.pk).update(state="stopped", ended_at=timezone.now())

    with pytest.raises(DatabaseError, match="retraining_slot_taken_once"), transaction.atomic():
        Retraining.objects.create(slot="after:0", **given)


def test_a_turn_that_was_missed_is_taken_once_and_only_the_latest(model, champion):
    policy = make_policy(model, NIGHTLY, min_labels=100)
    labelled(champion, 100)
    tonight = (timezone.now() + timedelta(days=3)).replace(hour=2, minute=0, second=0, microsecond=0)

    assert look(policy, now=tonight + timedelta(hours=9)) is not None

    [made] = Retraining.objects.all()
    assert made.slot == f"turn:{tonight:%Y-%m-%d}T02:00Z"
    Retraining.objects.update(state="failed", ended_at=tonight + timedelta(hours=10))
    assert look(policy, now=tonight + timedelta(hours=11)) is None
    assert look(policy, now=tonight + timedelta(hours=23, minutes=59)) is None
    look(policy, now=tonight + timedelta(days=1, seconds=1))
    assert [r.slot[-17:] for r in Retraining.objects.order_by("pk")] == [
        f"{tonight:%Y-%m-%d}T02:00Z", f"{tonight + timedelta(days=1):%Y-%m-%d}T02:00Z",
    ]  # fmt: skip


def test_a_turn_whose_other_conditions_do_not_hold_has_passed(model, champion):
    both = {"kind": "all", "conditions": [NIGHTLY, LABELS]}
    policy = make_policy(model, both)
    night = (timezone.now() + timedelta(days=1)).replace(hour=2, minute=0, second=0, microsecond=0)
    assert look(policy, now=night + timedelta(seconds=5)) is None

    labelled(champion, 100)
    assert look(policy, now=night + timedelta(minutes=5)) is None
    assert not Retraining.objects.exists()
    watch = RetrainingWatch.objects.get()
    assert (watch.turn_at, watch.holds) == (night, False)
    assert watch.next_turn_at == night + timedelta(days=1)
    assert [one["text"] for one in watch.findings][1] == "100 since the last training, limit 100"


def test_what_the_last_one_answered_asks_for_nothing_and_a_pause_holds_the_next(model, champion):
    policy = make_policy(model, cooldown_s=7200)
    labelled(champion, 100)
    look(policy)
    Retraining.objects.update(state="failed", ended_at=timezone.now())
    assert look(policy) is None
    assert Retraining.objects.count() == 1

    labelled(champion, 100)
    assert look(policy) is None

    held, first = Retraining.objects.all()
    assert (held.state, held.rule, held.slot) == (State.HELD, "cooldown", f"after:{first.pk}")
    assert held.held_until == first.ended_at + timedelta(hours=2)
    assert look(policy, now=held.held_until + timedelta(seconds=1)) is not None
    assert trail(held) == ["retraining.due", "retraining.hold", "retraining.freeze"]


def test_a_held_one_ends_when_its_conditions_hold_no_more(model, champion):
    policy = make_policy(model, min_labels=1000)
    labelled(champion, 100)
    look(policy)
    held = Retraining.objects.get()
    assert (held.state, held.rule) == (State.HELD, "labels")
    assert held.outcome == "100 labelled predictions in the last 30 days; it takes 1,000."

    look(policy, now=timezone.now() + timedelta(days=500))
    assert Retraining.objects.get().state == State.HELD  # the labels are as new as they were
    policy = retraining_policy_save(
        actor=make_actor(model.team), model=model, reason="Far more.",
        document=document({"kind": "labels", "labels": 10**6}, dataset=f"recent-{model.pk}"),
    )  # fmt: skip
    look(policy)
    held.refresh_from_db()
    assert (held.state, held.rule) == (State.STOPPED, "policy")
    assert held.ended_at is not None


def test_an_open_promotion_comes_first(model, champion):
    policy = make_policy(model)
    promotion = make_promotion(model)
    labelled(champion, 100)

    assert look(policy) is None

    held = Retraining.objects.get()
    assert (held.rule, held.outcome) == (
        "promotion", f"Promotion {promotion.pk} is open: people decide on one candidate after the other.",
    )  # fmt: skip


def test_a_policy_that_is_switched_off_starts_nothing(model, champion):
    policy = make_policy(model)
    labelled(champion, 100)
    approver = make_actor(model.team, Role.APPROVER)
    off = retraining_policy_switch(actor=approver, model=model, enabled=False, reason="Not before the audit.")

    reconcile_retrainings(now=timezone.now())
    assert look(off) is None
    assert not Retraining.objects.exists()
    with pytest.raises(RoleError, match="engineer"):
        retraining_policy_switch(actor=approver, model=model, enabled=True, reason="After it.")
    assert RetrainingPolicy.objects.count() == policy.number + 1


def test_a_person_asks_past_pauses_and_not_past_what_is_missing(model, champion):
    policy = make_policy(model, {"kind": "labels", "labels": 10**6}, quiet={
        "begins": "00:00", "ends": "23:59", "time_zone": "UTC"}, min_labels=100)  # fmt: skip
    engineer = make_actor(model.team)
    with pytest.raises(InvalidError):
        retraining_ask(actor=engineer, model=model, reason=" ", now=timezone.now())
    with pytest.raises(RoleError):
        retraining_ask(actor=make_actor(model.team, Role.PRODUCT), model=model, reason="Please.", now=timezone.now())
    assert not Retraining.objects.exists()

    made = retraining_ask(actor=engineer, model=model, reason="A strike changed the schedules.", now=timezone.now())
    with pytest.raises(ConflictError, match="is due already"):
        retraining_ask(actor=engineer, model=model, reason="Once more.", now=timezone.now())
    assert look(policy) is None
    made.refresh_from_db()
    assert (made.state, made.rule) == (State.HELD, "labels")

    labelled(champion, 100)
    assert look(policy) is not None
    made.refresh_from_db()
    assert made.why == "asked for: A strike changed the schedules."
    assert trail(made) == ["retraining.ask", "retraining.hold", "retraining.freeze"]


def test_what_is_proposed_is_started_by_a_person_with_a_reason(model, champion):
    policy = make_policy(model, automation="propose")
    labelled(champion, 100)
    assert look(policy) is None
    held = Retraining.objects.get()
    assert (held.state, held.rule) == (State.HELD, "person")
    engineer = make_actor(model.team)
    with pytest.raises(InvalidError):
        retraining_start(actor=engineer, retraining_id=held.pk, reason="", now=timezone.now())

    job = retraining_start(actor=engineer, retraining_id=held.pk, reason="Seen it.", now=timezone.now())

    held.refresh_from_db()
    assert (held.state, held.asked_by, held.freeze_job) == (State.FREEZING, engineer.user, job)


def test_one_that_lacks_labels_is_started_by_nobodys_word(model, champion):
    policy = make_policy(model, min_labels=1000)
    labelled(champion, 100)
    look(policy)
    held = Retraining.objects.get()

    with pytest.raises(ConflictError, match="it takes 1,000"):
        retraining_start(actor=make_actor(model.team), retraining_id=held.pk, reason="Now.", now=timezone.now())

    held.refresh_from_db()
    assert held.state == State.HELD


def test_a_person_stops_it_and_its_job_is_cancelled(model, champion):
    policy = make_policy(model)
    labelled(champion, 100)
    job = look(policy)
    made = Retraining.objects.get()

    retraining_stop(
        actor=make_actor(model.team, Role.APPROVER), retraining_id=made.pk, reason="The labels are wrong.",
        now=timezone.now(),
    )  # fmt: skip

    made.refresh_from_db()
    job.refresh_from_db()
    assert (made.state, made.outcome, job.state) == (State.STOPPED, "The labels are wrong.", "cancelled")
    assert not model.alerts.filter(kind="retraining").exists()
    with pytest.raises(ConflictError, match="is stopped"):
        retraining_stop(actor=make_actor(model.team), retraining_id=made.pk, reason="Again.", now=timezone.now())


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"pipeline": "magic"}, "pipeline"),
        ({"params": {"trees": 0}}, "params.trees"),
        ({"params": {"leafs": 3}}, "params.leafs"),
        ({"suite": "other"}, "suite"),
        ({"metric": "calibration_error"}, "metric"),
        ({"metric": "cost_per_case"}, "metric"),
        ({"dataset": "nowhere"}, "dataset"),
        ({"held_out": 2}, "held_out"),
    ],
)
def test_a_policy_the_model_cannot_follow_is_refused_by_field(model, fields, field):
    make_policy(model)

    with pytest.raises(InvalidError) as refused:
        retraining_policy_save(
            actor=make_actor(model.team), model=model, reason="Try.",
            document=document(**{"dataset": f"recent-{model.pk}", **fields}),
        )  # fmt: skip

    assert refused.value.field == field
    assert RetrainingPolicy.objects.count() == 1


def test_each_task_offers_what_its_versions_are_compared_in_and_costs_once_they_are_declared(model):
    found = {task: compared_in(make_model(name=f"m-{task}", task=task)) for task in SUITES}

    assert found["classification"] == ["average_precision", "roc_auc", "brier_score"]
    assert found["anomaly"] == ["average_precision", "roc_auc"]
    assert found["ranking"][0] == found["retrieval"][0] == "ndcg_at_10"
    assert found["forecasting"][0] == "mase"
    assert found["regression"][0] == "mean_absolute_error"
    unclear = {"mean_error", "forecast_bias", "coverage_80pct"}  # best near 0: neither more nor less is better
    assert not any(unclear & set(names) for names in found.values())
    EvaluationPlan.objects.create(
        model=model, number=1, document={"costs": {"false_negative": 100.0, "false_positive": 1.0}}, reason="x",
        made_by=make_actor(model.team).user,
    )  # fmt: skip
    assert "cost_per_case" in compared_in(model)
    form = PolicyForm(model=model)
    assert [name for name, _ in form.fields["metric"].choices] == compared_in(model)


def refused(sql, *values):
    with pytest.raises(DatabaseError) as error, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, values)
    return str(error.value).splitlines()[0]


def test_sql_refuses_what_the_services_do(model, champion):
    policy = make_policy(model)
    labelled(champion, 100)
    look(policy)
    made = Retraining.objects.get()
    viewer = make_actor(model.team, Role.VIEWER)
    insert = (
        "INSERT INTO monitoring_retrainingpolicy (model_id, number, enabled, document, reason, made_by_id) "
        "SELECT model_id, %s, true, document, 'x', %s FROM monitoring_retrainingpolicy"
    )

    assert "permission denied" in refused("UPDATE monitoring_retrainingpolicy SET enabled = false")
    assert "next number, 2" in refused(insert, 7, policy.made_by_id)
    assert "an engineer of the team answers" in refused(insert, 2, viewer.user.pk)
    assert "without an approval" in refused(
        insert.replace("true, document,", "true, jsonb_set(document, '{automation}', '\"full\"'),"),
        2,
        policy.made_by_id,
    )
    assert "why a retraining began" in refused("UPDATE monitoring_retraining SET slot = 'other'")
    assert "why a retraining began" in refused("UPDATE monitoring_retraining SET findings = '[]'")
    assert "freezing cannot become promoted" in refused(
        "UPDATE monitoring_retraining SET state = 'promoted', ended_at = now()"
    )
    assert "permission denied" in refused("DELETE FROM monitoring_retraining")
    assert "begins as due" in refused(
        "INSERT INTO monitoring_retraining (model_id, policy_id, slot, state, why, findings, outcome, rule, comparison, due_at) "
        "VALUES (%s, %s, 'x', 'proposed', 'why', '[]', '', '', '{}', now())", model.pk, policy.pk,
    )  # fmt: skip
    made.refresh_from_db()
    assert made.state == State.FREEZING


@pytest.mark.django_db(transaction=True)
def test_six_that_look_at_the_same_time_start_one():
    model = make_champion(make_model(risk_tier=3)).model
    policy = make_policy(model)
    labelled(model.aliases.get(name="champion").version, 100)
    gate, jobs = threading.Barrier(6), []

    def racer():
        try:
            seen = observe(policy, now=timezone.now())
            gate.wait()
            jobs.append(retraining_look(seen=seen, now=timezone.now()))
        finally:
            connection.close()

    racers = [threading.Thread(target=racer) for _ in range(6)]
    for thread in racers:
        thread.start()
    for thread in racers:
        thread.join()

    assert len([job for job in jobs if job]) == 1
    assert len(jobs) == 6
    assert Retraining.objects.count() == Job.objects.filter(kind="retraining_freeze").count() == 1


def test_conditions_are_looked_at_no_more_often_than_the_policy_says(model, champion):
    make_policy(model, look_every_s=600)
    now = datetime.now(UTC)
    reconcile_retrainings(now=now)
    labelled(champion, 100)

    reconcile_retrainings(now=now + timedelta(seconds=599))
    assert not Retraining.objects.exists()
    reconcile_retrainings(now=now + timedelta(seconds=600))
    assert Retraining.objects.get().state == State.FREEZING


def test_an_alert_of_what_a_policy_looks_at_says_where_that_is_seen_to(model):
    make_policy(model, {"kind": "drift", "features": 3})
    said = {"model": model, "breached": True, "process": "job:1", "next_step": "Read the report."}

    for _ in range(3):  # as often as the rules of both kinds ask for
        alert_observe(kind="drift", key="drift:1", title="Inputs drifted", **said)
        alert_observe(kind="quality", key="quality:1", title="Quality fell", **said)

    ways = dict(model.alerts.values_list("kind", "actions"))
    mine = {"title": "See its retraining", "path": f"{model.path}retraining/"}
    assert mine in ways["drift"]
    assert mine not in ways["quality"]


def drift_window(version, drifted, *, judged_at, **fields):
    """What a look found: of six inputs, and of the score, so many have drifted."""
    share = Share(0.0, 0.0, 1.0, 1.0, broke=False)
    findings = [
        Finding(
            name, "number", "wasserstein", 0.5, 0.5, 0.5, 0.1, 0.5, 0.1, n < drifted, n < drifted, name != "f5", 90, 90, {},
            share, share, share, share,
        )
        for n, name in enumerate([SCORE, *(f"f{n}" for n in range(6))])
    ]  # fmt: skip
    known = {
        "version": version, "arm": "champion", "span": 3600, "slot_at": judged_at.replace(minute=0, second=0, microsecond=0),
        "since": judged_at - timedelta(hours=1), "until": judged_at, "rows": 90, "state": "drifted", "verdict": "Drift.",
        "compared": 6, "drifted": drifted, "broken": 0, "findings": pack(findings), "judged_at": judged_at,
    }  # fmt: skip
    return DriftWindow.objects.create(**known | fields)


def test_the_latest_look_at_the_champions_inputs_says_how_many_have_drifted(model, champion):
    policy = make_policy(model, {"kind": "drift", "features": 3}, min_labels=100)
    labelled(champion, 100)
    now = timezone.now()
    drift_window(champion, 3, judged_at=now - timedelta(hours=1, minutes=30))
    assert look(policy) is None
    assert RetrainingWatch.objects.get().findings[0]["text"] == "2 of 5 features, limit 3"

    window = drift_window(champion, 4, judged_at=now)
    drift_window(champion, 0, judged_at=now, span=86_400, state="steady")
    assert look(policy) is not None

    made = Retraining.objects.get()
    assert made.why == "drift: 3 of 5 features, limit 3"
    assert made.findings[0]["facts"]["drifted"] == ["f0", "f1", "f2"]
    assert made.findings[0]["link"] == window.path


def test_drift_that_a_look_finds_is_followed_at_once_and_what_was_known_is_not(model, champion):
    make_policy(model, {"kind": "drift", "features": 3}, min_labels=100, look_every_s=3600)
    labelled(champion, 100)
    now = timezone.now()
    drift_window(champion, 3, judged_at=now - timedelta(seconds=1))
    reconcile_retrainings(now=now)
    looked = RetrainingWatch.objects.get().looked_at

    DriftWindow.objects.update(
        judged_at=now + timedelta(seconds=5), drifted=3
    )  # two of five count: fewer than it asks for
    reconcile_retrainings(now=now + timedelta(seconds=6))
    assert not Retraining.objects.exists()
    assert RetrainingWatch.objects.get().looked_at == looked
    window = drift_window(champion, 4, judged_at=now + timedelta(seconds=10), span=86_400)
    reconcile_retrainings(now=now + timedelta(seconds=12))

    made = Retraining.objects.get()
    assert (made.state, made.why) == (State.FREEZING, "drift: 3 of 5 features, limit 3")
    assert made.findings[0]["link"] == window.path
