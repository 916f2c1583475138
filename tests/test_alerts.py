"""Alerts: raised by looks that agree, one at a time, of models, teams and the installation; and what people do with them."""

from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread

import pytest
from django.db import connection
from django.http import Http404

from monitoring.services import alert_observe
from registry import services
from registry.alerting.rules import Rule, RuleError, checked
from registry.alerting.streaks import Streak, after, is_enough
from registry.errors import ConflictError, InvalidError, RefusedError, RoleError
from registry.models import Alert, AlertEvent, AlertRule, AlertStreak, AuditEvent, Role
from registry.selectors import waiting
from registry.selectors.alerts import alerts_seen
from rollouts.links import ways
from tests import factories

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def rule(team, kind, model=None, **changes):
    """Change a rule as an admin of the team does."""
    admin = factories.make_actor(team, Role.ADMIN)
    return services.alert_rule_change(
        actor=admin, team=team, kind=kind, changes=changes, reason="Too loud.", model=model
    )


def observe(model, breached, *, minute=0, kind="drift", key="drift:carrier", **fields):
    said = {"title": "The input carrier drifted", "process": "job:1"} | fields
    alert_observe(model=model, kind=kind, key=key, breached=breached, now=NOON + timedelta(minutes=minute), **said)


def opened(model):
    return Alert.objects.open().filter(model=model)


def whats(alert):
    return list(alert.events.values_list("what", flat=True))


@pytest.mark.parametrize(
    ("found", "expected"),
    [([1], (True, 1)), ([1, 1, 1], (True, 3)), ([1, 0], (False, 1)), ([1, 0, 1], (True, 1)), ([0, 0], (False, 2))],
)
def test_streak_counts_looks_that_found_the_same(found, expected):
    streak = None
    for minute, breached in enumerate(found):
        streak = after(streak, breached=bool(breached), now=NOON + timedelta(minutes=minute))

    assert (streak.breached, streak.count) == expected
    assert streak.since == NOON + timedelta(minutes=len(found) - streak.count)


def test_streak_is_enough_once_it_is_long_and_lasted():
    rules = Rule(breaches=3, breach_minutes=10, goods=2)
    held = [
        is_enough(Streak(True, count, NOON), rules, now=NOON + timedelta(minutes=minutes))
        for count, minutes in ((2, 30), (3, 9), (3, 10))
    ]

    assert held == [False, False, True]
    assert is_enough(Streak(False, 2, NOON), rules, now=NOON)


def test_alert_needs_as_many_looks_as_its_rule_asks_for_and_as_many_good_ones_to_clear():
    model = factories.make_model()
    rule(model.team, "drift", breaches=3, goods=2)
    counts = []
    for minute, breached in enumerate([True, True, None, False, True, True, True, False, True, False, False]):
        observe(model, breached, minute=minute)
        counts.append(opened(model).count())

    assert counts == [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0]
    assert not AlertStreak.objects.exists()


def test_no_data_changes_nothing():
    model = factories.make_model()
    observe(model, True)
    observe(model, None)

    assert opened(model).get().count == 1
    assert AlertStreak.objects.get().count == 1


def test_the_same_again_is_one_alert_that_counts():
    model = factories.make_model()
    for minute in range(3):
        observe(model, True, minute=minute, title=f"The input carrier drifted by {minute}")

    alert = opened(model).get()
    assert (alert.count, alert.title) == (3, "The input carrier drifted by 2")
    assert whats(alert) == ["raised"]


def test_what_comes_back_soon_continues_the_alert_and_says_so():
    model = factories.make_model()
    for breached in (True, False, True):
        observe(model, breached)

    alert = opened(model).get()
    assert (alert.returned, Alert.objects.count()) == (1, 1)
    assert whats(alert) == ["raised", "cleared", "returned"]
    actions = AuditEvent.objects.filter(action__startswith="alert.").order_by("seq").values_list("action", flat=True)
    assert list(actions) == ["alert.raise", "alert.clear", "alert.return"]


def test_what_comes_back_late_is_another_alert():
    model = factories.make_model()
    observe(model, True)
    observe(model, False)
    Alert.objects.update(cleared_at=datetime.now(UTC) - timedelta(minutes=31))

    observe(model, True)

    assert (Alert.objects.count(), opened(model).get().returned) == (2, 0)


def test_rule_switched_off_clears_what_it_raised_and_raises_no_more():
    model = factories.make_model()
    observe(model, True)
    rule(model.team, "drift", enabled=False)

    observe(model, True, minute=1)
    observe(model, True, minute=2)

    assert not opened(model).exists()


def test_rule_of_a_model_goes_before_the_rule_of_its_team():
    model, other = factories.make_model(), None
    other = factories.make_model(model.team)
    rule(model.team, "drift", severity="critical", breaches=2)
    rule(model.team, "drift", model, breaches=1)

    observe(model, True)
    observe(other, True)

    assert [(a.model, a.severity) for a in Alert.objects.all()] == [(model, "critical")]


