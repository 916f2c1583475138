"""Webhooks of a team: who may have them, what they are told, how it is signed, and when one is given up."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import transaction
from django.db.models import F
from django.http import Http404
from django.utils import timezone
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from jobs.models import OutboxMessage
from jobs.tasks import deliver
from registry import services
from registry.errors import ConflictError, InvalidError, RoleError
from registry.models import AuditEvent, Role, Webhook
from registry.webhooks import events as webhook_events
from registry.webhooks.sealing import UnreadableSecretError, seal, unseal
from tests import factories
from tests.webhooks import make_webhook, send_all, sent_to

pytest_plugins = ["tests.receivers"]
pytestmark = pytest.mark.django_db


def told(webhook):
    """Return what waits for a webhook, oldest first, as (event, payload)."""
    return list(sent_to(webhook).order_by("id").values_list("event", "payload"))


def make_due():
    OutboxMessage.objects.update(next_attempt_at=F("next_attempt_at") - timedelta(days=1))


# --- who and what ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.VIEWER, Role.PRODUCT, Role.APPROVER])
def test_engineers_and_admins_alone_manage_webhooks(role):
    team = factories.make_team()
    webhook, _ = make_webhook(team)
    actor = factories.make_actor(team, role)

    for refused in (
        lambda: make_webhook(team, actor=actor),
        lambda: services.webhook_update(actor=actor, webhook=webhook, name="other"),
        lambda: services.webhook_rotate(actor=actor, webhook=webhook),
        lambda: services.webhook_test(actor=actor, webhook=webhook),
        lambda: services.webhook_delete(actor=actor, webhook=webhook),
    ):
        with pytest.raises(RoleError):
            refused()
    with pytest.raises(Http404):
        services.webhook_delete(actor=factories.make_actor(factories.make_team()), webhook=webhook)

    assert [(w.pk, w.name) for w in Webhook.objects.all()] == [(webhook.pk, "chat")]


def test_every_change_of_a_webhook_is_audited_without_its_secret():
    webhook, first = make_webhook()
    engineer = factories.make_actor(webhook.team)
    services.webhook_update(actor=engineer, webhook=webhook, url="https://other.example.com/", events=["alias.*"])
    _, second = services.webhook_rotate(actor=engineer, webhook=webhook)
    services.webhook_delete(actor=engineer, webhook=webhook)

    trail = AuditEvent.objects.filter(action__startswith="webhook.").order_by("seq")
    assert [event.action for event in trail] == ["webhook.create", "webhook.update", "webhook.rotate", "webhook.delete"]
    assert trail[1].payload["before"] == {"url": "https://hooks.example.com/in", "events": ["*"]}
    text = json.dumps([event.payload for event in trail])
    assert first not in text
    assert second not in text


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": "-x"}, "name"),
        ({"name": "a" * 64}, "name"),
        ({"name": "<svg onload=x>"}, "name"),
        ({"url": "https://127.0.0.1/"}, "url"),
        ({"events": []}, "events"),
        ({"events": ["promotion.aprove"]}, "events"),
        ({"events": ["session.login"]}, "events"),
        ({"events": ["registered_model.created"]}, "events"),
        ({"flavour": "mlflow", "events": ["promotion.approve"]}, "events"),
        ({"status": "asleep"}, "status"),
        ({"description": "x" * 1001}, "description"),
    ],
)
def test_value_that_is_not_acceptable_is_named(fields, field):
    with pytest.raises(InvalidError) as refused:
        make_webhook(**fields)

    assert refused.value.field == field
    assert not Webhook.objects.exists()


def test_changed_url_is_checked_again(monkeypatch):  # T21
    webhook, _ = make_webhook()
    engineer = factories.make_actor(webhook.team)

    with pytest.raises(InvalidError):
        services.webhook_update(actor=engineer, webhook=webhook, url="https://[::ffff:100.64.0.1]/")

    webhook.refresh_from_db()
    assert webhook.url == "https://hooks.example.com/in"


def test_url_that_leads_elsewhere_by_now_is_not_enabled_again():
    webhook, _ = make_webhook()
    Webhook.objects.filter(pk=webhook.pk).update(status="disabled", url="https://10.0.0.1/")

    with pytest.raises(InvalidError):
        services.webhook_update(actor=factories.make_actor(webhook.team), webhook=webhook, status="active")

    webhook.refresh_from_db()
    assert not webhook.is_active


# --- what is told ------------------------------------------------------------------------------------------------------


def test_change_tells_the_webhooks_of_its_team_that_asked_for_it():
    team = factories.make_team()
    all_of_it, _ = make_webhook(team)
    group, _ = make_webhook(team, events=["version.*"])
    one, _ = make_webhook(team, events=["model.create"])
    off, _ = make_webhook(team, status="disabled")
    elsewhere, _ = make_webhook()
    OutboxMessage.objects.all().delete()

    model = factories.make_model(team, name="delays")
    factories.make_version(model, servable=False)

    def heard(webhook):
        return [event for event, _ in told(webhook)]

    assert heard(all_of_it) == ["model.create", "version.create"]
    assert heard(group) == ["version.create"]
    assert heard(one) == ["model.create"]
    assert heard(off) == heard(elsewhere) == []


def test_change_that_is_rolled_back_tells_nothing():
    team = factories.make_team()
    webhook, _ = make_webhook(team, events=["model.create"])

    with transaction.atomic():
        factories.make_model(team)
        transaction.set_rollback(True)

    assert told(webhook) == []


def test_relay_is_called_once_a_change_is_committed_that_has_something_to_tell(django_capture_on_commit_callbacks):
    team = factories.make_team()
    make_webhook(team, events=["model.create"])

    with django_capture_on_commit_callbacks() as told_now:
        model = factories.make_model(team)
    with django_capture_on_commit_callbacks() as nothing_to_tell:
        services.model_tag_set(actor=factories.make_actor(team), model=model, key="k", value="v")

    assert told_now == [deliver.delay]
    assert nothing_to_tell == []


def test_event_is_a_cloudevent_about_the_change():
    team = factories.make_team()
    webhook, _ = make_webhook(team, events=["model.create"])
    engineer = factories.make_actor(team)

    factories.make_model(team, actor=engineer, name="delays", purpose="Warn early.")

    message = sent_to(webhook).get()
    body = message.payload
    assert body["specversion"] == "1.0"
    assert UUID(body["id"]) == message.message_id
    assert (body["source"], body["type"], body["subject"]) == (
        "http://127.0.0.1:8000",
        "model.create",
        "/models/delays/",
    )
    assert body["team"] == team.slug
    assert timezone.datetime.fromisoformat(body["time"]).tzinfo is not None
    assert body["data"] == {
        "actor": engineer.user.username,
        "url": "http://127.0.0.1:8000/models/delays/",
        "details": AuditEvent.objects.get(action="model.create").payload,
    }


def test_the_whole_story_of_a_promotion_is_told():
    team = factories.make_team()
    webhook, _ = make_webhook(team, events=["promotion.*", "alias.*", "criteria.agree", "evidence.record"])

    model = factories.make_model(team)
    first = factories.make_champion(model)
    factories.make_champion(model)
    services.rollback(actor=factories.make_actor(team), model=model, to_version=first, reason="Errors rose.")

    signed = "evidence.record"
    once = ["evidence.record", "promotion.request", "promotion.approve", signed, "promotion.complete"]
    assert [event for event, _ in told(webhook)] == ["criteria.agree", *once, *once, "alias.rollback"]


def test_every_action_of_the_product_is_known_but_those_of_no_team():
    known = set(webhook_events.actions())

    assert {"promotion.request", "training.start", "slo.create", "routing.publish", "webhook.disable"} <= known
    assert not [name for name in known if name.startswith("session.")]


# --- MLflow's words ----------------------------------------------------------------------------------------------------


@pytest.fixture
def listener():
    """A webhook of MLflow's for every event, and an engineer of its team."""
    team = factories.make_team(governed=False)
    webhook, _ = make_webhook(team, flavour="mlflow", events=list(webhook_events.MLFLOW_EVENTS))
    return webhook, factories.make_actor(team)


