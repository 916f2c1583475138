"""What becomes of a model with time: late reviews, re-validation, retirement, and a log-in that grows old."""

import time
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from registry import selectors, services
from registry.access import Actor
from registry.errors import ConflictError, CriteriaError, FourEyesError, InvalidError, RoleError
from registry.models import Alert, AuditEvent, RegisteredModel, Retirement, Revalidation, Role, Rollback
from registry.sessions import CONFIRMED
from registry.tasks import watch_deadlines
from tests import factories
from tests.api import Api, problem

pytestmark = pytest.mark.django_db


@pytest.fixture
def champion():
    return factories.make_champion(factories.make_model(name="flight-delay"))


# --- rollbacks ------------------------------------------------------------------------------------------------------


def test_late_review_alerts_approvers_and_admins_until_somebody_reviews(champion):
    factories.make_champion(champion.model)
    team = champion.model.team
    done = services.rollback(
        actor=factories.make_actor(team), model=champion.model, to_version=champion, reason="Errors rose."
    )
    assert services.rollback_overdue(now=done.review_due_at) == 0

    late = done.review_due_at + timedelta(seconds=1)
    assert [services.rollback_overdue(now=late) for _ in range(2)] == [1, 1]

    alert = Alert.objects.get()
    assert (alert.kind, alert.severity) == ("review_overdue", "critical")
    assert AuditEvent.objects.filter(action="alert.raise").count() == 1
    for role, told in ((Role.APPROVER, True), (Role.ADMIN, True), (Role.ENGINEER, False)):
        titles = [item.title for item in selectors.waiting(factories.make_actor(team, role))]
        assert (alert.title in titles) is told
    services.rollback_review(actor=factories.make_actor(team, Role.APPROVER), rollback_id=done.pk, note="Right.")
    alert.refresh_from_db()
    assert alert.cleared_at
    assert services.rollback_overdue(now=late) == 0


# --- re-validation --------------------------------------------------------------------------------------------------


def renew(model, *, actor=None, **fields):
    actor = actor or factories.make_actor(model.team, Role.APPROVER)
    fields = {"note": "Read the half-year report.", "link": "https://bank.example/report"} | fields
    return services.revalidation_record(actor=actor, model=model, **fields)


def make_overdue(model):
    """Bring the date to yesterday, as anybody may: only a re-validation moves it back."""
    RegisteredModel.objects.filter(pk=model.pk).update(revalidate_by=timezone.now().date() - timedelta(days=1))


def test_clock_starts_with_the_first_champion_by_the_tiers_policy(champion):
    champion.model.refresh_from_db()

    assert champion.model.revalidate_by == timezone.now().date() + timedelta(days=365)


def test_overdue_revalidation_blocks_requests_and_approvals_and_says_who_can_clear_it(champion):
    promotion = factories.make_promotion(champion.model)
    make_overdue(champion.model)

    with pytest.raises(CriteriaError) as refused:
        factories.approve(promotion)
    assert "re-validates flight-delay" in refused.value.unmet[0]["who"]
    services.promotion_withdraw(actor=Actor(promotion.requested_by, "session"), promotion_id=promotion.pk)
    with pytest.raises(ConflictError) as refused:
        factories.make_promotion(champion.model)
    assert "approver" in refused.value.unmet[0]["who"]

    renew(champion.model)
    assert factories.approve(factories.make_promotion(champion.model)).state == "completed"


def test_renewal_sets_the_next_date_clears_the_alert_and_keeps_the_record(champion):
    make_overdue(champion.model)
    watch_deadlines()
    assert Alert.objects.get().kind == "revalidation_overdue"
    approver = factories.make_actor(champion.model.team, Role.APPROVER)
    assert "Overdue" in [item.verb for item in selectors.waiting(approver)]

    done = renew(champion.model, actor=approver)

    champion.model.refresh_from_db()
    assert champion.model.revalidate_by == done.next_due == timezone.now().date() + timedelta(days=365)
    assert (done.version, done.was_due) == (champion, timezone.now().date() - timedelta(days=1))
    assert Alert.objects.get().cleared_at
    assert selectors.waiting(approver) == []


