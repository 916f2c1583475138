"""Pages of the registry, asked for by people of different roles."""

import pytest
from django.urls import reverse

from registry import services
from registry.models import AcceptanceCriterion, Alert, Alias, Promotion, RegisteredModel, Role
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def champion():
    return factories.make_champion(factories.make_model(name="flight-delay", purpose="Warn travellers in time."))


def sign_in(client, team, role):
    user = factories.make_user(team, role)
    client.force_login(user)
    return user


def test_inbox_shows_what_waits_for_an_approver(client, champion):
    promotion = factories.make_promotion(champion.model)
    sign_in(client, champion.model.team, Role.APPROVER)

    page = client.get("/").content.decode()

    assert f"flight-delay v{promotion.version.number} to champion" in page
    assert promotion.path in page


def test_long_inbox_shows_the_oldest_before_warnings_and_says_how_many_follow(client, champion, monkeypatch):
    monkeypatch.setattr("registry.views.inbox.SHOWN", 2)
    team = champion.model.team
    Alert.objects.create(team=team, model=champion.model, kind="drift", title="It drifted", key="drift", group="1")
    for name in ("oldest", "middle", "newest"):
        factories.make_promotion(factories.make_model(team, name=name))
    sign_in(client, team, Role.APPROVER)

    page, found = (client.get("/", {"q": q}).content.decode() for q in ("", "newest"))

    assert "4 wait for you" in page
    assert "The first 2 of 4." in page
    assert "middle v1 to champion" in page
    assert "newest v1 to champion" not in page
    assert "newest v1 to champion" in found


def test_a_field_completes_names_of_models_of_the_readers_teams(client, champion):
    factories.make_model(name="flight-of-another-team")
    sign_in(client, champion.model.team, Role.ENGINEER)

    names, none = (client.get("/model-names/", {"model": typed}).content.decode() for typed in ("FLIGHT", "x"))

    assert names.strip() == '<option value="flight-delay"></option>'
    assert not none.strip()
    for page in ("/slos/new/", "/alerts/silences/", "/alerts/rules/change/", "/drift/"):
        shown = client.get(page).content.decode()
        assert 'list="model-names" hx-get="/model-names/"' in shown, page
        assert ">flight-delay</option>" not in shown, page


def test_inbox_never_asks_a_contributor(client, champion):
    promotion = factories.make_promotion(champion.model)
    author = promotion.version.created_by
    author.memberships.update(role=Role.APPROVER)
    client.force_login(author)

    page = client.get("/").content.decode()

    assert "Nothing needs you" in page


def test_who_asked_reads_in_the_inbox_why_it_was_refused_also_beside_what_waits(client, champion):
    promotion = factories.make_promotion(champion.model)
    approver = factories.make_actor(champion.model.team, Role.APPROVER)
    services.promotion_reject(actor=approver, promotion_id=promotion.pk, reason="Show the interval of JFK.")
    services.alert_raise(model=champion.model, kind="drift", title="Inputs drifted", key="drift", link="/drift/1/")
    client.force_login(promotion.requested_by)

    page = client.get("/").content.decode()

    assert "1 waits for you" in page
    assert f"{approver.user.username}: Show the interval of JFK." in page


def test_rollback_is_told_on_its_promotion_and_its_review_among_the_champions(client, champion):
    promotion = factories.approve(factories.make_promotion(champion.model))
    engineer = factories.make_actor(champion.model.team)
    done = services.rollback(actor=engineer, model=champion.model, to_version=champion, reason="Errors rose.")
    sign_in(client, champion.model.team, Role.APPROVER)
    to_review = client.get("/").content.decode()
    client.post(f"/rollbacks/{done.pk}/review/", {"note": "Right to go back."})

    told = client.get(promotion.path).content.decode()
    champions = client.get("/models/flight-delay/?tab=champions").content.decode()

    assert f'href="/models/flight-delay/#rollback-{done.pk}"' in to_review
    assert f"<b>{engineer.user.username}</b> went back to v{champion.number}" in told
    assert "Errors rose." in told
    assert "Right to go back." in champions


def test_timeline_says_who_took_the_review_pack_along(client, champion):
    promotion = factories.make_promotion(champion.model)
    reader = sign_in(client, champion.model.team, Role.VIEWER)
    client.get(f"/api/v1/promotions/{promotion.pk}/review-pack?format=json")

    page = client.get(promotion.path).content.decode()

    assert f"<b>{reader.username}</b> took the <a" in page
    assert "along as JSON" in page
    assert "promotion.export" not in page


def test_models_page_filters_and_keeps_other_teams_out(client, champion):
    factories.make_model(name="somebody-elses")
    factories.make_model(champion.model.team, name="idle-one")
    sign_in(client, champion.model.team, Role.VIEWER)

    everything = client.get("/models/").content.decode()
    serving = client.get("/models/?state=serving").content.decode()

    assert "flight-delay" in everything
    assert "idle-one" in everything
    assert "somebody-elses" not in everything
    assert "idle-one" not in serving


