"""Criteria as product people write them: in words, from an earlier set, with what changed, agreed or declined."""

import pytest
from django.db import DatabaseError, connection, transaction
from playwright.sync_api import expect

from registry import selectors, services
from registry.criteria_diff import Drafted, changes
from registry.errors import ConflictError, FourEyesError, InvalidError
from registry.metric_words import Nouns
from registry.models import AuditEvent, CriteriaSet, Role
from registry.plain_words.rules import Rule
from tests import factories
from tests.api import Api, problem
from tests.browser import check_page, log_in

FLIGHTS = Nouns("flights", "late flights")
SAME = Rule("average_precision", True, 0.4)


def drafted(rule, reason="x", label="C1"):
    return Drafted(label, rule, reason)


@pytest.mark.parametrize(
    ("new", "easier", "words"),
    [
        (Rule("average_precision", True, 0.5), False, "Was: At least 40 of 100 flagged flights. Now: At least 50"),
        (Rule("average_precision", True, 0.3), True, "Now: At least 30"),
        (Rule("average_precision", True, 0.4, blocking=False), True, "It only advises now."),
        (Rule("average_precision", True, 0.4, by_interval=True), False, "even if chance flattered"),
        (Rule("average_precision", True, 0.5, blocking=False), None, "It only advises now."),
    ],
)
def test_change_says_what_and_whether_more_passes(new, easier, words):
    [change] = changes([drafted(SAME)], [drafted(new)], FLIGHTS)

    assert (change.kind, change.easier) == ("changed", easier)
    assert words in " ".join(change.words)


def test_dropped_comes_first_then_what_is_added_and_same_is_silent():
    gone, kept, fresh = SAME, Rule("roc_auc", True, 0.7), Rule("brier_score", False, 0.1)

    found = changes([drafted(gone), drafted(kept)], [drafted(kept), drafted(fresh, label="C2")], FLIGHTS)

    assert [(change.kind, change.label) for change in found] == [("dropped", "C1"), ("added", "C2")]
    assert found[0].words == ["No longer asked: At least 40 of 100 flagged flights."]
    assert changes([drafted(kept)], [drafted(kept)], FLIGHTS) == []


# --- declining -----------------------------------------------------------------------------------------------------


@pytest.fixture
def draft(db):
    model = factories.make_model(name="flight-delay")
    factories.make_criteria(model)
    return factories.make_criteria(model, agreed=False)


@pytest.mark.django_db
def test_second_person_declines_with_a_reason_and_the_set_in_force_stays(draft):
    approver = factories.make_actor(draft.model.team, Role.APPROVER)
    with pytest.raises(InvalidError):
        services.criteria_decline(actor=approver, criteria_set_id=draft.pk, reason=" ")

    done = services.criteria_decline(actor=approver, criteria_set_id=draft.pk, reason="Too easy.")

    assert (done.state, done.declined_by, done.answer) == ("declined", approver.user, "Too easy.")
    assert draft.model.criteria_sets.get(state="agreed").number == 1
    assert AuditEvent.objects.get(action="criteria.decline").payload["reason"] == "Too easy."
    author = factories.Actor(draft.drafted_by, "session")
    assert [(item.verb, item.why) for item in selectors.waiting(author)] == [("Redraft", "Too easy.")]
    with pytest.raises(ConflictError):
        services.criteria_agree(actor=approver, criteria_set_id=draft.pk)


@pytest.mark.django_db
def test_author_cannot_decline_nor_anybody_by_sql_without_the_role(draft):
    with pytest.raises(FourEyesError):
        services.criteria_decline(
            actor=factories.Actor(draft.drafted_by, "session"), criteria_set_id=draft.pk, reason="Mine."
        )
    statement = (
        "UPDATE registry_criteriaset SET state = 'declined', declined_by_id = %s, declined_at = now(), answer = 'x'"
        " WHERE id = %s"
    )
    for person, words in (
        (draft.drafted_by, "declined_set_names"),
        (factories.make_user(draft.model.team), "declines"),
    ):
        with pytest.raises(DatabaseError, match=words), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, [person.pk, draft.pk])

    draft.refresh_from_db()
    assert draft.state == "draft"


@pytest.mark.django_db
def test_declined_set_is_fixed(draft):
    services.criteria_decline(
        actor=factories.make_actor(draft.model.team, Role.APPROVER), criteria_set_id=draft.pk, reason="Too easy."
    )

    for change in ("answer = 'Fine.'", "state = 'draft'", "state = 'agreed', agreed_by_id = declined_by_id"):
        with pytest.raises(DatabaseError, match=r"fixed|declined"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"UPDATE registry_criteriaset SET {change} WHERE id = %s", [draft.pk])  # noqa: S608  the lines above


@pytest.mark.django_db
def test_api_declines_with_a_reason_alone(draft):
    approver = Api(draft.model.team, Role.APPROVER)

    problem(approver.post(f"criteria/{draft.pk}/decline"), 400)
    done = approver.post(f"criteria/{draft.pk}/decline", {"reason": "Too easy."})

    assert done.json()["state"] == "declined"
    assert done.json()["declined_by"] == approver.user.username
    assert done.json()["criteria"][0]["sentence"] == "At least 70 of 100 pairs ordered rightly."


# --- pages ---------------------------------------------------------------------------------------------------------


def row(number, **fields):
    usual = {
        "metric": "average_precision", "direction": "at_least", "threshold": "0.4", "basis": "interval",
        "phase": "before_approval", "blocking": "on", "reason": "Most warnings must be right.",
    }  # fmt: skip
    return {f"c-{number}-{name}": value for name, value in (usual | fields).items()}


