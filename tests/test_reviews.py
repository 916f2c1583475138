"""Product's answers to a promotion's criteria: rules, words in between, and where they show."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from registry import selectors, services
from registry.errors import ConflictError, FourEyesError, InvalidError, RoleError, StaleBindingError
from registry.models import Alias, AuditEvent, Comment, CriterionReview, Role
from registry.states import PromotionState
from tests import factories
from tests.api import Api, problem

pytestmark = pytest.mark.django_db


@pytest.fixture
def promotion():
    return factories.make_promotion(factories.make_model(name="flight-delay", purpose="Warn travellers in time."))


@pytest.fixture
def product(promotion):
    return factories.make_actor(promotion.model.team, Role.PRODUCT)


def criterion(promotion):
    return promotion.criteria_set.criteria.get(position=1)


def shown(promotion):
    return [check.evidence.pk for check in selectors.promotion_checks(promotion) if check.evidence]


def answer(actor, promotion, verdict="accept", *, whole=False, reason="", seen=None):
    return services.review_record(
        actor=actor, promotion_id=promotion.pk, criterion=None if whole else criterion(promotion), verdict=verdict,
        reason=reason, seen=shown(promotion) if seen is None else seen,
    )  # fmt: skip


def nothing_was_recorded():
    assert not CriterionReview.objects.exists()
    assert not Comment.objects.exists()
    assert not AuditEvent.objects.filter(action="promotion.review").exists()


def test_acceptance_is_bound_to_the_evidence_shown_and_moves_nothing(promotion, product):
    given = answer(product, promotion)

    assert (given.role, given.verdict, given.evidence) == ("product", "accept", shown(promotion))
    promotion.refresh_from_db()
    assert promotion.state == PromotionState.REQUESTED
    event = AuditEvent.objects.get(action="promotion.review")
    assert (event.payload["criterion"], event.payload["verdict"]) == (1, "accept")


@pytest.mark.parametrize("verdict", ["ask", "refuse"])
def test_question_and_refusal_need_words(promotion, product, verdict):
    with pytest.raises(InvalidError) as refused:
        answer(product, promotion, verdict, reason="  ")

    assert refused.value.field == "reason"
    nothing_was_recorded()


@pytest.mark.parametrize("part", ["requester", "author", "helper"])
def test_who_had_a_part_in_the_version_does_not_answer(promotion, part):
    helper = factories.make_user(promotion.model.team, Role.PRODUCT)
    promotion.version.contributors.add(helper)
    person = {"requester": promotion.requested_by, "author": promotion.version.created_by, "helper": helper}[part]
    person.memberships.update(role=Role.PRODUCT)

    with pytest.raises(FourEyesError):
        answer(factories.Actor(person, "session"), promotion)

    nothing_was_recorded()


def test_who_drafted_the_criteria_says_whether_they_are_met_but_does_not_approve(promotion):
    drafter = factories.Actor(promotion.criteria_set.drafted_by, "session")

    assert answer(drafter, promotion).verdict == "accept"
    factories.change_policy(promotion.model.team, required={"approver": 1, "product": 1})
    with pytest.raises(FourEyesError):
        factories.approve(promotion, actor=drafter)


@pytest.mark.parametrize("role", [Role.ENGINEER, Role.VIEWER, Role.ADMIN])
def test_other_roles_do_not_answer(promotion, role):
    with pytest.raises(RoleError):
        answer(factories.make_actor(promotion.model.team, role), promotion)

    nothing_was_recorded()


def test_answer_to_what_changed_since_is_refused_and_the_question_asked_again(promotion, product):
    seen = shown(promotion)
    answer(product, promotion)
    services.evidence_record(version=promotion.version, metric="roc_auc", value=0.72, data_digest="sha256:other")

    with pytest.raises(StaleBindingError):
        answer(product, promotion, seen=seen)

    [question] = selectors.questions_of(promotion, product)
    assert not question.stands
    assert question.is_open
    assert question.answer.evidence == seen
    assert CriterionReview.objects.count() == 1


def test_nothing_measured_cannot_be_accepted_but_asked_about(product, promotion):
    version = factories.make_version(promotion.model)
    services.promotion_withdraw(actor=factories.Actor(promotion.requested_by, "session"), promotion_id=promotion.pk)
    unmeasured = services.promotion_request(actor=factories.make_actor(promotion.model.team), version=version)

    with pytest.raises(ConflictError) as refused:
        answer(product, unmeasured)

    assert "starts an evaluation" in refused.value.unmet[0]["who"]
    nothing_was_recorded()
    assert answer(product, unmeasured, "ask", reason="When?").evidence == []


def test_result_that_is_out_of_date_cannot_be_accepted_and_says_why(promotion, product, client):
    model = promotion.model
    rule = {"metric": "roc_auc", "direction": "at_least", "threshold": 0.7, "reason": "x", "data_set": "flights"}
    factories.make_criteria(model, [rule])
    services.evidence_record(
        version=promotion.version, metric="roc_auc", value=0.8, data_set="flights", data_digest="sha256:before"
    )
    services.promotion_withdraw(actor=factories.Actor(promotion.requested_by, "session"), promotion_id=promotion.pk)
    stale = services.promotion_request(actor=factories.make_actor(model.team), version=promotion.version)
    services.data_set_record(team=model.team, name="flights", digest="sha256:now")

    with pytest.raises(ConflictError, match="out of date"):
        answer(product, stale)

    nothing_was_recorded()
    client.force_login(product.user)
    page = client.get(f"{stale.path}review/1/").content.decode()
    assert "Out of date" in page
    assert "measured on other data than the data set holds now" in page
    assert 'value="accept"' not in page


def test_excused_miss_says_by_whom_and_until_when(product, client):
    promotion = factories.make_promotion(auc=0.6)
    waiver = services.waiver_ask(
        actor=factories.make_actor(promotion.model.team), promotion_id=promotion.pk, criterion=1, reason="A pilot alone.",
        expires_at=timezone.now() + timedelta(days=5), document="Minutes of the board.",
    )  # fmt: skip
    approver = factories.make_actor(promotion.model.team, Role.APPROVER)
    services.waiver_grant(actor=approver, waiver_id=waiver.pk, note="For the pilot.")
    client.force_login(factories.make_user(promotion.model.team, Role.PRODUCT))

    page = client.get(f"{promotion.path}review/1/").content.decode()

    assert "Below target, but excused" in page
    assert f"A pilot alone. Asked by {waiver.asked_by.username}, granted by {approver.user.username}, until" in page


def test_decided_promotion_takes_no_answer(promotion, product):
    factories.approve(promotion)

    with pytest.raises(ConflictError):
        answer(product, promotion)

    nothing_was_recorded()


def test_question_reaches_timeline_and_inbox_of_the_requester_until_it_is_answered(promotion, product, client):
    requester = factories.Actor(promotion.requested_by, "session")
    assert "Review" in {item.verb for item in selectors.waiting(product)}

    answer(product, promotion, "ask", reason="Does it hold in winter?")

    [item] = [item for item in selectors.waiting(requester) if item.verb == "Answer"]
    assert item.why == "Does it hold in winter?"
    assert item.path.startswith(promotion.path)
    assert "Review" not in {item.verb for item in selectors.waiting(product)}  # the ball is with the engineers
    client.force_login(requester.user)
    assert (
        "Question on C1 Area under the ROC curve: Does it hold in winter?"
        in client.get(promotion.path).content.decode()
    )

    services.promotion_comment(actor=requester, promotion_id=promotion.pk, body="Yes: see the slices.")

    assert "Answer" not in {item.verb for item in selectors.waiting(requester)}
    assert "Review" in {item.verb for item in selectors.waiting(product)}


def test_opinion_ends_the_asking_until_evidence_changes(promotion, product):
    answer(product, promotion)
    answer(product, promotion, whole=True)
    assert selectors.to_review(product) == []

    services.evidence_record(version=promotion.version, metric="brier_score", value=0.1)
    assert selectors.to_review(product) == []  # no criterion rests on it
    services.evidence_record(version=promotion.version, metric="roc_auc", value=0.81, data_digest="sha256:other")

    assert selectors.to_review(product) == [promotion]


def test_refusal_of_a_blocking_criterion_shows_on_the_promotion_page(promotion, product, client):
    answer(product, promotion, "refuse", reason="<svg onload=alert(1)> too many false alarms")
    client.force_login(factories.make_user(promotion.model.team, Role.APPROVER))

    page = client.get(promotion.path).content.decode()

    assert "refuses" in page
    assert "&lt;svg onload=alert(1)&gt; too many false alarms" in page
    assert "<svg onload" not in page
    answer(product, promotion)
    assert selectors.refusals_of(promotion) == []


def sql(statement, *values):
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


INSERT = (
    "INSERT INTO registry_criterionreview (promotion_id, criterion_id, reviewer_id, role, verdict, reason, evidence, at)"
    " VALUES (%s, %s, %s, %s, 'accept', '', %s::jsonb, now())"
)


@pytest.mark.parametrize("wrong", ["author", "role", "criterion", "evidence"])
def test_sql_refuses_what_the_service_refuses(promotion, product, wrong):
    other = factories.make_promotion()
    values = [promotion.pk, criterion(promotion).pk, product.user.pk, "product", str(shown(promotion))]
    sql(INSERT, *values)
    if wrong == "author":
        promotion.requested_by.memberships.update(role=Role.PRODUCT)
        values[2] = promotion.requested_by_id
    elif wrong == "role":
        values[2] = factories.make_user(promotion.model.team, Role.ENGINEER).pk
    elif wrong == "criterion":
        values[1] = criterion(other).pk
    else:
        values[4] = str(shown(other))

    with pytest.raises(DatabaseError, match="review"), transaction.atomic():
        sql(INSERT, *values)

    assert CriterionReview.objects.count() == 1


@pytest.mark.parametrize(
    "statement", ["UPDATE registry_criterionreview SET verdict = 'refuse'", "DELETE FROM registry_criterionreview"]
)
def test_answers_are_only_ever_added(promotion, product, statement):
    answer(product, promotion)

    with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
        sql(statement)


def test_words_of_an_agreed_set_are_fixed(promotion):
    with pytest.raises(DatabaseError, match="agreed criteria are fixed"), transaction.atomic():
        sql("UPDATE registry_criteriaset SET events = 'x' WHERE id = %s", promotion.criteria_set_id)


# --- pages ---------------------------------------------------------------------------------------------------------


def test_pages_lead_through_the_questions_to_the_opinion(client, promotion, product):
    client.force_login(product.user)
    first = client.get(f"{promotion.path}review/")
    assert first.url == f"{promotion.path}review/1/"
    page = client.get(first.url)
    body = page.content.decode()
    assert "Question 1 of 1" in body
    assert "Shown one of the true cases and one other, it picks the right one in 80 of 100 tries." in body
    assert "it could be as low as 78" in body

    seen = ",".join(map(str, page.context["question"].seen))
    sent = client.post(first.url, {"verdict": "accept", "seen": seen})
    assert sent.url == f"{promotion.path}review/summary/"
    summary = client.get(sent.url)
    assert "You accepted it" in summary.content.decode()
    assert "Recorded as product&#x27;s opinion" in summary.content.decode() or "opinion" in summary.content.decode()
    done = client.post(sent.url, {"verdict": "accept", "seen": seen})

    assert done.url == "/"
    assert [(r.criterion_id is None, r.verdict) for r in CriterionReview.objects.all()] == [
        (False, "accept"),
        (True, "accept"),
    ]
    promotion.refresh_from_db()
    assert promotion.state == PromotionState.REQUESTED


def test_summary_leads_to_the_approval_where_the_policy_asks_for_product(client, promotion, product):
    factories.change_policy(promotion.model.team, required={"approver": 1, "product": 1})
    client.force_login(product.user)
    url = f"{promotion.path}review/summary/"
    page = client.get(url)
    assert "This is your approval as product" in page.content.decode()

    answered = client.post(
        url, {"verdict": "approve", "reason": "Good for travellers.", "binding": page.context["binding"].digest}
    )

    assert answered.status_code == 302
    assert promotion.approvals.get().role == Role.PRODUCT
    factories.approve(promotion)
    assert Alias.objects.get(name="champion").version == promotion.version


def test_refusal_without_reason_explains_itself_beside_the_field(client, promotion, product):
    client.force_login(product.user)

    answer = client.post(
        f"{promotion.path}review/1/", {"verdict": "refuse", "seen": ",".join(map(str, shown(promotion)))}
    )

    assert answer.status_code == 400
    assert "Say why in a sentence." in answer.content.decode()
    assert "Nothing was sent yet." in answer.content.decode()
    nothing_was_recorded()


def test_engineer_reads_along_without_a_form(client, promotion):
    client.force_login(promotion.requested_by)

    page = client.get(f"{promotion.path}review/1/").content.decode()

    assert 'name="verdict"' not in page
    assert "Product and approvers of" in page


# --- API -----------------------------------------------------------------------------------------------------------


def test_api_puts_the_questions_in_plain_words_and_takes_an_answer(promotion):
    product = Api(promotion.model.team, Role.PRODUCT)
    [question] = product.get(f"promotions/{promotion.pk}/reviews").json()["questions"]
    assert question["figure"] == "80"
    assert question["state"] == "On target"

    given = product.post(
        f"promotions/{promotion.pk}/reviews",
        {"criterion": question["criterion"], "verdict": "refuse", "reason": "Too few.", "seen": question["seen"]},
    )

    assert given.status_code == 201
    [answers] = [q["answers"] for q in product.get(f"promotions/{promotion.pk}/reviews").json()["questions"]]
    assert [(a["reviewer"], a["verdict"]) for a in answers] == [(product.user.username, "refuse")]


def test_api_refuses_stale_and_unknown(promotion):
    product = Api(promotion.model.team, Role.PRODUCT)
    path = f"promotions/{promotion.pk}/reviews"

    assert (
        problem(product.post(path, {"criterion": 1, "verdict": "accept", "seen": []}), 409)["type"]
        == "urn:problem:stale-binding"
    )
    problem(product.post(path, {"criterion": 9, "verdict": "accept", "seen": []}), 404)
    problem(product.post(path, {"verdict": "ask", "reason": "x", "seen": shown(promotion)}), 400)
    problem(
        Api(promotion.model.team, Role.PRODUCT, scopes=["read", "write"]).post(path, {"verdict": "accept", "seen": []}),
        403,
    )

    nothing_was_recorded()