def test_models_page_asks_the_same_number_of_queries_for_more_models(client, champion, django_assert_max_num_queries):
    for number in range(30):
        factories.make_model(champion.model.team, name=f"many-{number}")
    sign_in(client, champion.model.team, Role.VIEWER)

    with django_assert_max_num_queries(17):
        assert client.get("/models/").status_code == 200


@pytest.mark.parametrize("tab", ["versions", "champions", "about"])
def test_model_page_opens_on_each_tab(client, champion, tab):
    sign_in(client, champion.model.team, Role.VIEWER)

    page = client.get(f"/models/flight-delay/?tab={tab}")

    assert page.status_code == 200
    assert "Warn travellers in time." in page.content.decode()


@pytest.mark.parametrize("tab", ["overview", "evidence", "files"])
def test_version_page_opens_on_each_tab(client, champion, tab):
    sign_in(client, champion.model.team, Role.VIEWER)

    assert client.get(f"{champion.path}?tab={tab}").status_code == 200


@pytest.mark.parametrize(("role", "leads"), [(Role.ENGINEER, True), (Role.VIEWER, False)])
def test_version_that_was_never_measured_leads_to_where_it_is(client, champion, role, leads):
    version = factories.make_version(champion.model)
    sign_in(client, champion.model.team, role)

    page = client.get(version.path).content.decode()

    assert "blocking criteri" in page
    assert ('href="?tab=overview#measure"' in page) is leads
    assert ('id="measure"' in page) is leads


def test_unknown_version_is_not_found(client, champion):
    sign_in(client, champion.model.team, Role.VIEWER)

    assert client.get("/models/flight-delay/versions/99/").status_code == 404


def test_engineer_registers_a_model(client):
    team = factories.make_team()
    sign_in(client, team, Role.ENGINEER)
    form = {"team": team.pk, "name": "card-fraud", "task": "anomaly", "risk_tier": "1", "purpose": "Stop stolen cards."}

    answer = client.post("/models/new/", form)

    assert answer.url == "/models/card-fraud/"
    assert RegisteredModel.objects.get(name="card-fraud").risk_tier == 1


def test_bad_model_name_is_explained_beside_its_field(client):
    team = factories.make_team()
    sign_in(client, team, Role.ENGINEER)
    form = {"team": team.pk, "name": ";$(id)", "task": "anomaly", "risk_tier": "1", "purpose": "x"}

    answer = client.post("/models/new/", form)

    assert answer.status_code == 422
    assert "name must be 1 to 256" in answer.content.decode()
    assert not RegisteredModel.objects.exists()


def test_whole_promotion_by_pages(client):
    model = factories.make_model()
    factories.make_criteria(model)
    version = factories.make_version(model)
    services.evidence_record(
        version=version,
        metric="roc_auc",
        value=0.8,
        ci_low=0.78,
        ci_high=0.82,
        data_set="flights",
        data_digest="sha256:1",
    )
    sign_in(client, model.team, Role.ENGINEER)
    asked = client.post(f"{version.path}promote/", {"description": "First one."})
    promotion = Promotion.objects.get()
    assert asked.url == promotion.path

    sign_in(client, model.team, Role.APPROVER)
    shown = client.get(promotion.path)
    assert "Ready for your decision" in shown.content.decode()
    assert '<a href="/evidence-data/?name=flights&amp;digest=sha256%3A1">flights</a>' in shown.content.decode()
    awaited = [rule.text for rule in shown.context["rules"] if rule.lacking]
    assert awaited == [shown.context["rules"][-1].text] == ["0 of 1 approval given by approvers"]
    assert shown.context["then"].startswith("Approving moves the alias")
    decision = {"action": "approve", "reason": "Looked.", "seen": shown.context["binding"].digest}
    decided = client.post(reverse("promotion_decide", args=[promotion.pk]), decision)

    assert decided.status_code == 302
    assert Alias.objects.get(name="champion").version == version


def test_refused_approval_names_each_unmet_rule_and_changes_nothing(client):
    promotion = factories.make_promotion(auc=0.5)
    sign_in(client, promotion.model.team, Role.APPROVER)
    seen = factories.seen(promotion)

    answer = client.post(
        reverse("promotion_decide", args=[promotion.pk]), {"action": "approve", "reason": "Looked.", "seen": seen}
    )

    assert answer.status_code == 409
    page = answer.content.decode()
    assert "C1 Area under the ROC curve: failed" in page
    assert "An engineer registers a better version" in page
    assert not Alias.objects.exists()


def test_author_is_told_that_another_person_decides(client):
    promotion = factories.make_promotion()
    author = promotion.version.created_by
    author.memberships.update(role=Role.APPROVER)
    client.force_login(author)

    answer = client.post(
        reverse("promotion_decide", args=[promotion.pk]),
        {"action": "approve", "reason": "Mine.", "seen": factories.seen(promotion)},
    )

    assert answer.status_code == 403
    assert "another person decides" in answer.content.decode()


