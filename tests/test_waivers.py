"""Waivers: asked by one person, granted by another, bound into approvals, and void when they end."""

from datetime import timedelta

import pytest
from django.utils import timezone

from registry import selectors, services
from registry.access import Actor
from registry.criteria import CheckStatus
from registry.errors import ConflictError, CriteriaError, FourEyesError, InvalidError, RoleError
from registry.models import Alert, AuditEvent, Evidence, Promotion, Role, Waiver
from registry.tasks import watch_deadlines
from tests import factories
from tests.api import Api, problem

pytestmark = pytest.mark.django_db


def ask(promotion, *, actor=None, criterion=1, days=10, **fields):
    fields = {"reason": "Regional flights are few.", "document": "Agreed in the risk meeting."} | fields
    return services.waiver_ask(
        actor=actor or factories.make_actor(promotion.model.team), promotion_id=promotion.pk, criterion=criterion,
        expires_at=timezone.now() + timedelta(days=days), **fields,
    )  # fmt: skip


def grant(waiver, *, actor=None):
    actor = actor or factories.make_actor(waiver.promotion.model.team, Role.APPROVER)
    return services.waiver_grant(actor=actor, waiver_id=waiver.pk, note="The harm is bounded.")


def status(promotion):
    return selectors.promotion_checks(promotion)[0].status


def test_granted_waiver_lets_a_failing_criterion_pass_and_is_part_of_the_approval():
    promotion = factories.make_promotion(auc=0.6)
    waiver = ask(promotion)
    assert status(promotion) is CheckStatus.FAILED

    grant(waiver)
    done = factories.approve(promotion)

    assert done.state == "completed"
    assert done.approvals.get().binding["waivers"] == [waiver.pk]
    actions = AuditEvent.objects.filter(subject=promotion.path).order_by("seq").values_list("action", flat=True)
    assert list(actions)[:4] == ["promotion.request", "waiver.ask", "waiver.grant", "promotion.approve"]


def test_waiver_serves_where_nothing_was_measured():
    model = factories.make_model()
    factories.make_criteria(model)
    promotion = services.promotion_request(
        actor=factories.make_actor(model.team), version=factories.make_version(model)
    )

    grant(ask(promotion))

    assert status(promotion) is CheckStatus.WAIVED
    assert factories.approve(promotion).state == "completed"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"reason": " "}, "reason"),
        ({"document": ""}, "evidence"),
        ({"document": "", "link": "javascript:alert(1)"}, "link"),
        ({"document": "", "evidence": 999_999}, "evidence"),
        ({"days": -1}, "expires_at"),
        ({"days": 61}, "expires_at"),
        ({"criterion": 7}, "criterion"),
    ],
)
def test_override_without_reason_evidence_and_a_near_end_is_refused(fields, field):  # T31
    promotion = factories.make_promotion(auc=0.6)

    with pytest.raises(InvalidError) as refused:
        ask(promotion, **fields)

    assert refused.value.field == field
    assert not Waiver.objects.exists()


def test_evidence_of_another_model_supports_nothing():
    promotion = factories.make_promotion(auc=0.6)
    factories.make_promotion()

    with pytest.raises(InvalidError):
        ask(promotion, document="", evidence=Evidence.objects.first().pk)


@pytest.mark.parametrize("part", ["asker", "requester", "author", "drafter", "helper"])
def test_nobody_with_a_part_in_it_grants(part):
    promotion = factories.make_promotion(auc=0.6)
    promotion.version.contributors.add(helper := factories.make_user(promotion.model.team))
    waiver = ask(promotion)
    person = {
        "asker": waiver.asked_by, "requester": promotion.requested_by, "author": promotion.version.created_by,
        "drafter": promotion.criteria_set.drafted_by, "helper": helper,
    }[part]  # fmt: skip
    person.memberships.update(role=Role.APPROVER)

    with pytest.raises(FourEyesError):
        grant(waiver, actor=Actor(person, "session"))

    waiver.refresh_from_db()
    assert waiver.state == "asked"
    with pytest.raises(CriteriaError):
        factories.approve(promotion)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ENGINEER, Role.PRODUCT, Role.ADMIN])
def test_other_roles_do_not_grant(role):
    waiver = ask(factories.make_promotion(auc=0.6))

    with pytest.raises(RoleError):
        grant(waiver, actor=factories.make_actor(waiver.promotion.model.team, role))


def test_only_what_blocks_is_waived_and_once_at_a_time():
    with pytest.raises(ConflictError, match="does not block"):
        ask(factories.make_promotion())
    promotion = factories.make_promotion(auc=0.6)
    ask(promotion)
    with pytest.raises(ConflictError, match="already"):
        ask(promotion)