def form(*rows, **more):
    filled = {"c-TOTAL_FORMS": str(len(rows)), "c-INITIAL_FORMS": "0"} | more
    for one in rows:
        filled |= one
    return filled


@pytest.mark.django_db
def test_preview_puts_the_row_in_words_with_the_version_in_use_and_writes_nothing(client, draft):
    champion = factories.make_champion(draft.model)
    services.evidence_record(version=champion, metric="average_precision", value=0.43, ci_low=0.41, ci_high=0.45)
    client.force_login(factories.make_user(draft.model.team, Role.PRODUCT))
    events = AuditEvent.objects.count()
    url = "/models/flight-delay/criteria/preview/"

    good = client.post(url, form(row(0), row="0", cases="flights", events="late flights")).content.decode()
    bad = client.post(url, form(row(0, threshold="40"), row="0")).content.decode()
    empty = client.post(url, form(row(0, metric=""), row="0")).content.decode()

    assert "At least 40 of 100 flagged flights, even if chance flattered the measurement." in good
    assert "Because: Most warnings must be right." in good
    assert "The version in use reaches 43 of 100 flagged flights" in good
    assert "This metric lies between 0 and 1: write 0.4 for 40 of 100." in bad
    assert "Choose a metric and a target" in empty
    assert AuditEvent.objects.count() == events
    client.force_login(factories.make_user(draft.model.team, Role.VIEWER))
    assert client.post(url, form(row(0), row="0")).status_code == 403


@pytest.mark.django_db
def test_draft_starts_from_any_set_keeps_every_field_and_grows_by_a_row(client, draft):
    model = draft.model
    rule = {"metric": "rmse", "direction": "at_most", "threshold": 12.5, "reason": "x", "data_set": "flights-2013",
            "data_slice": "origin=JFK", "phase": "canary", "blocking": False}  # fmt: skip
    other = services.criteria_draft(
        actor=factories.make_actor(model.team, Role.PRODUCT), model=model, criteria=[rule], cases="flights"
    )
    client.force_login(factories.make_user(model.team, Role.PRODUCT))
    page = client.get(f"/models/flight-delay/criteria/draft/?from={other.number}")
    assert "At most 12.5, counting only flights where origin is JFK, measured on flights-2013." in page.content.decode()
    first = page.context["formset"][0]
    sent = {f"c-0-{name}": first[name].value() for name in first.fields if first[name].value() not in (None, False)}
    grown = client.post(page.request["PATH_INFO"], form(sent, add="1"))
    assert grown.status_code == 200
    assert len(grown.context["formset"].forms) == 2
    assert CriteriaSet.objects.count() == 3

    client.post("/models/flight-delay/criteria/draft/", form(sent, cases="flights", events="late flights"))

    newest = model.criteria_sets.first()
    kept = newest.criteria.get()
    assert {name: getattr(kept, name) for name in rule} == rule
    assert (newest.cases, newest.events) == ("flights", "late flights")


@pytest.mark.django_db
def test_page_says_what_the_draft_changes_and_declines(client, draft):
    model = draft.model
    looser = {"metric": "roc_auc", "direction": "at_least", "threshold": 0.6, "reason": "Ranks flights well enough."}
    draft = services.criteria_draft(
        actor=factories.make_actor(model.team, Role.PRODUCT), model=model, criteria=[looser]
    )
    client.force_login(factories.make_user(model.team, Role.APPROVER))

    page = client.get("/models/flight-delay/criteria/").content.decode()
    two = client.get("/models/flight-delay/criteria/?old=1&new=3").content.decode()
    refused = client.post(f"/criteria/{draft.pk}/decline/", {"reason": ""})
    done = client.post(f"/criteria/{draft.pk}/decline/", {"reason": "Too easy."})

    assert "Now: At least 60 of 100 pairs ordered rightly." in page
    assert "changed, easier" in page
    assert "From set 1 to set 3" in two
    assert refused.status_code == 400
    assert "Declining needs a reason" in refused.content.decode()
    assert done.status_code == 302
    assert "Too easy." in client.get("/models/flight-delay/criteria/").content.decode()


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_words_follow_the_fields_while_they_are_filled_in(page, live_server):
    model = factories.make_model(name="flight-delay")
    factories.make_criteria(
        model,
        [
            {"metric": "recall_at_5pct_alerts", "direction": "at_least", "threshold": 0.2 + k / 100, "reason": "Reason.",
             "data_slice": f"destination=AIRPORT-{k:02d}"}
            for k in range(30)
        ],
    )  # fmt: skip
    factories.make_criteria(model, agreed=False)
    log_in(page, factories.make_user(model.team, Role.PRODUCT), live_server)
    page.goto("/models/flight-delay/criteria/draft/")
    first = page.locator(".criterion").nth(1)
    first.get_by_label("Target", exact=True).fill("0.35")
    first.get_by_label("Only rows where").fill("")
    page.get_by_label("Those it is to find").fill("late flights")
    first.get_by_label("Why, as you would say it").press("End")

    expect(first.locator(".preview")).to_contain_text("At least 35 of 100 late flights.")
    page.get_by_role("button", name="Add a criterion").click()
    expect(page.locator(".criterion")).to_have_count(33)

    for path in ("criteria/draft/", "criteria/?old=1&new=2"):
        check_page(page, f"{model.path}{path}", live_server)
