"""Pages of the rules: waivers on a promotion, policies, alerts, lifecycle; by role, and in a real browser."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from registry import services
from registry.access import Actor
from registry.models import Retirement, Revalidation, Role, Waiver
from tests import factories
from tests.browser import check_page, log_in

pytestmark = pytest.mark.django_db
NOT_MEASURED = {"metric": "brier_score", "direction": "at_most", "threshold": 0.1, "reason": "x"}


def sign_in(client, team, role):
    user = factories.make_user(team, role)
    client.force_login(user)
    return user


def day(days):
    return (timezone.now().date() + timedelta(days=days)).isoformat()


def test_whole_waiver_by_the_pages(client):
    promotion = factories.make_promotion(auc=0.6)
    engineer = sign_in(client, promotion.model.team, Role.ENGINEER)
    page = client.get(promotion.path).content.decode()
    assert "Ask for a waiver of C1" in page
    form = {"criterion": "1", "reason": "Few flights.", "expires_on": day(5)}
    refused = client.post(f"{promotion.path}waivers/", form)
    assert refused.status_code == 400
    assert "Say what supports it" in refused.content.decode()
    assert "Few flights." in refused.content.decode()

    asked = client.post(f"{promotion.path}waivers/", form | {"document": "Minutes of 3 June."})
    waiver = Waiver.objects.get()
    assert asked["Location"] == waiver.path
    assert "Withdraw" in client.get(promotion.path).content.decode()

    sign_in(client, promotion.model.team, Role.APPROVER)
    decide = reverse("waiver_decide", args=[waiver.pk])
    assert client.post(decide, {"action": "grant", "note": ""}).status_code == 400
    assert client.post(decide, {"action": "grant", "note": "Bounded harm."}).status_code == 302
    page = client.get(promotion.path)
    assert "Ready for your decision" in page.content.decode()
    assert f'asked for <a href="#w{waiver.pk}">' in page.content.decode()
    decision = {"action": "approve", "reason": "With the waiver.", "seen": page.context["binding"].digest}
    assert client.post(f"{promotion.path}decide/", decision).status_code == 302
    assert engineer.username in client.get(promotion.path).content.decode()


def test_lapse_is_explained_on_the_timeline_and_beside_the_approval(client):
    promotion = factories.make_promotion(factories.make_model(risk_tier=1))
    factories.approve(promotion)
    before = promotion.version.evidence.get()
    after = services.evidence_record(
        version=promotion.version, metric="roc_auc", value=0.81, data_digest="sha256:corrected"
    )
    sign_in(client, promotion.model.team, Role.APPROVER)

    page = client.get(promotion.path).content.decode()

    said = f"Area under the ROC curve was measured again: E-{after.pk} instead of E-{before.pk}"
    assert page.count(said) == 2
    assert f'id="lapse{promotion.approvals.get().pk}"' in page


def test_admin_changes_a_policy_and_others_see_what_changed(client):
    team = factories.make_team()
    sign_in(client, team, Role.ADMIN)
    form = {
        "team": team.slug, "risk_tier": "2", "t2-approver": "1", "t2-product": "1", "t2-fresh_login_minutes": "",
        "t2-max_evidence_days": "180", "t2-min_budget": "", "t2-max_waiver_days": "60", "t2-revalidation_days": "365",
        "t2-rollback_review_hours": "48", "t2-block_overdue": "on", "t2-reason": "Product decides with us.",
    }  # fmt: skip
    weaker = client.post("/settings/policies/", form | {"t2-max_waiver_days": "90"})
    assert weaker.status_code == 422
    assert weaker.context["forms"][2].errors.keys() == {"max_waiver_days"}
    assert "a team may only be stricter" in weaker.content.decode()
    too_long = client.post("/settings/policies/", form | {"t2-max_waiver_days": "400"})
    assert "less than or equal to 365" in too_long.context["forms"][2].errors["max_waiver_days"][0]

    assert client.post("/settings/policies/", form).status_code == 302
    same = client.post("/settings/policies/", form)
    assert same.context["forms"][2].non_field_errors() == ["This is what holds already."]

    sign_in(client, team, Role.VIEWER)
    page = client.get("/settings/policies/").content.decode()
    assert "<b>1 approver, 1 product person</b>" in page
    assert "Product decides with us." in page
    assert "Change tier" not in page
    assert client.post("/settings/policies/", form).status_code == 403


def test_refused_policy_comes_back_open_at_the_field_that_is_wrong(page, faults, live_server):
    team = factories.make_team()
    log_in(page, factories.make_user(team, Role.ADMIN), live_server)
    page.goto("/settings/policies/")
    page.get_by_role("button", name="Change tier 1").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Longest waiver").fill("40")
    form.get_by_label("Why, kept").fill("More time.")

    form.get_by_role("button", name="Put in force").click()

    expect(form.get_by_label("Longest waiver")).to_be_focused()
    expect(form.get_by_label("Why, kept")).to_have_value("More time.")
    assert faults  # the browser tells of every 422
    faults.clear()


def test_alert_is_taken_on(client):
    model = factories.make_model()
    alert = services.alert_raise(model=model, kind="drift", title="Inputs drifted", key="drift", link="/drift/1/")
    sign_in(client, model.team, Role.ENGINEER)
    assert "Inputs drifted" in client.get("/alerts/").content.decode()
    assert f"{model.name}: Nobody has taken it on yet." in client.get("/").content.decode()

    client.post(f"/alerts/{alert.pk}/acknowledge/", {"note": "Retraining tonight."})

    assert "Retraining tonight." in client.get("/alerts/").content.decode()
    assert model.name in client.get("/models/?state=alert").content.decode()
    services.alert_clear(model=model, key="drift")
    assert "Nothing is wrong" in client.get("/alerts/").content.decode()
    assert model.name not in client.get("/models/?state=alert").content.decode()


def test_lifecycle_by_the_pages(client):
    champion = factories.make_champion(factories.make_model(name="flight-delay"))
    factories.make_champion(champion.model)
    sign_in(client, champion.model.team, Role.ENGINEER)
    client.post("/models/flight-delay/revalidate/due/", {"reason": "A new airline joined."})
    asked = client.post("/models/flight-delay/retire/", {"version": "1", "reason": "Replaced."})
    assert asked.status_code == 302
    assert "A new airline joined." in client.get("/models/flight-delay/lifecycle/").content.decode()

    sign_in(client, champion.model.team, Role.APPROVER)
    empty = client.post("/models/flight-delay/revalidate/", {"note": "Fine."})
    assert empty.status_code == 400
    client.post("/models/flight-delay/revalidate/", {"note": "Fine.", "document": "Report of June."})
    retirement = Retirement.objects.get()
    client.post(f"/retirements/{retirement.pk}/decide/", {"action": "approve", "note": "Agreed."})

    page = client.get("/models/flight-delay/lifecycle/").content.decode()
    assert "Report of June." in page
    assert "was retired by" in page
    assert Revalidation.objects.count() == 1


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_pages_are_accessible_and_fit(page, live_server, client):
    promotion = factories.make_promotion(factories.make_model(name="flight-delay", risk_tier=1), auc=0.6)
    team = promotion.model.team
    services.waiver_ask(
        actor=factories.make_actor(team), promotion_id=promotion.pk, criterion=1, reason="Few flights.",
        document="Minutes.", expires_at=timezone.now() + timedelta(days=3),
    )  # fmt: skip
    services.alert_raise(model=promotion.model, kind="drift", title="Inputs drifted", key="drift", severity="critical")
    services.retirement_request(
        actor=factories.make_actor(team), model=promotion.model, version=factories.make_version(promotion.model),
        reason="Replaced.",
    )  # fmt: skip
    factories.change_policy(team, 2, max_waiver_days=14)

    log_in(page, factories.make_user(team, Role.APPROVER), live_server)
    for path in (promotion.path, "/alerts/", "/models/flight-delay/lifecycle/"):
        check_page(page, path, live_server)
    log_in(page, factories.make_user(team, Role.ADMIN), live_server)
    check_page(page, "/settings/policies/", live_server)
    log_in(page, factories.make_user(team, Role.ENGINEER), live_server)
    check_page(page, "/models/flight-delay/lifecycle/", live_server)
    page.get_by_role("button", name="Triggers…").click()
    page.get_by_label("An error budget is spent").check()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("is changed.")).to_be_visible()
    promotion.model.refresh_from_db()
    assert promotion.model.revalidation_triggers == ["drift", "budget"]
    log_in(page, factories.make_user(team, Role.ADMIN), live_server)
    page.goto("/settings/policies/")
    page.get_by_role("button", name="Change tier 1").click()
    expect(page.get_by_role("dialog")).to_contain_text("Tier 1 of")


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_trail_is_not_cut_off_by_digests_and_long_texts(page, live_server):
    team = factories.make_team("travel")
    model = factories.make_model(team, name="merchant-credit-limit-increase-propensity-v2")
    champion = factories.make_champion(model)
    factories.make_champion(model)
    services.rollback(
        actor=factories.make_actor(team), model=model, to_version=champion,
        reason="Errors rose from 0.1% to 2.4% within ten minutes of the switch; the engineer on call saw time-outs.",
    )  # fmt: skip
    log_in(page, factories.make_user(team, Role.VIEWER), live_server)

    page.goto("/audit/")

    assert page.locator(".scroll").evaluate("one => one.scrollWidth - one.clientWidth") == 0
    digests = page.locator(f'.trail [data-copy="{champion.artifact_digest}"]')
    assert digests.count() > 0  # whole, though it shows short
    reason = page.locator(".trail details").first
    assert "saw time-outs" not in reason.inner_text()
    reason.locator("summary").click()
    assert "saw time-outs" in reason.inner_text()
    check_page(page, "/audit/", live_server)


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_mark_of_a_check_stays_out_of_its_neighbour_in_a_wide_font(page, live_server):
    promotion = factories.make_promotion()
    factories.make_criteria(promotion.model, [NOT_MEASURED])
    services.promotion_withdraw(actor=Actor(promotion.requested_by, "session"), promotion_id=promotion.pk)
    asked = services.promotion_request(actor=factories.make_actor(promotion.model.team), version=promotion.version)
    log_in(page, factories.make_user(promotion.model.team, Role.VIEWER), live_server)

    page.goto(asked.path)
    page.locator(".checks").evaluate("one => { one.style.letterSpacing = '2px'; }")

    mark, criterion = (page.locator(f".checks > li:not(.cap) > {one}").bounding_box() for one in (".st", ".what"))
    assert mark["x"] + mark["width"] <= criterion["x"]
    assert page.locator(".checks > li > .st").evaluate("one => one.scrollWidth <= one.clientWidth")
