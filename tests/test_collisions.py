"""Transactions in each other's way: which wait for which, what PostgreSQL ends, and what people are told of it."""

import threading
from contextlib import contextmanager

import pytest
from django.db import connection, transaction

from jobs.kinds import JobContext
from jobs.leases import job_claim
from jobs.services import job_create
from registry import services
from registry.audit_trail import audited
from registry.models import Alert, Approval, AuditEvent, Comment, RegisteredModel, Role
from tests import factories, job_kinds
from tests.documented import DocumentedApi as Api

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def meanwhile(act):
    """Somebody else does something, on a connection of their own, in a transaction that stays open."""
    held, done = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            act()
            held.set()
            done.wait(600)
        connection.close()

    somebody = threading.Thread(target=hold)
    somebody.start()
    assert held.wait(60)
    try:
        yield
    finally:
        done.set()
        somebody.join()


def held_by_somebody(model):
    """Somebody else changes the model meanwhile."""
    return meanwhile(lambda: RegisteredModel.objects.hold(model.pk))


def test_what_only_refers_to_a_model_waits_for_nobody_who_changes_it():
    model = factories.make_model()

    with held_by_somebody(model), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '5s'")
        services.alert_raise(model=model, kind="drift", key="drift", title="It drifts", process="test")

    assert Alert.objects.get().model == model


def test_remark_on_a_promotion_waits_for_nobody_who_decides_on_it():
    promotion = factories.make_promotion()
    approver = factories.make_user(promotion.model.team, role=Role.APPROVER)

    def decide():
        Approval.objects.create(
            promotion=promotion, approver=approver, role=Role.APPROVER, decision="approve", reason="Good.", binding={}, binding_digest="sha256:1",
        )  # fmt: skip

    with meanwhile(decide), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '5s'")
        Comment.objects.create(promotion=promotion, author=approver, body="Looks well.")

    assert promotion.comments.count() == 1


def test_lock_that_is_not_given_is_told_as_what_it_is_and_logged_with_its_code(monkeypatch, caplog):
    model = factories.make_model()
    engineer = Api(model.team)

    @transaction.atomic
    def impatient(**_):
        RegisteredModel.objects.select_for_update(nowait=True).get(pk=model.pk)

    monkeypatch.setattr("registry.services.model_create", impatient)
    with held_by_somebody(model):
        answer = engineer.post("models", {"name": "another"}, X_Request_Id="r-1")

    assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    assert answer.json()["type"] == "urn:problem:collision"
    assert "Nothing that you sent was done" in answer.json()["detail"]
    assert "(request r-1) ended by PostgreSQL, SQLSTATE 55P03" in caplog.text


def test_deadlock_ends_one_of_two_services_which_is_then_run_again():
    a, b = (factories.make_model() for _ in range(2))
    both = threading.Barrier(2, timeout=60)
    turns = []

    @audited(again=True)
    def change(*, first, second):
        turns.append(first)
        RegisteredModel.objects.hold(first.pk)
        if len(turns) <= 2:
            both.wait()
        RegisteredModel.objects.hold(second.pk)
        RegisteredModel.objects.filter(pk__in=[first.pk, second.pk]).update(last_number=7)

    def other():
        change(first=b, second=a)
        connection.close()

    somebody = threading.Thread(target=other)
    somebody.start()
    change(first=a, second=b)
    somebody.join()

    assert len(turns) == 3
    assert set(RegisteredModel.objects.values_list("last_number", flat=True)) == {7}


def test_effects_of_a_job_write_their_part_of_the_trail_when_all_else_is_done():
    model = factories.make_model()
    job_create(kind="test.effect", scope="flight-ops", title="A test")
    job = job_claim(queue=job_kinds.QUEUE, worker="here:1")
    seen = []

    with JobContext.of(job).finish({}):
        services.alert_raise(model=model, kind="drift", key="drift", title="It drifts", process="test")
        seen.append(AuditEvent.objects.filter(action="alert.raise").count())

    assert seen == [0]
    assert AuditEvent.objects.filter(action="alert.raise").count() == 1
