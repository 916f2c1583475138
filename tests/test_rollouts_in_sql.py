"""What PostgreSQL itself refuses of rollouts to the application's role; and two reconcilers at once."""

import threading
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, connections, transaction

from registry.models import Alias, AuditEvent, Promotion, Role
from registry.policies import Policy
from registry.selectors import policy_for, wants_rollout
from rollouts import services
from rollouts.models import Rollout, RolloutAct, RolloutPlan, RolloutVerdict
from rollouts.states import ROLLOUT, State
from serving.contract import FORMATS
from tests import factories
from tests.rollouts import NOW, PLAN, approver, count, look, make_canary, make_planned, make_rollout, make_routable

pytestmark = pytest.mark.django_db


def run(statement, *values):
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else None


@contextmanager
def refused(words):
    with pytest.raises(DatabaseError, match=words), transaction.atomic():
        yield


@pytest.fixture
def rollout():
    rollout = make_canary()
    count(rollout, champion=(900, 9), candidate=(100, 1))
    return look(rollout, 1)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM rollouts_rollout",
        "DELETE FROM rollouts_rolloutverdict",
        "UPDATE rollouts_rolloutact SET text = 'x'",
        "DELETE FROM rollouts_rolloutact",
        "UPDATE rollouts_rolloutplan SET document = '{}'",
        "DELETE FROM rollouts_rolloutplan",
        "TRUNCATE rollouts_rolloutact",
    ],
)
def test_history_is_closed_to_the_application_role(rollout, statement):
    with refused("permission denied"):
        run(statement)


def test_raw_sql_promotes_nothing_that_has_not_passed(rollout):
    with refused("lacks verdicts that pass"):
        run("UPDATE rollouts_rollout SET state = 'promoted', ended_at = now() WHERE id = %s", rollout.pk)
    with refused("once its rollout is promoted"):
        move_champion(rollout.promotion)

    RolloutAct.objects.create(rollout=rollout, action="rollout.promote", text="x", actor=rollout.requested_by)
    with refused("lacks verdicts that pass"):
        run("UPDATE rollouts_rollout SET state = 'promoted', ended_at = now() WHERE id = %s", rollout.pk)
    assert Alias.objects.get(model=rollout.model).version.number == 1


def test_raw_sql_promotes_nothing_against_a_fail_even_as_an_approver(rollout):
    fail = RolloutVerdict.objects.filter(rollout=rollout, metric="errors").values().get()
    RolloutVerdict.objects.create(**{k: v for k, v in fail.items() if k != "id"} | {"outcome": "fail"})
    RolloutAct.objects.create(rollout=rollout, action="rollout.promote", text="x", actor=approver(rollout).user)

    with refused("lacks verdicts that pass"):
        run("UPDATE rollouts_rollout SET state = 'promoted', ended_at = now() WHERE id = %s", rollout.pk)


def test_policy_that_asks_for_a_rollout_is_not_walked_around():
    model = factories.make_model(risk_tier=1)
    first = factories.make_promotion(model, version=make_routable(model))
    factories.approve(first)
    factories.approve(first)
    promotion = factories.make_promotion(model, version=make_routable(model))
    factories.approve(promotion)
    factories.approve(promotion)

    run("UPDATE registry_promotion SET state = 'rolling_out' WHERE id = %s", promotion.pk)
    with refused("once its rollout is promoted"):
        move_champion(promotion)


@pytest.mark.parametrize(
    "change",
    [
        {}, {"artifact_state": "refused"}, {"refusal": "no"}, {"format": "pickle"}, {"archived_at": NOW}, {"signature": {}},
        {"signature": {"inputs": []}},
    ],
)  # fmt: skip
def test_sql_and_service_say_alike_when_a_rollout_is_needed(change):
    asks = Policy({"approver": 1}, 72, None, None, None, 90, 730, block_overdue=False, rollout_required=True)
    model = factories.make_model(factories.make_team("sandbox", governed=False), risk_tier=1)
    version = make_routable(model) if not change else factories.make_version(model, servable=False)
    if change:
        sound = {
            "artifact_state": "verified",
            "artifact_digest": "sha256:1",
            "format": "onnx",
            "signature": {"inputs": [{}]},
        }
        type(version).objects.filter(pk=version.pk).update(**sound | change)
    Alias.objects.create(model=model, name="champion", version=version, set_by=version.created_by)
    promotion = Promotion(model=model, alias="champion")

    [(needed,)] = run("SELECT rollouts_needed(%s)", model.pk)

    assert needed is wants_rollout(promotion, asks) is (not change)
    assert policy_for(model).rollout_required