def data(webhook):
    """Return what MLflow's webhook was told, as (event, data)."""
    for event, body in told(webhook):
        assert f"{body['entity']}.{body['action']}" == event
        assert timezone.datetime.fromisoformat(body["timestamp"]).tzinfo is not None
    return [(event, body["data"]) for event, body in told(webhook)]


def test_changes_of_models_are_told_in_mlflows_words(listener):
    webhook, engineer = listener
    model = factories.make_model(webhook.team, actor=engineer, name="delays", description="Late?", tags={"a": "1"})
    version = services.version_create(
        actor=engineer, model=model, source="runs:/abc/model", run_id="abc", description="First.", tags={"b": "2"}
    )
    services.version_tag_set(actor=engineer, version=version, key="k", value="v")
    services.version_tag_delete(actor=engineer, version=version, key="k")
    services.model_tag_set(actor=engineer, model=model, key="k", value="v")  # MLflow tells this of prompts alone
    services.alias_set(actor=engineer, model=model, name="best", version=version)
    services.alias_delete(actor=engineer, model=model, name="best")

    assert data(webhook) == [
        ("registered_model.created", {"name": "delays", "tags": {"a": "1"}, "description": "Late?"}),
        (
            "model_version.created",
            {
                "name": "delays", "version": "1", "source": "runs:/abc/model", "run_id": "abc", "tags": {"b": "2"},
                "description": "First.",
            },
        ),
        ("model_version_tag.set", {"name": "delays", "version": "1", "key": "k", "value": "v"}),
        ("model_version_tag.deleted", {"name": "delays", "version": "1", "key": "k"}),
        ("model_version_alias.created", {"name": "delays", "alias": "best", "version": "1"}),
        ("model_version_alias.deleted", {"name": "delays", "alias": "best"}),
    ]  # fmt: skip


