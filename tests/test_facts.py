"""Facts that higher apps hand down: budgets, alerts, traffic, data; and what the gates make of them."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from monitoring.models import TelemetryWindow
from monitoring.services import facts_push, slo_create
from registry import selectors, services
from registry.access import Actor
from registry.criteria import CheckStatus
from registry.errors import ConflictError, CriteriaError, FourEyesError, InvalidError
from registry.models import Alert, AuditEvent, DataSetHead, ErrorBudget, Membership, Role, VersionTraffic, Waiver
from tests import factories
from tests.api import Api, problem

pytestmark = pytest.mark.django_db

SPENT = {"objective": "availability, 99% over 28 days", "remaining": -0.2}


def gated_promotion(**fields):
    return factories.make_promotion(factories.make_model(risk_tier=1), **fields)


def spend(model, **fields):
    return services.budget_record(model=model, at=timezone.now(), **SPENT | fields)


def test_spent_budget_blocks_the_approval_and_says_who_can_clear_it():
    promotion = gated_promotion()
    spend(promotion.model)

    with pytest.raises(CriteriaError) as refused:
        factories.approve(promotion)

    assert refused.value.unmet[0]["rule"] == (
        "Error budget: \N{MINUS SIGN}20% of availability, 99% over 28 days left, the policy asks for more than 0%"
    )
    assert "waiver" in refused.value.unmet[0]["who"]
    assert not promotion.approvals.exists()


def test_budget_gate_is_the_policys_to_open():
    promotion = factories.make_promotion()  # tier 2 asks for no budget
    spend(promotion.model)

    assert factories.approve(promotion).state == "completed"


def test_waiver_of_the_budget_takes_two_people_and_is_bound_into_the_approval():
    promotion = gated_promotion()
    spend(promotion.model)
    team = promotion.model.team
    asked = {
        "criterion": None,
        "expires_at": timezone.now() + timedelta(days=1),
        "reason": "It is the mending version.",
    }
    with pytest.raises(InvalidError):
        services.waiver_ask(actor=factories.make_actor(team), promotion_id=promotion.pk, **asked)
    waiver = services.waiver_ask(
        actor=factories.make_actor(team), promotion_id=promotion.pk, document="Incident 7.", **asked
    )
    services.waiver_grant(actor=factories.make_actor(team, Role.APPROVER), waiver_id=waiver.pk, note="Agreed.")

    factories.approve(promotion)
    done = factories.approve(promotion)

    assert done.state == "completed"
    assert done.approvals.first().binding["waivers"] == [waiver.pk]


def test_promotion_that_mends_the_budget_is_declared_by_one_and_confirmed_by_another():
    model = factories.make_model(risk_tier=1)
    factories.make_criteria(model)
    version = factories.make_version(model)
    services.evidence_record(version=version, metric="roc_auc", value=0.8, ci_low=0.78, ci_high=0.82)
    spend(model)
    engineer = factories.make_actor(model.team)

    promotion = services.promotion_request(actor=engineer, version=version, mends_budget="It answers within the limit.")
    with pytest.raises(CriteriaError):
        factories.approve(promotion)
    [waiver] = promotion.waivers.all()
    Membership.objects.filter(user=engineer.user).update(role=Role.APPROVER)
    with pytest.raises(FourEyesError):
        services.waiver_grant(actor=engineer, waiver_id=waiver.pk, note="Mine.")
    services.waiver_grant(
        actor=factories.make_actor(model.team, Role.APPROVER), waiver_id=waiver.pk, note="Measured on the same traffic."
    )

    factories.approve(promotion)
    assert factories.approve(promotion).state == "completed"
    assert (waiver.rule, waiver.reason) == ("mends", "It answers within the limit.")
    asked = AuditEvent.objects.get(action="waiver.ask")
    assert asked.payload["rule"] == "error budget, which the version mends"


def test_page_asks_how_the_version_mends_a_spent_budget_where_one_is_spent(client):
    model = factories.make_model(risk_tier=1)
    factories.make_criteria(model)
    version = factories.make_version(model)
    engineer = factories.make_user(model.team)
    client.force_login(engineer)
    assert "id_mends_budget" not in client.get(version.path).content.decode()

    spend(model)
    shown = client.get(version.path).content.decode()
    client.post(f"{version.path}promote/", {"description": "Faster.", "mends_budget": "It answers within the limit."})

    assert "A spent budget blocks every promotion but one that mends it." in shown
    assert "availability, 99% over 28 days" in shown
    waiver = Waiver.objects.get()
    assert (waiver.rule, waiver.reason, waiver.asked_by) == ("mends", "It answers within the limit.", engineer)
    with pytest.raises(CriteriaError) as refused:
        factories.approve(waiver.promotion)
    assert "mends_budget" in next(rule for rule in refused.value.unmet if "Error budget" in rule["rule"])["who"]


def test_nobody_confirms_by_sql_what_they_declared():
    promotion = gated_promotion()
    spend(promotion.model)
    waiver = services.waiver_ask(
        actor=factories.make_actor(promotion.model.team), promotion_id=promotion.pk, criterion=None, reason="x", document="x",
        expires_at=timezone.now() + timedelta(days=1), mends=True,
    )  # fmt: skip
    Membership.objects.filter(user=waiver.asked_by).update(role=Role.APPROVER)

    with pytest.raises(DatabaseError), transaction.atomic():
        Waiver.objects.filter(pk=waiver.pk).update(
            state="granted", decided_by=waiver.asked_by, decided_at=timezone.now(), note="x"
        )

    waiver.refresh_from_db()
    assert waiver.state == "asked"


def test_nothing_is_mended_where_no_budget_is_spent():
    promotion = gated_promotion()
    engineer, version = factories.make_actor(promotion.model.team), promotion.version
    asked = {
        "promotion_id": promotion.pk,
        "reason": "x",
        "document": "x",
        "expires_at": timezone.now() + timedelta(days=1),
    }

    with pytest.raises(ConflictError, match="nothing to waive"):
        services.waiver_ask(actor=engineer, criterion=None, mends=True, **asked)
    services.promotion_withdraw(actor=Actor(promotion.requested_by, "session"), promotion_id=promotion.pk)
    with pytest.raises(ConflictError, match="nothing to waive"):
        services.promotion_request(actor=engineer, version=version, mends_budget="x")

    assert not Waiver.objects.exists()
    assert version.promotions.count() == 1


def test_budget_that_does_not_block_is_not_waived():
    promotion = gated_promotion()

    with pytest.raises(ConflictError, match="nothing to waive"):
        services.waiver_ask(
            actor=factories.make_actor(promotion.model.team), promotion_id=promotion.pk, criterion=None, reason="x",
            document="x", expires_at=timezone.now() + timedelta(days=1),
        )  # fmt: skip


def test_spent_budget_is_one_alert_until_it_is_filled_again():
    model = factories.make_model()
    spend(model)
    spend(model, remaining=-0.3)
    assert Alert.objects.filter(cleared_at__isnull=True).count() == 1

    spend(model, remaining=0.4)

    assert ErrorBudget.objects.get().remaining == 0.4
    assert not Alert.objects.filter(cleared_at__isnull=True).exists()
    actions = AuditEvent.objects.filter(action__startswith="alert.").order_by("seq").values_list("action", flat=True)
    assert list(actions) == ["alert.raise", "alert.clear"]


def test_alert_leaves_the_inbox_once_somebody_takes_it_on():
    model = factories.make_model()
    alert = services.alert_raise(model=model, kind="drift", title="Inputs drifted", key="drift", link="/drift/1/")
    engineer, other = factories.make_actor(model.team), factories.make_actor(model.team)
    assert [item.title for item in selectors.waiting(engineer)] == ["Inputs drifted"]
    assert selectors.waiting(factories.make_actor(model.team, Role.VIEWER)) == []

    with pytest.raises(InvalidError):
        services.alert_acknowledge(actor=engineer, alert_id=alert.pk, note="")
    services.alert_acknowledge(actor=engineer, alert_id=alert.pk, note="Retraining.")

    assert selectors.waiting(other) == []
    with pytest.raises(ConflictError):
        services.alert_acknowledge(actor=other, alert_id=alert.pk, note="Me too.")


def test_alerts_and_budgets_by_the_api():
    model = factories.make_model(name="flight-delay")
    spend(model)
    engineer, viewer = Api(model.team), Api(model.team, Role.VIEWER)
    [alert] = viewer.get("alerts", open="true", kind="budget").json()["results"]

    problem(viewer.post(f"alerts/{alert['id']}/acknowledge", {"note": "x"}), 403)
    taken = engineer.post(f"alerts/{alert['id']}/acknowledge", {"note": "On it."}).json()

    assert (alert["title"], taken["acknowledged_by"]) == (
        "The error budget of availability, 99% over 28 days is spent", engineer.user.username,
    )  # fmt: skip
    assert viewer.get("models/flight-delay/budgets").json()["results"][0]["remaining"] == -0.2


def test_evidence_of_data_that_the_set_no_longer_holds_is_stale():
    model = factories.make_model()
    rule = {"metric": "roc_auc", "direction": "at_least", "threshold": 0.7, "reason": "x", "data_set": "flights"}
    factories.make_criteria(model, [rule])
    version = factories.make_version(model)
    services.data_set_record(team=model.team, name="flights", digest="sha256:old")
    services.evidence_record(
        version=version, metric="roc_auc", value=0.8, data_set="flights", data_digest="sha256:old"
    )  # fmt: skip
    promotion = services.promotion_request(actor=factories.make_actor(model.team), version=version)
    assert selectors.promotion_checks(promotion)[0].status is CheckStatus.PASSED

    services.data_set_record(team=model.team, name="flights", digest="sha256:new")

    [check] = selectors.promotion_checks(promotion)
    assert (check.status, check.blocks) == (CheckStatus.STALE, True)
    assert check.why == "measured on other data than the data set holds now"
    with pytest.raises(CriteriaError, match="blocking"):
        factories.approve(promotion)
    services.evidence_record(
        version=version, metric="roc_auc", value=0.79, data_set="flights", data_digest="sha256:new"
    )  # fmt: skip
    assert factories.approve(promotion).state == "completed"


def test_evidence_older_than_the_policy_allows_is_stale(monkeypatch):
    promotion = factories.make_promotion()
    later = timezone.now() + timedelta(days=181)
    monkeypatch.setattr("django.utils.timezone.now", lambda: later)

    [check] = selectors.promotion_checks(promotion)

    assert (check.status, check.why) == (
        CheckStatus.STALE, "measured 181 days ago; the policy counts evidence for 180",
    )  # fmt: skip


def test_decided_promotion_does_not_age(monkeypatch):
    done = factories.approve(factories.make_promotion())
    done.refresh_from_db()
    later = timezone.now() + timedelta(days=400)
    monkeypatch.setattr("django.utils.timezone.now", lambda: later)

    assert selectors.promotion_checks(done)[0].status is CheckStatus.PASSED


def test_monitoring_hands_down_budgets_and_traffic():
    version = factories.make_champion()
    now = timezone.now()
    slo = slo_create(
        actor=factories.make_actor(version.model.team), model=version.model, kind="availability", objective="0.99",
        window_days=28,
    )  # fmt: skip
    started = now.replace(microsecond=0) - timedelta(seconds=30)
    TelemetryWindow.objects.create(
        version=version, table_version=1, arm="champion", weight_bp=10_000, started_at=started, requests=120, rows=120
    )

    facts_push(now=now)

    budget = ErrorBudget.objects.get()
    assert (budget.model, budget.objective) == (version.model, "availability, 99% over 28 days")
    traffic = VersionTraffic.objects.get()
    assert (traffic.version, traffic.last_request_at, traffic.requests) == (version, started, 120)
    slo.delete()
    facts_push(now=now)
    assert not ErrorBudget.objects.exists()


def test_new_rows_of_a_data_set_are_told_to_the_registry_once():
    team = factories.make_team()
    services.data_set_record(team=team, name="flights", digest="sha256:a")
    services.data_set_record(team=team, name="flights", digest="sha256:a")

    assert DataSetHead.objects.get().digest == "sha256:a"
    assert AuditEvent.objects.filter(action="data_set.record").count() == 1
