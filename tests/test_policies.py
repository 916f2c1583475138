"""Policies: numbered, never weaker than the installation's, and what holds is the stricter of both."""

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from registry import selectors, services
from registry.errors import ConflictError, InvalidError, RoleError
from registry.models import AuditEvent, PromotionPolicy, Role
from registry.policies import Policy, strictest, weaker_than
from tests import factories
from tests.api import Api, problem

LAX = Policy({"approver": 1}, 72, None, None, None, 90, 730, block_overdue=False)
STRICT = Policy({"approver": 2, "product": 1}, 24, 0.1, 90, 30, 30, 180, block_overdue=True)


@pytest.mark.parametrize(("a", "b"), [(LAX, STRICT), (STRICT, LAX), (STRICT, STRICT)])
def test_stricter_rule_holds_whichever_side_it_stands_on(a, b):
    assert strictest(a, b) == STRICT


def test_rules_are_compared_one_by_one():
    mixed = Policy({"approver": 1, "product": 1}, 12, None, 90, None, 30, 365, block_overdue=True)

    assert strictest(LAX, mixed) == mixed
    assert weaker_than(STRICT, mixed) == ["required", "min_budget", "fresh_login_minutes", "revalidation_days"]
    assert weaker_than(LAX, mixed) == []


def change(team, tier=2, *, actor=None, reason="After the audit.", **changes):
    actor = actor or factories.make_actor(team, Role.ADMIN)
    return services.policy_change(actor=actor, team=team, risk_tier=tier, changes=changes, reason=reason)


@pytest.mark.django_db
def test_change_is_the_next_number_audited_with_before_and_after():
    team = factories.make_team()

    first, second = change(team, max_waiver_days=20), change(team, required={"approver": 1, "product": 1})

    assert (first.number, second.number) == (1, 2)
    assert second.max_waiver_days == 20
    assert selectors.policy_of(team, 2).required == {"approver": 1, "product": 1}
    event = AuditEvent.objects.filter(action="policy.change").latest("seq")
    assert event.payload["before"] == {"required": {"approver": 1}}
    assert event.payload["after"] == {"required": {"approver": 1, "product": 1}}
    assert selectors.policy_of(factories.make_team(), 2).max_waiver_days == 60


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("tier", "changes", "field"),
    [
        (1, {"required": {"approver": 1}}, "required"),
        (1, {"min_budget": None}, "min_budget"),
        (2, {"max_waiver_days": 61}, "max_waiver_days"),
        (2, {"max_evidence_days": None}, "max_evidence_days"),
        (2, {"block_overdue": False}, "block_overdue"),
        (2, {"revalidation_days": 0}, "revalidation_days"),
        (2, {"required": {"admin": 1}}, "required"),
        (2, {"required": {"product": 2}}, "required"),
        (2, {"surprise": 1}, "surprise"),
        (4, {"max_waiver_days": 10}, "risk_tier"),
    ],
)
def test_what_is_weaker_than_the_installation_or_no_rule_is_refused(tier, changes, field):
    team = factories.make_team()

    with pytest.raises(InvalidError) as refused:
        change(team, tier, **changes)

    assert refused.value.field == field
    assert not PromotionPolicy.objects.filter(team=team).exists()


@pytest.mark.django_db
def test_change_needs_an_admin_a_reason_and_a_difference():
    team = factories.make_team()

    with pytest.raises(RoleError):
        change(team, actor=factories.make_actor(team, Role.APPROVER), max_waiver_days=20)
    with pytest.raises(InvalidError):
        change(team, reason=" ", max_waiver_days=20)
    with pytest.raises(ConflictError):
        change(team, max_waiver_days=60)


@pytest.mark.django_db
def test_tightened_policy_holds_for_promotions_that_are_open():
    promotion = factories.make_promotion()
    asked_under = promotion.policy
    change(promotion.model.team, required={"approver": 2})

    assert factories.approve(promotion).state == "requested"
    done = factories.approve(promotion)

    done.refresh_from_db()
    assert done.state == "completed"
    assert (asked_under["team"], asked_under["rules"]["required"]) == (None, {"approver": 1})
    assert (done.policy["team"], done.policy["rules"]["required"]) == (1, {"approver": 2})


@pytest.mark.django_db
def test_refusal_keeps_the_policy_that_it_was_decided_under():
    promotion = factories.make_promotion()
    change(promotion.model.team, required={"approver": 2})
    approver = factories.make_actor(promotion.model.team, Role.APPROVER)

    done = services.promotion_reject(actor=approver, promotion_id=promotion.pk, reason="Not on JFK.")

    done.refresh_from_db()
    assert (done.policy["team"], done.policy["rules"]["required"]) == (1, {"approver": 2})


@pytest.mark.django_db
def test_api_shows_what_holds_and_takes_a_change():
    team = factories.make_team()
    admin, viewer = Api(team, Role.ADMIN), Api(team, Role.VIEWER)

    body = {"risk_tier": 1, "changes": {"max_waiver_days": 14}, "reason": "Shorter for high risk."}
    assert admin.post("policies", body).status_code == 201
    problem(viewer.post("policies", body), 403)
    weaker = problem(admin.post("policies", body | {"changes": {"max_waiver_days": 31}}), 400)

    tiers = viewer.get("policies").json()["results"]
    assert [(row["risk_tier"], row["number"], row["rules"]["max_waiver_days"]) for row in tiers] == [
        (1, 1, 14), (2, None, 60), (3, None, 90),
    ]  # fmt: skip
    assert weaker["errors"][0]["pointer"] == "/changes/max_waiver_days"
    assert [row["number"] for row in viewer.get("policies/versions", risk_tier=1).json()["results"]] == [1, 2, 1]


@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
def test_keeper_changes_the_floor_as_the_schemas_owner():
    team = factories.make_team()

    call_command("policy", "2", "max_waiver_days=10", 'required={"approver": 2}', reason="Board decision.")

    held = selectors.policy_of(team, 2)
    assert (held.max_waiver_days, held.required) == (10, {"approver": 2})
    event = AuditEvent.objects.get(action="policy.default")
    assert (event.actor, event.payload["number"]) == ("manage.py", 2)
    with pytest.raises(CommandError, match="whole number"):
        call_command("policy", "2", "max_waiver_days=0", reason="Never.")