def test_changes_of_prompts_are_told_in_mlflows_words(listener):
    webhook, engineer = listener
    prompt = factories.make_model(
        webhook.team, actor=engineer, name="greeting",
        tags={"mlflow.prompt.is_prompt": "true", "_mlflow_prompt_type": "text", "a": "1"},
    )  # fmt: skip
    version = services.version_create(
        actor=engineer, model=prompt, source="dummy-source", run_id="",
        tags={"mlflow.prompt.is_prompt": "true", "mlflow.prompt.text": "Hello {{name}}!", "b": "2"},
    )  # fmt: skip
    services.model_tag_set(actor=engineer, model=prompt, key="k", value="v")
    services.model_tag_delete(actor=engineer, model=prompt, key="k")
    services.version_tag_set(actor=engineer, version=version, key="k", value="v")
    services.version_tag_delete(actor=engineer, version=version, key="k")
    services.alias_set(actor=engineer, model=prompt, name="best", version=version)
    services.alias_delete(actor=engineer, model=prompt, name="best")

    assert data(webhook) == [
        ("prompt.created", {"name": "greeting", "tags": {"a": "1"}, "description": ""}),
        (
            "prompt_version.created",
            {"name": "greeting", "version": "1", "template": "Hello {{name}}!", "tags": {"b": "2"}, "description": None},
        ),
        ("prompt_tag.set", {"name": "greeting", "key": "k", "value": "v"}),
        ("prompt_tag.deleted", {"name": "greeting", "key": "k"}),
        ("prompt_version_tag.set", {"name": "greeting", "version": "1", "key": "k", "value": "v"}),
        ("prompt_version_tag.deleted", {"name": "greeting", "version": "1", "key": "k"}),
        ("prompt_alias.created", {"name": "greeting", "alias": "best", "version": "1"}),
        ("prompt_alias.deleted", {"name": "greeting", "alias": "best"}),
    ]  # fmt: skip


def test_champion_that_moves_by_promotion_or_rollback_is_told_in_mlflows_words():
    team = factories.make_team()
    webhook, _ = make_webhook(team, flavour="mlflow", events=["model_version_alias.created"])
    model = factories.make_model(team, name="delays")

    first = factories.make_champion(model)
    factories.make_champion(model)
    services.rollback(actor=factories.make_actor(team), model=model, to_version=first, reason="Errors rose.")

    assert [body["version"] for _, body in data(webhook)] == ["1", "2", "1"]
    assert {(body["name"], body["alias"]) for _, body in data(webhook)} == {("delays", "champion")}


# --- how it is sent ----------------------------------------------------------------------------------------------------


