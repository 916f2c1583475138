"""Webhooks by MLflow's stock client, against a real server process; what it changes is told from our outbox."""

import json

import pytest
from mlflow.entities.webhook import WebhookEvent, WebhookStatus
from mlflow.exceptions import MlflowException

from jobs.models import OutboxMessage
from registry.models import AuditEvent, Role, Webhook
from tests.webhooks import send_all, sent_to

pytest_plugins = ["tests.mlflow_server", "tests.receivers"]

CREATED = WebhookEvent.from_str("registered_model.created")
ALIASED = WebhookEvent.from_str("model_version_alias.created")


@pytest.fixture
def sandbox(join):
    """An engineer of a team that is not governed, by whom the test's MLflow client speaks."""
    member = join(governed=False)
    with member.signed_in():
        yield member


def test_webhook_is_made_changed_and_deleted_by_the_client(sandbox):
    client = sandbox.client
    made = client.create_webhook(
        "chat", "https://example.com/hook", [CREATED], description="To the channel.", secret="s3cret"
    )

    row = Webhook.objects.get(pk=int(made.webhook_id))
    assert (row.team, row.flavour, row.events, row.created_by) == (sandbox.team, "mlflow", [str(CREATED)], sandbox.user)
    assert "s3cret" not in row.sealed_secret
    assert "s3cret" not in sandbox.send("GET", f"/api/2.0/mlflow/webhooks/{made.webhook_id}").text

    changed = client.update_webhook(made.webhook_id, events=[CREATED, ALIASED], status=WebhookStatus.DISABLED)
    assert (changed.name, changed.events, changed.status) == ("chat", [CREATED, ALIASED], WebhookStatus.DISABLED)
    assert [w.webhook_id for w in client.list_webhooks()] == [made.webhook_id]
    client.delete_webhook(made.webhook_id)
    assert list(client.list_webhooks()) == []
    trail = AuditEvent.objects.filter(team=sandbox.team.slug, action__startswith="webhook.").order_by("seq")
    assert [(e.action, e.via) for e in trail] == [
        (f"webhook.{what}", f"token:{sandbox.token.prefix}") for what in ("create", "update", "delete")
    ]


@pytest.mark.parametrize(
    "url", ["https://10.0.0.1/", "https://[::ffff:100.64.0.1]/", "https://[64:ff9b::169.254.169.254]/"]
)
def test_address_that_is_not_public_is_400(sandbox, url):  # T18
    body = {"name": "x", "url": url, "events": [{"entity": "REGISTERED_MODEL", "action": "CREATED"}]}

    answer = sandbox.send("POST", "/api/2.0/mlflow/webhooks", json=body)

    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert list(sandbox.client.list_webhooks()) == []


def test_webhooks_of_another_team_do_not_exist(sandbox, join):
    made = sandbox.client.create_webhook("chat", "https://example.com/hook", [CREATED])
    other = join(governed=False)

    with other.signed_in():
        assert list(other.client.list_webhooks()) == []
        for call in (other.client.get_webhook, other.client.delete_webhook, other.client.test_webhook):
            with pytest.raises(MlflowException, match="not found"):
                call(made.webhook_id)

    assert sandbox.client.get_webhook(made.webhook_id).name == "chat"


def test_viewer_reads_webhooks_and_changes_none(sandbox, join):
    made = sandbox.client.create_webhook("chat", "https://example.com/hook", [CREATED], secret="s3cret")
    viewer = join(sandbox.team, Role.VIEWER, scopes=["read"])

    with viewer.signed_in():
        assert viewer.client.get_webhook(made.webhook_id).secret is None
        for call in (
            lambda: viewer.client.delete_webhook(made.webhook_id),
            lambda: viewer.client.test_webhook(made.webhook_id),
            lambda: viewer.client.create_webhook("mine", "https://example.com/", [CREATED]),
        ):
            with pytest.raises(MlflowException, match="PERMISSION_DENIED"):
                call()


def test_what_the_client_changes_is_told_once_and_by_the_outbox(sandbox, receiver):
    """MLflow's own delivery would have posted from a thread of the server, which this receiver would have seen."""
    client = sandbox.client
    made = client.create_webhook("chat", receiver.url, [CREATED, ALIASED], secret="s3cret")
    name = f"delays-{sandbox.team.pk}"
    client.create_registered_model(name, tags={"a": "1"}, description="Late?")
    run = client.create_run(client.create_experiment(name)).info.run_id
    client.create_model_version(name, f"runs:/{run}/model", run_id=run)
    client.set_registered_model_alias(name, "best", 1)
    row = Webhook.objects.get(pk=int(made.webhook_id))
    assert list(sent_to(row).order_by("id").values_list("event", "state")) == [
        (str(CREATED), "waiting"), (str(ALIASED), "waiting"),
    ]  # fmt: skip
    assert receiver.came == []

    OutboxMessage.objects.exclude(destination=made.webhook_id).delete()
    send_all()

    bodies = sorted((json.loads(body) for _, _, body in receiver.came), key=lambda body: body["entity"], reverse=True)
    assert [body["data"] for body in bodies] == [
        {"name": name, "tags": {"a": "1"}, "description": "Late?"},
        {"name": name, "alias": "best", "version": "1"},
    ]
    assert all(headers["x-mlflow-signature"].startswith("v1,") for _, headers, _ in receiver.came)


def test_client_tests_a_webhook_and_sees_the_status_alone(sandbox, receiver):  # T21
    made = sandbox.client.create_webhook("chat", receiver.url, [CREATED, ALIASED])
    receiver.body = b"what is inside"

    fine = sandbox.client.test_webhook(made.webhook_id)
    other = sandbox.client.test_webhook(made.webhook_id, ALIASED)
    receiver.status = 500
    failed = sandbox.client.test_webhook(made.webhook_id)

    assert (fine.success, fine.response_status, fine.response_body, fine.error_message) == (True, 204, None, None)
    assert other.success
    assert (failed.success, failed.response_status, failed.response_body) == (False, 500, None)
    assert [json.loads(body)["data"] for _, _, body in receiver.came[:2]] == [
        {
            "name": "example_model",
            "tags": {"example_key": "example_value"},
            "description": "An example registered model",
        },
        {"name": "example_model", "alias": "example_alias", "version": "1"},
    ]


def test_examples_are_those_of_mlflow():
    from django.utils import timezone
    from mlflow.webhooks.types import get_example_payload_for_event

    from registry.webhooks.events import MLFLOW_EVENTS, mlflow_example

    names = [name for name, fields in MLFLOW_EVENTS.items() if fields]
    ours = {name: mlflow_example(name, at=timezone.now())["data"] for name in names}

    assert ours == {name: get_example_payload_for_event(WebhookEvent.from_str(name)) for name in names}


def test_events_are_those_of_mlflow():
    from mlflow.entities.webhook import VALID_ENTITY_ACTIONS

    from registry.webhooks.events import MLFLOW_EVENTS

    assert set(MLFLOW_EVENTS) == {
        f"{e.value}.{a.value}" for e, actions in VALID_ENTITY_ACTIONS.items() for a in actions
    }