@pytest.mark.parametrize(("days", "asked"), [(30, ["Re-validate"]), (31, [])])
def test_inbox_asks_thirty_days_before(champion, days, asked):
    RegisteredModel.objects.filter(pk=champion.model_id).update(
        revalidate_by=timezone.now().date() + timedelta(days=days)
    )

    waiting = selectors.waiting(factories.make_actor(champion.model.team, Role.APPROVER))

    assert [item.verb for item in waiting] == asked


@pytest.mark.parametrize("part", ["author", "helper"])
def test_who_made_the_champion_does_not_revalidate_it(champion, part):
    champion.contributors.add(helper := factories.make_user(champion.model.team))
    person = {"author": champion.created_by, "helper": helper}[part]
    person.memberships.update(role=Role.APPROVER)

    with pytest.raises(FourEyesError):
        renew(champion.model, actor=Actor(person, "session"))

    assert not Revalidation.objects.exists()
    make_overdue(champion.model)
    assert "Overdue" not in [item.verb for item in selectors.waiting(Actor(person, "session"))]


@pytest.mark.parametrize(("fields", "field"), [({"note": ""}, "note"), ({"link": ""}, "evidence")])
def test_renewal_without_note_or_evidence_is_refused(champion, fields, field):
    with pytest.raises(InvalidError) as refused:
        renew(champion.model, **fields)

    assert refused.value.field == field


def test_material_change_brings_the_date_forward_and_never_back(champion):
    due = timezone.now().date() + timedelta(days=14)

    model = services.revalidation_bring_forward(
        actor=None, model=champion.model, why="Inputs drifted.", process="monitoring"
    )
    assert (model.revalidate_by, model.revalidate_why) == (due, "Inputs drifted.")
    [item] = selectors.waiting(factories.make_actor(champion.model.team, Role.APPROVER))
    assert item.since.date() == timezone.now().date()
    make_overdue(champion.model)
    again = services.revalidation_bring_forward(
        actor=factories.make_actor(champion.model.team), model=champion.model, why="An incident."
    )

    assert again.revalidate_by == timezone.now().date() - timedelta(days=1)
    assert AuditEvent.objects.filter(action="revalidation.bring_forward").count() == 1


@pytest.mark.parametrize(("chosen", "why"), [(["budget"], "The error budget of availability is spent."), ([], "")])
def test_spent_budget_brings_the_date_forward_where_the_model_names_it(champion, chosen, why):
    model = services.model_update(
        actor=factories.make_actor(champion.model.team), model=champion.model, revalidation_triggers=chosen
    )

    for _ in range(2):
        services.budget_record(model=model, objective="availability", remaining=-0.1, at=timezone.now())

    model.refresh_from_db()
    assert model.revalidate_why == why
    assert AuditEvent.objects.filter(action="revalidation.bring_forward").count() == bool(why)


@pytest.mark.parametrize(("chosen", "why"), [(["rollback"], "v2 was rolled back: Errors rose."), (["drift"], "")])
def test_rollback_brings_the_date_forward_where_the_model_names_it(champion, chosen, why):
    engineer = factories.make_actor(champion.model.team)
    factories.make_champion(champion.model)
    services.model_update(actor=engineer, model=champion.model, revalidation_triggers=chosen)

    services.rollback(actor=engineer, model=champion.model, to_version=champion, reason="Errors rose.")

    champion.model.refresh_from_db()
    assert champion.model.revalidate_why == why


