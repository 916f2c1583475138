"""The audit trail: chained without forks, verified, and tampering found even when a superuser did it."""

import json
import os
import threading
from contextlib import contextmanager
from datetime import timedelta

import psycopg2
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from registry import services
from registry.audit_trail import audit, audited
from registry.errors import ConflictError
from registry.models import Approval, AuditCheck, AuditEvent, Role, Waiver
from registry.selectors.audit_chain import Head, chain_fault, chain_head, unheard_approvals
from registry.tasks import export_audit_head
from tests import factories

pytestmark = pytest.mark.django_db
committed = pytest.mark.django_db(transaction=True)  # so that another connection sees it


@contextmanager
def superuser(database_name):
    """A connection that no trigger and no grant holds back."""
    admin = psycopg2.connect(os.environ["TEST_SUPERUSER_URL"], dbname=database_name)
    with admin, admin.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        yield cursor.execute
    admin.close()


def write_events(count):
    for number in range(1, count + 1):
        audit(action="test.event", subject="/", actor=None, process="test", payload={"n": number})


FORGE = (
    "UPDATE registry_auditevent SET actor = 'x' WHERE seq = {seq};"
    " UPDATE registry_auditevent SET hash = registry_audit_hash(prev_hash, seq, at, actor, actor_id, via, team, action,"
    " subject, payload) WHERE seq = {seq}"
)
CUT_HEAD = "UPDATE registry_audithead SET seq = {seq}, hash = (SELECT hash FROM registry_auditevent WHERE seq = {seq})"


def test_untouched_chain_holds():
    factories.make_champion()

    assert chain_fault() is None
    assert chain_head().seq == AuditEvent.objects.count()


def test_chain_of_no_events_holds():
    assert chain_fault() is None


TAMPERING = [
    ("UPDATE registry_auditevent SET payload = '{\"n\": 99}' WHERE seq = 3", 3, "content"),
    ("UPDATE registry_auditevent SET at = at - interval '1 day' WHERE seq = 3", 3, "content"),
    (FORGE.format(seq=3), 4, "not chained"),
    ("DELETE FROM registry_auditevent WHERE seq = 3", 3, "missing"),
    ("DELETE FROM registry_auditevent WHERE seq = 1", 1, "missing"),
    ("DELETE FROM registry_auditevent WHERE seq >= 5", 5, "missing"),
    (FORGE.format(seq=6), 6, "head"),
    (CUT_HEAD.format(seq=5), 6, "beyond"),
]


@committed
def test_tampering_is_found_and_the_first_broken_event_named(database_name):
    write_events(6)
    for tampering, broken_at, what in TAMPERING:
        with superuser(database_name) as execute:
            execute(
                "CREATE TABLE kept AS TABLE registry_auditevent; CREATE TABLE kept_head AS TABLE registry_audithead"
            )
            execute(tampering)

        fault = chain_fault()

        assert fault, tampering
        assert fault.seq == broken_at, tampering
        assert what in fault.what, tampering
        with superuser(database_name) as execute:
            execute("DELETE FROM registry_auditevent; INSERT INTO registry_auditevent TABLE kept; DROP TABLE kept")
            execute(
                "DELETE FROM registry_audithead; INSERT INTO registry_audithead TABLE kept_head; DROP TABLE kept_head"
            )
        assert chain_fault() is None


@committed
def test_chain_is_walked_in_batches(monkeypatch, database_name):
    monkeypatch.setattr("registry.selectors.audit_chain.BATCH", 2)
    write_events(7)
    assert chain_fault() is None

    with superuser(database_name) as execute:
        execute("DELETE FROM registry_auditevent WHERE seq IN (5, 6)")

    fault = chain_fault()
    assert fault
    assert fault.seq == 5


@committed
def test_chain_rewritten_as_a_whole_does_not_match_the_exported_head(database_name, tmp_path):
    write_events(3)
    call_command("audit_verify", export=tmp_path / "head.json")
    with superuser(database_name) as execute:
        execute("DELETE FROM registry_auditevent")
        execute("UPDATE registry_audithead SET seq = 0, hash = '\\x00'")
    write_events(4)

    assert chain_fault() is None
    with pytest.raises(CommandError, match="broken at event 3: it is not the event that was exported"):
        call_command("audit_verify", head=tmp_path / "head.json")


@committed
def test_chain_cut_back_to_an_earlier_head_does_not_match_the_exported_head(database_name):
    write_events(6)
    exported = chain_head()
    with superuser(database_name) as execute:
        execute("DELETE FROM registry_auditevent WHERE seq > 4")
        execute(CUT_HEAD.format(seq=4))

    assert chain_fault() is None
    fault = chain_fault(exported)
    assert fault
    assert fault.seq == 5


