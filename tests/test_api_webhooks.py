"""Webhooks by the REST API: made, tried, changed, looked into, and every address checked each time."""

import pytest
from standardwebhooks import Webhook as Verifier

from registry.models import AuditEvent, Role, Webhook
from tests import factories
from tests.api import problem
from tests.documented import DocumentedApi as Api
from tests.webhooks import make_webhook, send_all, sent_to

pytest_plugins = ["tests.receivers"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def team():
    return factories.make_team()


@pytest.fixture
def engineer(team):
    return Api(team)


def body(**fields):
    return {"name": "chat", "url": "https://hooks.example.com/in", "events": ["promotion.*"]} | fields


def test_secret_is_shown_once_and_not_kept_for_replays(team, engineer):  # T15
    made = engineer.post("webhooks", body(), Idempotency_Key="once")
    again = engineer.post("webhooks", body(), Idempotency_Key="once")

    assert (made.status_code, again.status_code) == (201, 201)
    secret = made.json()["secret"]
    assert secret.startswith("whsec_")
    assert again.json() == {name: value for name, value in made.json().items() if name != "secret"}
    assert Webhook.objects.count() == 1
    viewer = Api(team, Role.VIEWER, scopes=["read"])
    for answer in (viewer.get("webhooks"), viewer.get(f"webhooks/{made.json()['id']}")):
        assert answer.status_code == 200
        assert secret not in answer.text
    assert viewer.get(f"webhooks/{made.json()['id']}").json()["has_secret"] is True


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/", "https://[::1]/", "https://169.254.169.254/latest/", "https://[fe80::1]/",
        "https://[::ffff:100.64.0.1]/", "https://[64:ff9b::169.254.169.254]/", "https://10.1.2.3/",
        "https://localhost/", "http://example.com/", "https://2130706433/",
    ],
)  # fmt: skip
def test_url_that_must_not_be_reached_is_400_and_names_the_field(engineer, url):  # T18, T21
    refused = problem(engineer.post("webhooks", body(url=url)), 400)
    assert refused["errors"][0]["pointer"] == "/url"
    assert not Webhook.objects.exists()

    made = engineer.post("webhooks", body()).json()
    problem(engineer.patch(f"webhooks/{made['id']}", {"url": url}), 400)
    assert engineer.get(f"webhooks/{made['id']}").json()["url"] == "https://hooks.example.com/in"


def test_unknown_event_or_field_is_400(engineer):
    assert (
        problem(engineer.post("webhooks", body(events=["promotion.aprove"])), 400)["errors"][0]["pointer"] == "/events"
    )
    assert problem(engineer.post("webhooks", body(secret="mine")), 400)["errors"][0]["pointer"] == "/secret"
    made = engineer.post("webhooks", body()).json()
    assert problem(engineer.patch(f"webhooks/{made['id']}", {"flavour": "mlflow"}), 400)


def test_events_are_listed_with_their_meaning(engineer):
    events = {(e["flavour"], e["name"]): e["meaning"] for e in engineer.get("webhook-events").json()}

    assert events["standard", "promotion.request"].startswith("Ask that version take alias")
    assert events["mlflow", "model_version_alias.created"] == "name, alias, version"


def test_webhook_is_changed_disabled_and_deleted(team, engineer):
    made = engineer.post("webhooks", body()).json()

    changed = engineer.patch(f"webhooks/{made['id']}", {"name": "pager", "events": ["*"], "status": "disabled"}).json()

    assert (changed["name"], changed["events"], changed["status"]) == ("pager", ["*"], "disabled")
    assert [w["id"] for w in engineer.get("webhooks", status="disabled").json()["results"]] == [made["id"]]
    assert engineer.delete(f"webhooks/{made['id']}").status_code == 204
    problem(engineer.get(f"webhooks/{made['id']}"), 404)
    trail = AuditEvent.objects.filter(team=team.slug, action__startswith="webhook.").order_by("seq")
    assert [event.action for event in trail] == ["webhook.create", "webhook.update", "webhook.delete"]


def test_delivery_is_looked_into_and_sent_once_more(team, engineer, receiver):
    webhook, secret = make_webhook(team, url=receiver.url, events=["model.create"])
    factories.make_model(team, name="delays")
    receiver.status, receiver.body = 500, b"internal"
    send_all()

    [listed] = engineer.get(f"webhooks/{webhook.pk}/deliveries", state="waiting").json()["results"]
    assert (listed["event"], listed["attempts"], listed["status"], listed["error"]) == (
        "model.create", 1, 500, "It answered 500.",
    )  # fmt: skip
    shown = engineer.get(f"webhooks/{webhook.pk}/deliveries/{listed['id']}")
    assert shown.json()["payload"]["subject"] == "/models/delays/"
    assert [(a["number"], a["status"]) for a in shown.json()["history"]] == [(1, 500)]
    assert "internal" not in shown.text
    problem(engineer.post(f"webhooks/{webhook.pk}/deliveries/{listed['id']}/redeliver"), 409)  # it is under way

    receiver.status = 200
    sent_to(webhook).update(state="dead")
    again = engineer.post(f"webhooks/{webhook.pk}/deliveries/{listed['id']}/redeliver")
    send_all()

    assert again.json()["state"] == "waiting"
    assert engineer.get(f"webhooks/{webhook.pk}/deliveries/{listed['id']}").json()["state"] == "sent"
    assert len({headers["webhook-id"] for _, headers, _ in receiver.came}) == 1
    Verifier(secret).verify(receiver.came[1][2], receiver.came[1][1])
    webhook.refresh_from_db()
    assert engineer.get(f"webhooks/{webhook.pk}").json()["last_success_at"] is not None


def test_delivery_of_another_webhook_is_404(team, engineer):
    webhook, _ = make_webhook(team, events=["model.create"])
    other, _ = make_webhook(team)
    factories.make_model(team)
    delivery = sent_to(webhook).get()

    problem(engineer.get(f"webhooks/{other.pk}/deliveries/{delivery.pk}"), 404)


def test_test_tells_how_it_went(team, engineer, receiver):
    webhook, _ = make_webhook(team, url=receiver.url)
    theirs, _ = make_webhook(team, url=receiver.url, flavour="mlflow", events=["prompt.created"])

    tried = engineer.post(f"webhooks/{webhook.pk}/test").json()
    other = engineer.post(f"webhooks/{theirs.pk}/test", {"event": "prompt_alias.created"}).json()

    assert (tried["state"], tried["status"], tried["attempts"]) == ("sent", 204, 1)
    assert other["payload"]["data"] == {"name": "example_prompt", "alias": "example_alias", "version": "1"}
    problem(engineer.post(f"webhooks/{webhook.pk}/deliveries/{tried['id']}/redeliver"), 409)
    problem(engineer.post(f"webhooks/{theirs.pk}/test", {"event": "nothing"}), 400)


def test_rotated_secret_is_shown_once_and_mlflows_is_not_rotated(team, engineer):
    made = engineer.post("webhooks", body()).json()
    theirs = engineer.post("webhooks", body(flavour="mlflow", events=["prompt.created"], secret="mine")).json()
    assert theirs["secret"] == "mine"

    rotated = engineer.post(f"webhooks/{made['id']}/rotate-secret").json()

    assert rotated["secret"].startswith("whsec_")
    assert rotated["secret"] != made["secret"]
    problem(engineer.post(f"webhooks/{theirs['id']}/rotate-secret"), 409)
    assert engineer.patch(f"webhooks/{theirs['id']}", {"secret": "other"}).json()["has_secret"] is True
    problem(engineer.patch(f"webhooks/{made['id']}", {"secret": "other"}), 400)