def test_triggers_are_chosen_on_the_page_and_by_the_api_and_audited(champion):
    engineer = Api(champion.model.team)
    browser = Client()
    browser.force_login(engineer.user)
    assert engineer.get("models/flight-delay").json()["revalidation_triggers"] == ["drift"]

    answer = browser.post("/models/flight-delay/revalidate/triggers/", {"trigger": ["rollback", "budget"]})

    assert answer.status_code == 302
    assert engineer.get("models/flight-delay").json()["revalidation_triggers"] == ["budget", "rollback"]
    payload = AuditEvent.objects.get(action="model.update").payload
    assert payload["after"] == {"revalidation_triggers": ["budget", "rollback"]}
    assert engineer.patch("models/flight-delay", {"revalidation_triggers": []}).status_code == 200
    refused = browser.post("/models/flight-delay/revalidate/triggers/", {"trigger": "moon"})
    assert refused.status_code == 400
    assert "drift, budget, rollback" in refused.content.decode()


def test_date_is_not_put_off_by_an_edit(champion):
    engineer = Api(champion.model.team)
    today = timezone.now().date()

    for later in ((today + timedelta(days=366)).isoformat(), None):
        assert problem(engineer.patch("models/flight-delay", {"revalidate_by": later}), 409)["unmet"]
    assert engineer.patch("models/flight-delay", {"revalidate_by": today.isoformat()}).status_code == 200


# --- retirement -----------------------------------------------------------------------------------------------------


def retire(version, *, model=None, actor=None):
    model = model or version.model
    actor = actor or factories.make_actor(model.team)
    return services.retirement_request(actor=actor, model=model, version=version, reason="Nobody calls it any more.")


def approve(retirement, *, actor=None):
    actor = actor or factories.make_actor(retirement.model.team, Role.APPROVER)
    return services.retirement_approve(actor=actor, retirement_id=retirement.pk, note="Its callers are told.")


def test_retired_version_never_serves_again(champion):
    factories.make_champion(champion.model)
    done = approve(retire(champion))

    champion.refresh_from_db()
    assert (done.state, bool(champion.retired_at)) == ("approved", True)
    with pytest.raises(ConflictError, match="retired"):
        services.promotion_request(actor=factories.make_actor(champion.model.team), version=champion)
    with pytest.raises(ConflictError, match="retired"):
        services.rollback(
            actor=factories.make_actor(champion.model.team), model=champion.model, to_version=champion, reason="x"
        )
    assert not Rollback.objects.exists()


def test_retired_model_keeps_its_record(champion):
    approve(retire(None, model=champion.model))

    champion.model.refresh_from_db()
    assert champion.model.retired_at
    assert champion.model.aliases.get().version == champion
    with pytest.raises(ConflictError, match="retired"):
        factories.make_promotion(champion.model)


def test_champion_is_not_retired_alone(champion):
    with pytest.raises(ConflictError) as refused:
        approve(retire(champion))

    assert refused.value.unmet[0]["rule"] == "v1 is champion"


def test_traffic_keeps_a_version_from_retirement_until_ten_minutes_are_quiet(champion):
    factories.make_champion(champion.model)
    asked = retire(champion)
    services.traffic_record(version=champion, last_request_at=timezone.now(), requests=412)

    with pytest.raises(ConflictError) as refused:
        approve(asked)
    assert refused.value.unmet[0]["rule"] == "v1 answered 412 requests in the last 10 minutes"

    services.traffic_record(
        version=champion, last_request_at=timezone.now() - timedelta(minutes=11), requests=0
    )  # fmt: skip
    assert approve(asked).state == "approved"


def test_retirement_takes_two_people_and_the_right_roles(champion):
    factories.make_champion(champion.model)
    asked = retire(champion)
    asked.requested_by.memberships.update(role=Role.APPROVER)

    with pytest.raises(FourEyesError):
        approve(asked, actor=Actor(asked.requested_by, "session"))
    with pytest.raises(RoleError):
        approve(asked, actor=factories.make_actor(champion.model.team, Role.ADMIN))
    engineer = factories.make_actor(champion.model.team)
    with pytest.raises(InvalidError):
        services.retirement_request(actor=engineer, model=champion.model, version=None, reason=" ")
    with pytest.raises(ConflictError, match="already"):
        retire(champion)

    assert Retirement.objects.get().state == "requested"