def test_exported_head_that_was_altered_is_refused(tmp_path):
    write_events(3)
    path = tmp_path / "head.json"
    call_command("audit_verify", export=path)
    assert Head.read(path.read_text()).seq == 3

    path.write_text(json.dumps(json.loads(path.read_text()) | {"seq": 2}))

    with pytest.raises(CommandError, match="altered"):
        call_command("audit_verify", head=path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"seq": 1, "hash": "x", "at": "y"}'])
def test_file_that_is_no_exported_head_is_refused(tmp_path, content):
    path = tmp_path / "head.json"
    path.write_text(content)

    with pytest.raises(CommandError, match="head"):
        call_command("audit_verify", head=path)


@committed
def test_command_remembers_what_it_found(database_name, capsys):
    write_events(4)
    call_command("audit_verify")
    assert "The chain holds: 4 events" in capsys.readouterr().out

    with superuser(database_name) as execute:
        execute("DELETE FROM registry_auditevent WHERE seq = 2")
    with pytest.raises(CommandError, match="broken at event 2: it is missing"):
        call_command("audit_verify")

    assert list(AuditCheck.objects.order_by("id").values_list("seq", "broken_at")) == [(4, None), (4, 2)]


def test_approval_written_past_the_services_is_listed(capsys):
    heard = factories.approve(factories.make_promotion()).approvals.get()
    promotion = factories.make_promotion()
    somebody = factories.make_user(promotion.model.team, Role.APPROVER, username="impersonated")
    Approval.objects.create(
        promotion=promotion, approver=somebody, role=Role.APPROVER, decision="approve", reason="By SQL.",
        binding=heard.binding, binding_digest=heard.binding_digest,
    )  # fmt: skip

    assert [approval.approver for approval in unheard_approvals()] == [somebody]
    with pytest.raises(CommandError, match="1 approvals have no audit event"):
        call_command("audit_verify")
    assert "by impersonated" in capsys.readouterr().err


def test_waiver_granted_past_the_services_is_listed(capsys):
    promotion = factories.make_promotion(auc=0.6)
    asker, approver = (
        factories.make_actor(promotion.model.team),
        factories.make_actor(promotion.model.team, Role.APPROVER),
    )
    ask = {"promotion_id": promotion.pk, "criterion": 1, "reason": "Few.", "document": "Minutes."}
    until = timezone.now() + timedelta(days=1)
    heard = services.waiver_ask(actor=asker, expires_at=until, **ask)
    services.waiver_grant(actor=approver, waiver_id=heard.pk, note="Bounded.")
    services.waiver_revoke(actor=approver, waiver_id=heard.pk, reason="Wrong.")
    unheard = services.waiver_ask(actor=asker, expires_at=until, **ask)
    Waiver.objects.filter(pk=unheard.pk).update(state="granted", decided_by=approver.user, decided_at=timezone.now())

    with pytest.raises(CommandError, match="1 waivers have no audit event"):
        call_command("audit_verify")
    assert f"waiver {unheard.pk} granted by {approver.user.username}" in capsys.readouterr().err


@committed
def test_eight_writers_at_once_never_fork_the_chain():
    def write():
        try:
            write_events(25)
        finally:
            connection.close()

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert chain_fault() is None
    assert chain_head().seq == 200


def test_change_that_fails_leaves_neither_event_nor_gap():
    write_events(1)

    @audited()
    def change():
        audit(action="test.event", subject="/", actor=None, process="test")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        change()

    write_events(1)
    assert chain_fault() is None
    assert chain_head().seq == 2


@committed
def test_heads_are_kept_one_beside_the_other_and_all_lie_on_the_chain(database_name, settings, tmp_path, capsys):
    settings.AUDIT_HEADS = tmp_path / "heads"
    for count in (3, 2):
        write_events(count)
        export_audit_head()
        export_audit_head()  # nothing happened since

    call_command("audit_verify", heads=settings.AUDIT_HEADS)
    kept = sorted(path.name for path in settings.AUDIT_HEADS.iterdir())
    with superuser(database_name) as execute:
        execute("DELETE FROM registry_auditevent")
        execute("UPDATE registry_audithead SET seq = 0, hash = '\\x00'")
    write_events(6)

    assert kept == ["000000000003.json", "000000000005.json"]
    assert "2 exported heads lie on it." in capsys.readouterr().out
    assert chain_fault() is None  # alone, the chain looks whole
    with pytest.raises(CommandError, match="broken at event 3: it is not the event that was exported"):
        call_command("audit_verify", heads=settings.AUDIT_HEADS)
    with pytest.raises(ConflictError, match="Its head is not exported"):
        export_audit_head()
    assert sorted(path.name for path in settings.AUDIT_HEADS.iterdir()) == kept


def test_folder_without_heads_is_refused(tmp_path):
    with pytest.raises(CommandError, match="holds no exported head"):
        call_command("audit_verify", heads=tmp_path)