def test_delivery_is_signed_so_that_the_stock_library_verifies_it(receiver):
    team = factories.make_team()
    webhook, secret = make_webhook(team, url=receiver.url, events=["model.create"])
    factories.make_model(team, name="delays")

    assert send_all() == 1

    [(path, headers, body)] = receiver.came
    message = sent_to(webhook).get()
    assert path == "/hooks"
    assert headers["webhook-id"] == str(message.message_id)
    assert headers["content-type"] == "application/cloudevents+json"
    assert Verifier(secret).verify(body, headers)["type"] == "model.create"
    with pytest.raises(WebhookVerificationError):
        Verifier(secret).verify(body.replace(b"delays", b"delayz"), headers)
    assert (message.state, message.status) == ("sent", 204)
    webhook.refresh_from_db()
    assert webhook.last_success_at is not None
    assert webhook.failing_since is None


def test_former_secret_signs_beside_the_new_one_for_a_day(receiver):
    team = factories.make_team()
    webhook, former = make_webhook(team, url=receiver.url, events=["model.create"])
    webhook, secret = services.webhook_rotate(actor=factories.make_actor(team), webhook=webhook)
    factories.make_model(team)
    send_all()
    Webhook.objects.update(former_secret_until=timezone.now() - timedelta(seconds=1))
    factories.make_model(team)
    send_all()

    (_, soon, soon_body), (_, later, later_body) = receiver.came
    assert former != secret
    for known in (former, secret):
        Verifier(known).verify(soon_body, soon)
    Verifier(secret).verify(later_body, later)
    with pytest.raises(WebhookVerificationError):
        Verifier(former).verify(later_body, later)


@pytest.mark.parametrize("secret", ["my secret", ""])
def test_mlflows_delivery_is_what_mlflow_would_send(receiver, secret):
    team = factories.make_team()
    webhook, _ = make_webhook(
        team, url=receiver.url, flavour="mlflow", events=["registered_model.created"], secret=secret
    )
    factories.make_model(team, name="delays")

    send_all()

    [(_, headers, body)] = receiver.came
    told = json.loads(body)
    assert set(told) == {"entity", "action", "timestamp", "data", "workspace"}
    assert told["workspace"] == f"team-{team.pk}"
    assert headers["content-type"] == "application/json"
    assert headers["x-mlflow-delivery-id"] == str(sent_to(webhook).get().message_id)
    signed = f"{headers['x-mlflow-delivery-id']}.{headers['x-mlflow-timestamp']}.{body.decode()}"
    signature = base64.b64encode(hmac.new(b"my secret", signed.encode(), hashlib.sha256).digest()).decode()
    assert headers.get("x-mlflow-signature") == (f"v1,{signature}" if secret else None)


def test_receiver_that_failed_gets_the_same_id_again_and_has_one_effect(receiver):  # T33
    team = factories.make_team()
    webhook, secret = make_webhook(team, url=receiver.url, events=["model.create"])
    factories.make_model(team)
    receiver.status = 500
    send_all()
    webhook.refresh_from_db()
    assert webhook.failing_since is not None

    receiver.status = 200
    make_due()
    send_all()
    services.webhook_redeliver(
        actor=factories.make_actor(team), webhook=webhook, message=sent_to(webhook).get()
    )  # somebody presses the button, too
    send_all()

    effects = {headers["webhook-id"]: Verifier(secret).verify(body, headers) for _, headers, body in receiver.came}
    assert len(receiver.came) == 3
    assert len(effects) == 1
    webhook.refresh_from_db()
    assert webhook.failing_since is None


def test_what_the_receiver_says_is_kept_nowhere(receiver):  # T21
    team = factories.make_team()
    webhook, _ = make_webhook(team, url=receiver.url, events=["model.create"])
    receiver.status, receiver.body = 500, b"the metadata service says: password"
    factories.make_model(team)

    send_all()

    message = sent_to(webhook).values().get()
    assert (message["status"], message["error"]) == (500, "It answered 500.")
    assert "password" not in str(message) + str(list(OutboxMessage.objects.get().attempts.values()))


# --- when it is given up -----------------------------------------------------------------------------------------------