def test_whole_retirement_by_the_api(champion):
    factories.make_champion(champion.model)
    engineer, approver = Api(champion.model.team), Api(champion.model.team, Role.APPROVER)

    asked = engineer.post("models/flight-delay/retire", {"version": 1, "reason": "Replaced."}).json()
    problem(engineer.post(f"retirements/{asked['id']}/approve", {"note": "x"}), 403)
    assert approver.post(f"retirements/{asked['id']}/approve", {"note": "Agreed."}).json()["state"] == "approved"

    assert [row["id"] for row in approver.get("retirements", state="approved").json()["results"]] == [asked["id"]]
    problem(approver.post(f"retirements/{asked['id']}/reject", {"note": "x"}), 409)
    body = {"note": "Read the report.", "document": "Minutes of June."}
    assert approver.post("models/flight-delay/revalidations", body).status_code == 201
    assert len(approver.get("models/flight-delay/revalidations").json()["results"]) == 1


# --- a log-in that grows old ----------------------------------------------------------------------------------------


@pytest.fixture
def waiting():
    """A promotion of the highest tier, whose policy asks for a log-in of the last thirty minutes."""
    return factories.make_promotion(factories.make_model(risk_tier=1))


def session_of(user, *, minutes):
    client = Client()
    client.force_login(user)
    client.get("/")
    session = client.session
    session[CONFIRMED] = time.time() - minutes * 60
    session.save()
    return client


def test_decision_in_an_old_session_asks_for_the_password_and_takes_it_with_the_decision(waiting):  # T36
    approver = factories.make_user(waiting.model.team, Role.APPROVER)
    client = session_of(approver, minutes=31)
    url = f"{waiting.path}decide/"
    decision = {"action": "approve", "reason": "Looked.", "seen": factories.seen(waiting)}
    assert 'name="password"' in client.get(waiting.path).content.decode()

    for answer in (client.post(url, decision), client.post(url, decision | {"password": "wrong"})):
        assert answer.status_code == 403
        assert not waiting.approvals.exists()
    assert "Looked." in answer.content.decode()
    assert client.post(url, decision | {"password": factories.PASSWORD}).status_code == 302

    assert waiting.approvals.get().approver == approver
    assert 'name="password"' not in client.get(waiting.path).content.decode()


def test_fresh_session_and_token_are_not_asked(waiting):
    approver = factories.make_user(waiting.model.team, Role.APPROVER)
    client = session_of(approver, minutes=29)
    decision = {"action": "approve", "reason": "Looked.", "seen": factories.seen(waiting)}

    assert client.post(f"{waiting.path}decide/", decision).status_code == 302
    token = Api(waiting.model.team, Role.APPROVER)
    body = {"reason": "Looked.", "seen": factories.seen(waiting)}
    assert token.post(f"promotions/{waiting.pk}/approve", body).status_code == 200


def test_old_session_of_the_api_confirms_its_password_first(waiting):
    approver = factories.make_user(waiting.model.team, Role.APPROVER)
    client = session_of(approver, minutes=31)
    url, body = f"/api/v1/promotions/{waiting.pk}/approve", {"reason": "Looked.", "seen": factories.seen(waiting)}

    assert problem(client.post(url, body, "application/json"), 403)["type"] == "urn:problem:fresh-login"
    assert client.post("/api/v1/session/confirm", {"password": "wrong"}, "application/json").status_code == 403
    confirmed = client.post("/api/v1/session/confirm", {"password": factories.PASSWORD}, "application/json")

    assert confirmed.status_code == 204
    assert client.post(url, body, "application/json").status_code == 200


def test_confirm_page_goes_back_inside_and_never_outside(waiting):
    client = session_of(factories.make_user(waiting.model.team, Role.APPROVER), minutes=31)

    for asked, back in ((waiting.path, waiting.path), ("https://evil.example/", "/"), ("//evil.example", "/")):
        answer = client.post("/confirm/", {"next": asked, "password": factories.PASSWORD})
        assert (answer.status_code, answer["Location"]) == (302, back)
    assert client.post("/confirm/", {"next": "/", "password": "wrong"}).status_code == 403