def test_comment_appears_on_the_timeline_escaped(client):
    promotion = factories.make_promotion()
    sign_in(client, promotion.model.team, Role.PRODUCT)
    url = reverse("promotion_decide", args=[promotion.pk])

    answer = client.post(url, {"action": "comment", "reason": "<svg onload=alert(1)> why?"})

    assert answer["Location"] == f"{promotion.path}#timeline"
    page = client.get(promotion.path).content.decode()
    assert "&lt;svg onload=alert(1)&gt; why?" in page
    assert "<svg onload" not in page


@pytest.mark.parametrize(
    ("address", "above"),
    [
        ("/models/flight-delay/versions/1/promote/?tab=evidence", "/models/flight-delay/versions/1/?tab=evidence"),
        ("/settings/tokens/", "/settings/"),
        ("/logout/", "/"),
    ],
)
def test_address_that_takes_forms_alone_leads_to_the_page_above_it(client, champion, address, above):
    sign_in(client, champion.model.team, Role.ENGINEER)

    answer = client.get(address)

    assert (answer.status_code, answer["Location"]) == (302, above)
    assert client.get(above).status_code == 200


def test_way_back_from_a_refusal_leads_there_also_where_a_form_was_refused_before(client, champion):
    sign_in(client, champion.model.team, Role.ENGINEER)
    sent_to = "/models/flight-delay/rollback/"

    refused = client.post(sent_to, {"to_version": "1"}, HTTP_REFERER=f"http://testserver{sent_to}")

    assert f'href="http://testserver{sent_to}"' in refused.content.decode()
    assert client.get(sent_to, follow=True).redirect_chain == [("/models/flight-delay/", 302)]


def test_rollback_page_action_needs_a_reason(client, champion):
    factories.approve(factories.make_promotion(champion.model))
    sign_in(client, champion.model.team, Role.ENGINEER)

    refused = client.post("/models/flight-delay/rollback/", {"to_version": champion.number, "reason": ""})
    done = client.post("/models/flight-delay/rollback/", {"to_version": champion.number, "reason": "Errors rose."})

    assert refused.status_code == 400
    assert done.status_code == 302
    assert Alias.objects.get(name="champion").version == champion


def test_product_drafts_and_another_agrees(client, champion):
    sign_in(client, champion.model.team, Role.PRODUCT)
    form = {
        "c-TOTAL_FORMS": "2", "c-INITIAL_FORMS": "0", "c-MIN_NUM_FORMS": "1", "c-MAX_NUM_FORMS": "20",
        "c-0-metric": "average_precision", "c-0-direction": "at_least", "c-0-threshold": "0.2", "c-0-basis": "interval", "c-0-phase": "before_approval", "c-1-phase": "before_approval",
        "c-0-blocking": "on", "c-0-reason": "Most warnings must be right.", "note": "Stricter.",
        "c-1-metric": "", "c-1-direction": "at_least", "c-1-threshold": "", "c-1-basis": "value", "c-1-blocking": "on",
        "c-1-reason": "",
    }  # fmt: skip
    drafted = client.post("/models/flight-delay/criteria/draft/", form)
    assert drafted.status_code == 302
    newest = champion.model.criteria_sets.first()
    assert client.post(reverse("criteria_agree", args=[newest.pk])).status_code == 403

    sign_in(client, champion.model.team, Role.APPROVER)
    assert client.post(reverse("criteria_agree", args=[newest.pk])).status_code == 302

    newest.refresh_from_db()
    assert newest.state == "agreed"
    assert AcceptanceCriterion.objects.get(criteria_set=newest).threshold == 0.2


def test_audit_page_shows_before_and_after_and_keeps_its_filters_in_the_address(client, champion):
    model = champion.model
    user = sign_in(client, model.team, Role.ENGINEER)
    services.model_update(actor=factories.Actor(user, "session"), model=model, purpose="Warn callers early.")

    page = client.get("/audit/", {"actor": user.username, "team": model.team.slug, "since": "2020-01-01"})
    early = client.get("/audit/", {"until": "2020-01-01"}).content.decode()
    wrong = client.get("/audit/", {"since": "2026-02-30"}).content.decode()

    html = page.content.decode()
    assert [event.action for event in page.context["page"].rows] == ["model.update"]
    assert "<ins>Warn callers early.</ins>" in html
    assert f"actor={user.username}&amp;team={model.team.slug}&amp;since=2020-01-01&amp;format=csv" in html
    assert "No event matches" in early
    assert "“from” is no day" in wrong


def test_audit_page_shows_the_teams_own_events_alone(client, champion):
    factories.make_champion(factories.make_model(name="hidden-one"))
    sign_in(client, champion.model.team, Role.VIEWER)

    page = client.get("/audit/").content.decode()

    assert "promotion.complete" in page
    assert "hidden-one" not in page