def test_rule_of_the_installation_holds_where_a_team_has_no_own():
    model, other = factories.make_model(), factories.make_model()
    admin = factories.make_actor(factories.make_team(), Role.ADMIN)
    services.alert_rule_change(
        actor=admin, team=None, kind="drift", changes={"breaches": 2, "severity": "critical"}, reason="Noisy."
    )
    rule(other.team, "drift", breaches=1)

    observe(model, True)
    observe(other, True)
    assert [(a.model, a.severity) for a in Alert.objects.all()] == [
        (other, "critical")
    ]  # what a team left alone is the installation's

    observe(model, True, minute=1)
    assert opened(model).exists()
    trail = AuditEvent.objects.get(action="alert_rule.change", team="")
    assert trail.payload["after"] == {"breaches": 2, "severity": "critical"}
    services.alert_rule_reset(actor=admin, team=None, kind="drift", reason="Quiet again.")
    assert list(AlertRule.objects.values_list("team", "changes")) == [(other.team.pk, {"breaches": 1})]


def test_rule_of_the_installation_decides_on_what_is_about_no_team():
    team = factories.make_team()
    admin, look = (
        factories.make_actor(team, Role.ADMIN),
        {"kind": "gateway_stale", "key": "gateway_stale:", "title": "Silent", "process": "x"},
    )
    services.alert_rule_change(
        actor=admin, team=None, kind="gateway_stale", changes={"breaches": 3}, reason="Slow network."
    )

    for looks in range(3):
        assert Alert.objects.count() == 0
        services.alert_look(breached=True, now=NOON + timedelta(minutes=looks), **look)

    assert Alert.objects.get().team is None


@pytest.mark.parametrize(
    ("role", "kind", "changes", "refused"),
    [
        (Role.ENGINEER, "drift", {"breaches": 2}, "changed by an admin"),
        (Role.ADMIN, "drift", {"enabled": False}, "A team switches a kind off for itself"),
        (Role.ADMIN, "drift", {"owner": "person:maria"}, "a person is of a team"),
        (Role.ADMIN, "audit_chain", {"enabled": False}, "cannot be switched off"),
    ],
)
def test_rule_of_the_installation_that_is_not_acceptable_is_refused(role, kind, changes, refused):
    actor = factories.make_actor(factories.make_team(), role)

    with pytest.raises(RefusedError, match=refused):
        services.alert_rule_change(actor=actor, team=None, kind=kind, changes=changes, reason="x")

    assert not AlertRule.objects.exists()


def test_team_has_no_rule_for_what_is_about_no_team():
    with pytest.raises(InvalidError, match="its rule is the installation's"):
        rule(factories.make_team(), "queue_waits", breaches=5)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"breaches": 0}, "breaches"), ({"breaches": True}, "breaches"), ({"goods": "2"}, "goods"), ({"severity": "high"}, "severity"),
        ({"colour": 1}, "colour"), ({"owner": "maria"}, "owner"), ({"runbook": "http://example.com"}, "runbook"),
        ({"runbook": "//evil.example"}, "runbook"), ({"runbook": "javascript:alert(1)"}, "runbook"), ({"group_by": "x"}, "group_by"),
        ({"enabled": 1}, "enabled"), ({"flap_minutes": 1441}, "flap_minutes"),
    ],
)  # fmt: skip
def test_rule_that_is_not_acceptable_names_its_field(changes, field):
    with pytest.raises(RuleError) as refused:
        checked(changes)

    assert refused.value.field == field


def test_rule_that_auditors_rely_on_is_not_switched_off():
    team = factories.make_team()

    with pytest.raises(InvalidError, match="cannot be switched off"):
        rule(team, "budget", enabled=False)
    with pytest.raises(InvalidError, match="reason"):
        services.alert_rule_change(
            actor=factories.make_actor(team), team=team, kind="drift", changes={"breaches": 2}, reason=" "
        )  # fmt: skip
    with pytest.raises(RoleError):
        services.alert_rule_change(
            actor=factories.make_actor(team, Role.PRODUCT), team=team, kind="drift", changes={"breaches": 2}, reason="x"
        )  # fmt: skip


def test_change_of_a_rule_is_on_the_trail_with_what_it_was():
    team = factories.make_team()
    rule(team, "drift", breaches=4)

    said = AuditEvent.objects.get(action="alert_rule.change").payload
    assert (said["before"], said["after"], said["reason"]) == ({"breaches": 1}, {"breaches": 4}, "Too loud.")
    with pytest.raises(ConflictError, match="what holds already"):
        rule(team, "drift", breaches=4)


def test_owner_of_the_rule_owns_what_is_raised():
    model = factories.make_model()
    maria = factories.make_user(model.team, username="maria")
    rule(model.team, "drift", owner="person:maria")
    rule(model.team, "jobs", owner="role:admin")
    observe(model, True)
    services.alert_look(
        team=model.team, kind="jobs", key="jobs:train", breached=True, title="A job failed", process="registry"
    )  # fmt: skip

    assert [(a.owner, a.owner_role) for a in Alert.objects.order_by("id")] == [(maria, ""), (None, "admin")]