def test_sql_names_every_format_that_gateways_load():
    [(body,)] = run("SELECT prosrc FROM pg_proc WHERE proname = 'rollouts_needed'")

    assert [name for name in FORMATS if f"'{name}'" not in body] == []


def test_what_a_rollout_is_of_stays(rollout):
    other = make_routable(rollout.model)
    for change in ({"salt": "x"}, {"candidate": other}, {"document": {}}, {"started_at": NOW + timedelta(1)}):
        with refused("cannot be changed"):
            Rollout.objects.filter(pk=rollout.pk).update(**change)
    with refused("one_open_rollout_per_model"):
        run(
            "INSERT INTO rollouts_rollout SELECT (jsonb_populate_record(r, jsonb_build_object('id', r.id + 100, 'state', 'pending',"
            " 'weight_bp', 0, 'shadow_bp', 0, 'trial_id', NULL))).* FROM rollouts_rollout r WHERE id = %s",
            rollout.pk,
        )

    services.rollout_abort(actor=approver(rollout), rollout_id=rollout.pk, reason="Over.", now=NOW)
    with refused("stays as it ended"):
        run("UPDATE rollouts_rollout SET outcome = 'fine' WHERE id = %s", rollout.pk)
    with refused("that ended"):
        RolloutAct.objects.create(rollout=rollout, action="rollout.pause", text="x")
    run("UPDATE rollouts_rollout SET canary_requests = 5 WHERE id = %s", rollout.pk)


def test_moves_are_those_of_the_table(rollout):
    allowed = {(before.value, after.value) for (before, _), after in ROLLOUT.items() if before != after}
    statement = "UPDATE rollouts_rollout SET state = %s, ended_at = CASE WHEN %s THEN now() END WHERE id = %s"
    for after in State:
        if after.value == rollout.state:
            continue
        values = (after.value, not after.is_open, rollout.pk)
        if ("canary", after.value) in allowed and after is not State.PROMOTED:
            with transaction.atomic():
                run(statement, *values)
                transaction.set_rollback(True)
        else:
            with refused("cannot become|lacks verdicts"):
                run(statement, *values)


def test_verdict_is_kept_fresh_and_never_turned(rollout):
    latest = RolloutVerdict.objects.filter(rollout=rollout, metric="errors").first()
    run("UPDATE rollouts_rolloutverdict SET n = n + 1 WHERE id = %s", latest.pk)

    with refused("never changed"):
        run("UPDATE rollouts_rolloutverdict SET outcome = 'pass' WHERE id = %s", latest.pk)
    with refused("never changed"):
        run("UPDATE rollouts_rolloutverdict SET most_against = most_against - 1 WHERE id = %s", latest.pk)


def test_plans_are_numbered_and_made_by_who_may():
    model = make_planned()
    admin, viewer = (factories.make_user(model.team, role) for role in (Role.ADMIN, Role.VIEWER))
    insert = "INSERT INTO rollouts_rolloutplan (model_id, risk_tier, number, document, note, made_by_id, made_at) VALUES (%s, %s, %s, '{}', '', %s, now())"

    with refused("owner of the schema alone"):
        run(insert, None, 3, 2, admin.pk)
    with refused("next number, 2"):
        run(insert, model.pk, None, 1, admin.pk)
    with refused("engineer, approver or admin"):
        run(insert, model.pk, None, 2, viewer.pk)
    assert RolloutPlan.objects.filter(model=model).count() == 1


def move_champion(promotion):
    run(
        "UPDATE registry_alias SET version_id = %s, promotion_id = %s, rollback_id = NULL WHERE model_id = %s AND name = 'champion'",
        promotion.version_id, promotion.pk, promotion.model_id,
    )  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_two_reconcilers_at_once_take_one_step():
    rollout = make_rollout(plan=PLAN)
    promotion = factories.approve(factories.make_promotion(other := make_planned(), version=make_routable(other)))

    def both(do):
        def one():
            try:
                barrier.wait(30)
                do()
            finally:
                connections.close_all()

        barrier = threading.Barrier(2)
        threads = [threading.Thread(target=one) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

    both(lambda: services.rollout_start(promotion_id=promotion.pk, now=NOW))
    both(lambda: look(rollout))

    assert Rollout.objects.filter(promotion=promotion).count() == 1
    rollout.refresh_from_db()
    assert (rollout.state, rollout.step) == (State.CANARY, 0)
    assert AuditEvent.objects.filter(subject=rollout.path, action="rollout.step").count() == 1