def test_webhook_is_disabled_once_a_delivery_ran_out_of_attempts(receiver, settings):
    settings.OUTBOX_MAX_ATTEMPTS = 3
    team = factories.make_team()
    webhook, _ = make_webhook(team, url=receiver.url, events=["model.create"])
    other, _ = make_webhook(team, events=["webhook.disable"])
    factories.make_model(team)
    receiver.status = 500

    for attempt in (1, 2, 3):
        webhook.refresh_from_db()
        assert webhook.is_active, attempt
        send_all()
        make_due()

    webhook.refresh_from_db()
    assert not webhook.is_active
    assert "It answered 500." in webhook.status_reason
    event = AuditEvent.objects.get(action="webhook.disable")
    assert (event.subject, event.actor, event.team) == (webhook.path, "outbox", team.slug)
    assert [name for name, _ in told(other)] == ["webhook.disable"]
    factories.make_model(team)
    assert sent_to(webhook).count() == 1  # it is told nothing any more


def test_one_message_that_a_receiver_never_takes_does_not_disable_it(receiver, settings):
    settings.OUTBOX_MAX_ATTEMPTS = 2
    team = factories.make_team()
    webhook, _ = make_webhook(team, url=receiver.url, events=["model.create"])
    factories.make_model(team)
    receiver.status = 400
    send_all()
    receiver.status = 200
    factories.make_model(team)
    send_all()
    receiver.status = 400
    make_due()
    send_all()

    webhook.refresh_from_db()
    assert sorted(sent_to(webhook).values_list("state", flat=True)) == ["dead", "sent"]
    assert webhook.is_active


def test_receiver_that_is_gone_disables_the_webhook_at_once(receiver):
    team = factories.make_team()
    webhook, _ = make_webhook(team, url=receiver.url, events=["model.create"])
    receiver.status = 410
    factories.make_model(team)

    send_all()

    webhook.refresh_from_db()
    assert not webhook.is_active
    assert sent_to(webhook).get().state == "dead"


def test_disabled_or_deleted_webhook_gets_nothing_that_waits(receiver):
    team = factories.make_team()
    engineer = factories.make_actor(team)
    off, _ = make_webhook(team, url=receiver.url, events=["model.create"])
    gone, _ = make_webhook(team, url=receiver.url, events=["model.create"])
    factories.make_model(team)
    services.webhook_update(actor=engineer, webhook=off, status="disabled")
    services.webhook_delete(actor=engineer, webhook=gone)

    send_all()

    assert receiver.came == []
    assert sent_to(off).get().error == "The webhook is disabled."
    with pytest.raises(ConflictError, match="enable it first"):
        services.webhook_redeliver(actor=engineer, webhook=off, message=sent_to(off).get())


def test_test_is_sent_at_once_and_tells_how_it_went(receiver):
    team = factories.make_team()
    engineer = factories.make_actor(team)
    webhook, secret = make_webhook(team, url=receiver.url, events=["alias.*"], status="disabled")

    sent = services.webhook_test(actor=engineer, webhook=webhook)
    receiver.status = 503
    failed = services.webhook_test(actor=engineer, webhook=webhook)

    assert (sent.state, sent.status, failed.state, failed.status) == ("sent", 204, "dead", 503)
    [first, _] = receiver.came
    body = Verifier(secret).verify(first[2], first[1])
    assert (body["type"], body["id"]) == ("webhook.test", first[1]["webhook-id"])
    assert send_all() == 0
    webhook.refresh_from_db()
    assert webhook.failing_since is None  # a test says nothing of the deliveries


# --- secrets -----------------------------------------------------------------------------------------------------------


def test_secret_is_kept_encrypted_and_survives_a_change_of_the_key_while_the_former_is_known(settings):
    webhook, secret = make_webhook()
    stored = Webhook.objects.values_list("sealed_secret", flat=True).get(pk=webhook.pk)
    assert secret.removeprefix("whsec_") not in stored
    assert unseal(stored) == secret

    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another"
    assert unseal(stored) == secret

    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(UnreadableSecretError):
        unseal(stored)
    assert unseal(seal("")) == ""


def test_secret_that_cannot_be_read_any_more_is_said_on_the_delivery(receiver, settings):
    team = factories.make_team()
    webhook, _ = make_webhook(team, url=receiver.url, events=["model.create"])
    factories.make_model(team)
    settings.SECRET_KEY = "another"

    send_all()

    assert receiver.came == []
    message = sent_to(webhook).get()
    assert (message.state, message.error) == ("dead", "SECRET_KEY was changed since; give the webhook a new secret.")