def test_alerts_of_one_cause_are_one_group_and_those_of_a_rollout_another():
    model = factories.make_model()
    observe(model, True, key="drift:a")
    observe(model, True, key="drift:b")
    services.alert_raise(model=model, kind="burn", key="slo:1", title="Burns", group="rollout")
    services.alert_raise(model=model, kind="rollout", key="rollout:1:awaits", title="Awaits a decision")

    groups = [alert.group.rpartition(":")[2] for alert in Alert.objects.order_by("id")]
    assert groups == ["drift", "drift", "rollout", "rollout"]


def test_alert_of_a_team_and_of_the_installation_are_seen_by_whom_they_concern():
    team, other = factories.make_team(), factories.make_team()
    of_team = services.alert_raise(team=team, kind="jobs", key="jobs:train", title="A job failed")
    of_all = services.alert_raise(kind="audit_chain", key="audit", title="The chain is broken", severity="critical")
    engineer, admin, stranger = (
        factories.make_actor(team), factories.make_actor(team, Role.ADMIN), factories.make_actor(other)
    )  # fmt: skip

    assert [set(alerts_seen(actor)) for actor in (engineer, admin, stranger)] == [{of_team}, {of_team, of_all}, set()]
    assert services.alert_raise(kind="audit_chain", key="audit", title="Still broken").pk == of_all.pk
    with pytest.raises(Http404):
        services.alert_acknowledge(actor=engineer, alert_id=of_all.pk, note="Mine.")
    with pytest.raises(Http404):
        services.alert_comment(actor=stranger, alert_id=of_team.pk, body="Hm.")
    assert services.alert_acknowledge(actor=admin, alert_id=of_all.pk, note="Restoring.").acknowledged_by == admin.user


def test_person_calls_an_alert_over_and_the_next_look_brings_it_back():
    model = factories.make_model()
    observe(model, True)
    engineer = factories.make_actor(model.team)
    alert = opened(model).get()

    with pytest.raises(InvalidError, match="why"):
        services.alert_resolve(actor=engineer, alert_id=alert.pk, reason="")
    services.alert_resolve(actor=engineer, alert_id=alert.pk, reason="A test feed.")
    assert not opened(model).exists()
    observe(model, True, minute=1)

    alert.refresh_from_db()
    assert (alert.cleared_at, alert.resolved_by, alert.returned) == (None, None, 1)
    assert whats(alert) == ["raised", "resolved", "returned"]


def test_person_opens_an_alert_again_unless_a_newer_one_is_open():
    model = factories.make_model()
    observe(model, True)
    engineer = factories.make_actor(model.team)
    alert = opened(model).get()
    services.alert_resolve(actor=engineer, alert_id=alert.pk, reason="Over.")

    services.alert_reopen(actor=engineer, alert_id=alert.pk, reason="It is not.")
    with pytest.raises(ConflictError, match="is open"):
        services.alert_reopen(actor=engineer, alert_id=alert.pk, reason="It is not.")

    assert opened(model).get() == alert


def test_alert_is_handed_to_a_member_who_may_act_or_to_a_role():
    model = factories.make_model()
    observe(model, True)
    engineer, viewer = factories.make_actor(model.team), factories.make_user(model.team, Role.VIEWER)
    alert = opened(model).get()

    with pytest.raises(InvalidError, match="no member"):
        services.alert_own(actor=engineer, alert_id=alert.pk, owner=viewer.username)
    with pytest.raises(InvalidError, match="not both"):
        services.alert_own(actor=engineer, alert_id=alert.pk, owner=viewer.username, role="admin")
    assert services.alert_own(actor=engineer, alert_id=alert.pk, owner=engineer.user.username).owner == engineer.user
    assert services.alert_own(actor=engineer, alert_id=alert.pk, role="approver").owner_role == "approver"


@pytest.mark.parametrize("breaches", [1, 8])
@pytest.mark.django_db(transaction=True)
def test_looks_at_the_same_time_count_each_and_raise_one_alert(breaches):
    model = factories.make_model()
    rule(model.team, "drift", breaches=breaches, goods=8)
    barrier, failed = Barrier(8), []

    def look():
        try:
            barrier.wait(30)
            observe(model, True)
        except Exception as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert failed == []
    assert AlertStreak.objects.get().count == 8
    assert opened(model).get().count == (8 if breaches == 1 else 1)
    assert AlertEvent.objects.filter(what="raised").count() == 1


def test_links_of_a_rollout_stand_in_its_inbox_row_until_they_end():
    model = factories.make_model()
    now = datetime.now(UTC)
    links = {"promote": "https://cp.example/rollouts/link/a/", "roll_back": "https://cp.example/rollouts/link/b/"}
    shown = ways(links, now=now)
    ended = ways(links, now=now - timedelta(hours=24, minutes=1))
    for key, actions in (("rollout:1:awaits", shown), ("rollout:2:awaits", ended)):
        services.alert_raise(
            model=model, kind="rollout", key=key, title="Awaits a decision", actions=actions, group=key
        )

    rows = [item.actions for item in waiting(factories.make_actor(model.team)) if item.verb == "Alert"]
    assert sorted(rows) == [(), (("Promote", links["promote"]), ("Roll back", links["roll_back"]))]
