"""Product's questions in a real browser, with names and numbers as they come."""

import pytest
from playwright.sync_api import expect

from registry import selectors, services
from registry.models import CriterionReview, Role
from tests import factories
from tests.browser import PHONE, check_page, log_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

RULES = [
    {"metric": "average_precision", "direction": "at_least", "threshold": 0.35, "basis": "interval", "data_set": "flights-2013",
     "reason": "Warnings must be far better than chance: ranking at random would reach 0.09."},
    {"metric": "recall_at_5pct_alerts", "direction": "at_least", "threshold": 0.25, "basis": "interval",
     "reason": "Of the travellers who will be badly late, at least a quarter must be among the 5% whom we warn."},
    {"metric": "recall_at_5pct_alerts", "direction": "at_least", "threshold": 0.2, "data_slice": "origin=JFK",
     "reason": "Travellers from the airport that is hardest to predict must not be left without warnings."},
    {"metric": "calibration_error", "direction": "at_most", "threshold": 0.03, "basis": "interval",
     "reason": "The app shows the probability: where it says 40%, about 40 in 100 flights must be late."},
    {"metric": "average_precision", "direction": "at_least", "threshold": 0.0, "basis": "interval", "against_champion": True,
     "reason": "A change has a cost for everybody, so a new version must surely be better than the one that serves."},
    {"metric": "brier_score", "direction": "at_most", "threshold": 0.08, "blocking": False,
     "reason": "A probability that is off everywhere by a little shows here first."},
    {"metric": "roc_auc", "direction": "at_least", "threshold": 0.7, "reason": "Late flights must stand out."},
]  # fmt: skip
MEASURED = [
    ("average_precision", 0.431, 0.412, 0.452, ""), ("recall_at_5pct_alerts", 0.2712, 0.2496, 0.2931, ""),
    ("recall_at_5pct_alerts", 0.231, 0.2, 0.26, "origin=JFK"), ("recall_at_5pct_alerts", 0.352, 0.3, 0.4, "origin=EWR"),
    ("calibration_error", 0.0123, 0.009, 0.016, ""), ("brier_score", 0.0834, 0.081, 0.0861, ""),
]  # fmt: skip


def measure(version, values, *, against=None):
    for metric, value, low, high, part in values:
        services.evidence_record(
            version=version, metric=metric, value=value, ci_low=low, ci_high=high, sample_size=66_102, against=against,
            data_set="flights-2013", data_digest=f"sha256:{1:064x}", data_slice=part,
        )  # fmt: skip


@pytest.fixture
def promotion():
    model = factories.make_model(
        name="flight-delay-new-york-departures",
        purpose="An hour before departure, warn travellers whose flight will probably arrive more than an hour late.",
    )
    champion = factories.make_champion(model)
    measure(champion, [("average_precision", 0.39, 0.37, 0.41, "")])
    product, approver = (factories.make_actor(model.team, role) for role in (Role.PRODUCT, Role.APPROVER))
    drafted = services.criteria_draft(
        actor=product, model=model, criteria=RULES, cases="flights", events="badly late flights"
    )
    services.criteria_agree(actor=approver, criteria_set_id=drafted.pk)
    version = factories.make_version(model)
    measure(version, MEASURED)
    measure(version, [("average_precision", 0.031, 0.012, 0.05, "")], against=champion)
    return services.promotion_request(
        actor=factories.make_actor(model.team), version=version, description="Boosted trees instead of the plain model."
    )


def test_product_answers_all_questions_on_a_phone(page, live_server, promotion):
    reader = factories.make_user(promotion.model.team, Role.PRODUCT)
    log_in(page, reader, live_server)
    page.set_viewport_size(PHONE)
    page.goto("/")
    page.get_by_role("link", name="good enough for customers").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "Of the flights it flags, are enough really badly late flights?"
    )
    expect(page.get_by_text("Out of 100 flights flagged, about 43 were badly late flights")).to_be_visible()
    expect(page.get_by_text("The version in use today reaches 39.")).to_be_visible()
    small = page.locator(".plain a.btn, .plain button, .choice label").evaluate_all(
        "all => all.filter(one => one.getBoundingClientRect().height < 48).map(one => one.textContent)"
    )
    assert small == []

    for number in range(1, 8):
        expect(page.get_by_text(f"Question {number} of 7", exact=True)).to_be_visible()
        if number == 2:
            expect(page.get_by_text("Below target")).to_be_visible()
            page.get_by_role("radio", name="Refuse").check()
            page.get_by_role("textbox").fill("Too many travellers are not warned.")
        elif number == 7:
            page.get_by_role("radio", name="Ask a question").check()
            page.get_by_role("textbox").fill("When is this tried?")
        else:
            page.get_by_role("radio", name="Accept").check()
        page.get_by_role("button", name="Send and go on").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("You have answered all 7 questions")
    page.get_by_role("radio", name="No, not in this form").check()
    page.get_by_role("textbox").fill("Question 2 first.")
    page.get_by_role("button", name="Send my decision").click()
    expect(page.get_by_role("heading", name="Inbox")).to_be_visible()
    verdicts = CriterionReview.objects.values_list("verdict", flat=True)
    assert list(verdicts) == ["accept", "refuse", "accept", "accept", "accept", "accept", "ask", "refuse"]
    assert selectors.waiting(factories.Actor(promotion.requested_by, "session"))[0].why == "When is this tried?"


def test_pages_in_both_themes_and_widths(page, live_server, promotion):
    log_in(page, factories.make_user(promotion.model.team, Role.PRODUCT), live_server)
    for path in ("review/1/", "review/2/", "review/5/", "review/7/", "review/summary/", "review-pack/", ""):
        check_page(page, f"{promotion.path}{path}", live_server)