def test_declined_and_withdrawn_waivers_count_for_nothing():
    promotion = factories.make_promotion(auc=0.6)
    declined = ask(promotion)
    services.waiver_decline(
        actor=factories.make_actor(promotion.model.team, Role.APPROVER), waiver_id=declined.pk, note="Too many."
    )
    again = ask(promotion)
    with pytest.raises(RoleError):
        services.waiver_withdraw(actor=factories.make_actor(promotion.model.team), waiver_id=again.pk)
    services.waiver_withdraw(actor=Actor(again.asked_by, "session"), waiver_id=again.pk)

    assert status(promotion) is CheckStatus.FAILED
    with pytest.raises(ConflictError):
        grant(declined)


def test_approval_lapses_when_the_waiver_it_rests_on_is_revoked_and_says_so():
    promotion = factories.make_promotion(factories.make_model(risk_tier=1), auc=0.6)
    waiver = grant(ask(promotion))
    first = factories.make_actor(promotion.model.team, Role.APPROVER)
    factories.approve(promotion, actor=first)

    services.waiver_revoke(actor=first, waiver_id=waiver.pk, reason="The figure was wrong.")

    checks = selectors.promotion_checks(promotion)
    [lapse] = selectors.lapses(promotion, selectors.promotion_binding(promotion, checks))
    assert lapse.approval.approver == first.user
    assert lapse.because == [f"waiver W-{waiver.pk} was revoked by {first.user.username}"]
    with pytest.raises(CriteriaError):
        factories.approve(promotion)


def test_expired_waiver_counts_no_longer(monkeypatch):
    promotion = factories.make_promotion(factories.make_model(risk_tier=1), auc=0.6)
    waiver = grant(ask(promotion))
    factories.approve(promotion)
    later = waiver.expires_at + timedelta(seconds=1)
    monkeypatch.setattr("django.utils.timezone.now", lambda: later)

    checks = selectors.promotion_checks(promotion)
    assert checks[0].status is CheckStatus.FAILED
    assert checks[0].waiver == waiver
    [lapse] = selectors.lapses(promotion, selectors.promotion_binding(promotion, checks))
    assert (lapse.because, lapse.at) == ([f"waiver W-{waiver.pk} expired"], waiver.expires_at)
    with pytest.raises(CriteriaError):
        factories.approve(promotion)


def test_waiver_that_ends_under_a_champion_raises_one_alert():
    promotion = factories.make_promotion(auc=0.6)
    waiver = grant(ask(promotion))
    factories.approve(promotion)
    watch_deadlines()
    assert not Alert.objects.exists()

    services.waivers_watch(now=waiver.expires_at + timedelta(seconds=1))
    services.waivers_watch(now=waiver.expires_at + timedelta(seconds=2))

    alert = Alert.objects.get()
    assert (alert.kind, alert.severity, alert.link) == ("waiver_ended", "critical", waiver.path)
    assert "has expired" in alert.title
    approver = factories.make_actor(promotion.model.team, Role.APPROVER)
    assert [item.title for item in selectors.waiting(approver)] == [alert.title]
    factories.make_champion(promotion.model)
    services.waivers_watch(now=waiver.expires_at + timedelta(seconds=3))
    alert.refresh_from_db()
    assert alert.cleared_at


def test_inbox_asks_approvers_who_may_grant():
    promotion = factories.make_promotion(auc=0.6)
    waiver = ask(promotion)
    approver = factories.make_actor(promotion.model.team, Role.APPROVER)

    assert waiver.path in [item.path for item in selectors.waiting(approver)]
    asker = Actor(waiver.asked_by, "session")
    assert waiver.path not in [item.path for item in selectors.waiting(asker)]
    assert [item.path for item in selectors.in_flight(asker)] == [waiver.path]


def test_whole_waiver_by_the_api():
    promotion = factories.make_promotion(auc=0.6)
    engineer, approver = Api(promotion.model.team), Api(promotion.model.team, Role.APPROVER)
    body = {"criterion": 1, "expires_at": (timezone.now() + timedelta(days=5)).isoformat()}
    where = f"promotions/{promotion.pk}/waivers"

    for missing in ({}, {"reason": "Few flights."}, {"document": "Minutes."}):
        problem(engineer.post(where, body | missing), 400)
    asked = engineer.post(where, body | {"reason": "Few flights.", "document": "Minutes."})
    assert asked.status_code == 201
    pk = asked.json()["id"]
    problem(engineer.post(f"waivers/{pk}/grant", {"note": "Mine."}), 403)
    problem(approver.post(f"waivers/{pk}/grant", {"note": ""}), 400)
    granted = approver.post(f"waivers/{pk}/grant", {"note": "Bounded harm."})

    assert granted.json()["state"] == "granted"
    [check] = approver.get(f"promotions/{promotion.pk}").json()["checks"]
    assert (check["status"], check["blocks"], check["waiver"]["id"]) == ("waived", False, pk)
    assert [row["id"] for row in approver.get(where).json()["results"]] == [pk]
    assert approver.post(f"waivers/{pk}/revoke", {"reason": "Wrong."}).json()["state"] == "revoked"
    assert Promotion.objects.get().state == "requested"
