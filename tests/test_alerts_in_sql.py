"""What PostgreSQL refuses of alerts and silences to the application's role."""

from datetime import timedelta

import pytest
from django.utils import timezone

from registry import services
from registry.models import Alert, AlertEvent, Role, Silence
from tests import factories
from tests.test_governance_in_sql import refused, sql

pytestmark = pytest.mark.django_db


@pytest.fixture
def alert():
    return services.alert_raise(model=factories.make_model(), kind="drift", key="drift", title="Drifted")


def test_alert_stays_what_it_was_raised_about(alert):
    other = factories.make_model()

    for statement, value in (
        ("UPDATE registry_alert SET team_id = %s", other.team_id), ("UPDATE registry_alert SET kind = %s", "burn"),
        ("UPDATE registry_alert SET key = %s", "x"), ("UPDATE registry_alert SET raised_at = raised_at - %s::interval", "1 day"),
    ):  # fmt: skip
        with refused("stays what it was raised about|of the model's team"):
            sql(statement, value)
    for statement in ("DELETE FROM registry_alert", "TRUNCATE registry_alert CASCADE"):
        with refused("permission denied|append-only"):
            sql(statement)
    assert Alert.objects.get().kind == "drift"


def test_who_took_an_open_alert_on_stays_on_record(alert):
    first, second = factories.make_actor(alert.team), factories.make_actor(alert.team)
    services.alert_acknowledge(actor=first, alert_id=alert.pk, note="Mine.")

    with refused("stays on record"):
        sql("UPDATE registry_alert SET acknowledged_by_id = %s", second.user.pk)

    alert.refresh_from_db()
    assert alert.acknowledged_by == first.user


@pytest.mark.parametrize(
    "statement",
    ["UPDATE registry_alertevent SET text = 'x'", "DELETE FROM registry_alertevent", "TRUNCATE registry_alertevent"],
)
def test_what_became_of_an_alert_is_only_added_to(alert, statement):
    with refused("permission denied|append-only"):
        sql(statement)

    assert AlertEvent.objects.get().what == "raised"


def test_silence_is_confirmed_by_another_member_and_never_longer(alert):
    maker, viewer = factories.make_actor(alert.team), factories.make_user(alert.team, Role.VIEWER)
    silence = services.silence_create(
        actor=maker, team=alert.team, reason="Move.", ends_at=timezone.now() + timedelta(days=1)
    )  # fmt: skip

    for statement, value, words in (
        ("UPDATE registry_silence SET confirmed_by_id = %s", maker.user.pk, "silence_confirmed_by_another"),
        ("UPDATE registry_silence SET confirmed_by_id = %s", viewer.pk, "by an engineer, approver or admin"),
        ("UPDATE registry_silence SET ends_at = ends_at + %s::interval", "1 day", "stays as it was made"),
        ("UPDATE registry_silence SET reason = %s", "x", "stays as it was made"),
    ):
        with refused(words):
            sql(statement, value)
    with refused("permission denied"):
        sql("DELETE FROM registry_silence")
    assert Silence.objects.get().ends_at == silence.ends_at


def test_silence_ends_after_a_month(alert):
    maker = factories.make_actor(alert.team)
    now = timezone.now()

    with refused("ends after a month"):
        Silence.objects.create(
            team=alert.team, starts_at=now, ends_at=now + timedelta(days=31), reason="x", created_by=maker.user
        )  # fmt: skip
