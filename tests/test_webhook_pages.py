"""The pages of webhooks: made with a secret that is shown once, looked into, tried, and sent again."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from jobs.models import OutboxMessage
from registry import services
from registry.models import Role, Webhook
from tests import factories
from tests.browser import check_page, log_in
from tests.webhooks import make_webhook, send_all, sent_to

pytest_plugins = ["tests.receivers"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def team():
    return factories.make_team()


def signed_in(team, role=Role.ENGINEER):
    client = Client()
    client.force_login(factories.make_user(team, role))
    return client


def text(answer):
    return answer.content.decode()


def form(team, **fields):
    return {
        "team": team.pk, "name": "pager", "url": "https://hooks.example.com/in", "events": ["promotion.*", "alias.rollback"],
    } | fields  # fmt: skip


def test_empty_list_says_how_a_receiver_checks_a_signature(team):
    page = text(signed_in(team).get("/settings/webhooks/"))

    assert "No webhooks yet" in page
    assert "from standardwebhooks import Webhook" in page


def test_webhook_is_made_by_the_form_and_its_secret_shown_this_once(team):
    engineer = signed_in(team)

    made = engineer.post("/settings/webhooks/new/", form(team))

    webhook = Webhook.objects.get()
    assert made.status_code == 201
    assert (webhook.team, webhook.events) == (team, ["promotion.*", "alias.rollback"])
    [secret] = set(re.findall(r"whsec_[A-Za-z0-9+/]{20,}=*", text(made)))
    assert made["Cache-Control"].startswith("max-age=0, no-cache, no-store")
    for client in (engineer, signed_in(team, Role.VIEWER)):  # T15
        page = text(client.get(webhook.path))
        assert secret not in page
        assert "••••••••" in page


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"url": "https://10.0.0.7/"}, "must not lead to a non-public IP address"),
        ({"url": "http://example.com/"}, "Allowed schemes are: https"),
        ({"name": "no spaces"}, "It must start and end with a letter or digit"),
        ({"events": []}, "Choose at least one event."),
    ],
)
def test_form_names_what_is_wrong_and_keeps_what_was_given(team, fields, message):
    answer = signed_in(team).post("/settings/webhooks/new/", form(team, description="The night shift.", **fields))

    assert answer.status_code == 422
    assert message in text(answer)
    assert "The night shift." in text(answer)
    assert not Webhook.objects.exists()


def test_form_offers_the_teams_in_which_one_may(team):
    other = factories.make_team()
    client = Client()
    client.force_login(user := factories.make_user(team))
    user.memberships.create(team=other, role=Role.VIEWER)

    answer = client.post("/settings/webhooks/new/", form(other))

    assert answer.status_code == 422
    assert not Webhook.objects.exists()


def test_changed_webhook_keeps_its_events_unless_others_are_chosen(team):
    engineer = signed_in(team)
    webhook, _ = make_webhook(team, events=["promotion.*", "model.create"])

    page = text(engineer.get(f"{webhook.path}edit/"))
    checked = re.findall(r'name="events" value="([^"]+)" checked', page)
    engineer.post(f"{webhook.path}edit/", form(team, name="chat", events=[*checked, "*"]))

    webhook.refresh_from_db()
    assert sorted(checked) == ["model.create", "promotion.*"]
    assert (webhook.name, sorted(webhook.events)) == ("chat", ["*", "model.create", "promotion.*"])


def test_mlflows_webhook_is_changed_in_mlflows_words(team):
    engineer = signed_in(team)
    webhook, _ = make_webhook(team, flavour="mlflow", events=["prompt.created"])

    page = text(engineer.get(f"{webhook.path}edit/"))
    engineer.post(f"{webhook.path}edit/", form(team, name="chat", events=["prompt_alias.created"]))

    webhook.refresh_from_db()
    assert 'value="*"' not in page
    assert webhook.events == ["prompt_alias.created"]


def test_viewer_looks_and_is_told_why_there_are_no_buttons(team):
    webhook, _ = make_webhook(team)

    page = text(signed_in(team, Role.VIEWER).get(webhook.path))

    assert "lets you look" in page
    for action in ("test", "rotate", "switch", "delete"):
        assert f"{webhook.path}{action}/" not in page


def test_test_rotate_disable_and_delete_by_their_buttons(team, receiver):
    engineer = signed_in(team)
    webhook, _ = make_webhook(team, url=receiver.url)

    fine = text(engineer.post(f"{webhook.path}test/", follow=True))
    receiver.status, receiver.body = 500, b"internal"
    failed = text(engineer.post(f"{webhook.path}test/", follow=True))
    rotated = text(engineer.post(f"{webhook.path}rotate/"))
    disabled = text(engineer.post(f"{webhook.path}switch/", {"status": "disabled"}, follow=True))

    assert "it answered 204" in fine
    assert "It answered 500." in failed
    assert "internal" not in failed
    assert "whsec_" in rotated
    assert "signs beside it" in rotated
    assert "Disabled" in disabled
    engineer.post(f"{webhook.path}switch/", {"status": "active"})
    assert Webhook.objects.get().is_active
    engineer.post(f"{webhook.path}delete/")
    assert not Webhook.objects.exists()
    assert not OutboxMessage.objects.exclude(event="webhook.delete").filter(destination=str(webhook.pk)).exists()


def test_webhook_that_was_given_up_waits_in_the_inbox_until_somebody_decides(team, receiver):
    webhook, _ = make_webhook(team, url=receiver.url, events=["model.create"], name="pager")
    engineer, viewer = signed_in(team), signed_in(team, Role.VIEWER)
    receiver.status = 410
    factories.make_model(team)
    send_all()

    assert "Webhook pager is told nothing any more" in text(engineer.get("/"))
    assert engineer.get("/api/v1/inbox").json()["waiting"][0]["model"] is None
    assert "pager" not in text(viewer.get("/"))
    assert "It was disabled, and is told nothing any more." in text(engineer.get(webhook.path))

    engineer.post(f"{webhook.path}switch/", {"status": "disabled"})

    assert "Webhook pager is told nothing any more" not in text(engineer.get("/"))
    assert not Webhook.objects.get().is_active


def test_delivery_shows_its_attempts_and_body_and_is_sent_again(team, receiver):
    engineer = signed_in(team)
    webhook, _ = make_webhook(team, url=receiver.url, events=["model.create"])
    factories.make_model(team, name="delays", purpose="<svg onload=alert(1)>")
    receiver.status = 500
    send_all()
    delivery = sent_to(webhook).get()
    path = f"{webhook.path}deliveries/{delivery.pk}/"

    listed, waiting = text(engineer.get(webhook.path)), text(engineer.get(path))
    assert "Retrying" in listed
    assert "It answered 500." in waiting
    assert "Send again" not in waiting
    assert "/models/delays/" in waiting
    assert "<svg onload" not in waiting  # T22
    assert engineer.post(f"{path}again/").status_code == 409

    OutboxMessage.objects.update(state="dead", attempt=10)
    receiver.status = 200
    assert "Send again" in text(engineer.get(path))
    engineer.post(f"{path}again/")
    assert 'hx-trigger="every 2s"' in engineer.get(path).content.decode()
    send_all()

    delivered = engineer.get(path)
    assert "Delivered" in text(delivered)
    assert 'hx-trigger="every 2s"' not in delivered.content.decode()
    assert len(receiver.came) == 2


def test_list_asks_the_same_number_of_queries_for_more_webhooks(team):
    viewer, actor, asked = signed_in(team, Role.VIEWER), factories.make_actor(team), []
    viewer.get("/settings/webhooks/")  # the first request of a session writes to it
    for number in (2, 20):
        for _ in range(number):
            make_webhook(team, actor=actor, status="disabled")
        with CaptureQueriesContext(connection) as queries:
            assert text(viewer.get("/settings/webhooks/")).count("hooks.example.com") == Webhook.objects.count()
        asked.append(len(queries))

    assert asked[0] == asked[1]


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_pages_in_a_browser(page, faults, live_server, receiver, tmp_path):
    team = factories.make_team("travel")
    engineer = factories.make_user(team)
    webhook, _ = story(team, receiver)
    log_in(page, engineer, live_server)

    deliveries = sent_to(webhook).order_by("id")
    paths = ["/settings/webhooks/", "/settings/webhooks/new/", webhook.path, f"{webhook.path}edit/"]
    paths += [f"{webhook.path}deliveries/{deliveries[0].pk}/", "/settings/"]
    for path in paths:
        check_page(page, path, live_server)

    page.goto(f"{live_server.url}{webhook.path}")
    page.get_by_role("button", name="Delete…").click()
    delete = page.get_by_role("dialog").get_by_role("button", name="Delete")
    assert delete.get_attribute("aria-disabled") == "true"
    page.get_by_label("Type chat-ops to confirm").fill("chat-ops")
    delete.click()
    page.wait_for_url("**/settings/webhooks/")
    assert not Webhook.objects.filter(pk=webhook.pk).exists()
    assert faults == []


def story(team, receiver):
    """Make a few webhooks with deliveries of every kind; return the busiest with its secret."""
    actor = factories.make_actor(team)
    made = make_webhook(
        team, actor=actor, name="chat-ops", url=receiver.url, events=["promotion.*", "alias.rollback", "model.create", "version.*"],
        description="Posts into the channel of the travel team.",
    )  # fmt: skip
    make_webhook(
        team, actor=actor, name="pager", url="https://events.pager.example.com/v2/enqueue", events=["alias.rollback"]
    )
    make_webhook(
        team, actor=actor, name="nightly-ci", flavour="mlflow", events=["model_version.created"],
        url="https://ci.example.com/generic-webhook-trigger/invoke?job=retrain-flight-delay",
    )  # fmt: skip
    off, _ = make_webhook(team, actor=actor, name="old-portal", status="disabled", events=["*"])
    Webhook.objects.filter(pk=off.pk).update(status_reason="Its receiver answered 410: it is gone for good.")
    model = factories.make_model(team, name="flight-delay", purpose="Warn travellers in time.")
    first = factories.make_champion(model)
    for status in (500, 200):
        receiver.status = status
        send_all()
        factories.make_champion(model)
    services.rollback(actor=actor, model=model, to_version=first, reason="Errors rose after 14:00.")
    send_all()
    return made
