"""MLflow's webhooks, kept in our tables and told from our outbox."""

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from mlflow.entities.webhook import Webhook as WebhookEntity
from mlflow.entities.webhook import WebhookEvent, WebhookStatus, WebhookTestResult
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST
from mlflow.server.handlers import _get_model_registry_store
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.model_registry.abstract_store import AbstractStore
from mlflow.utils import validation
from mlflow.utils.search_utils import SearchUtils

from registry import services
from registry.adapters import workspace_of
from registry.mlflow.caller import get_caller
from registry.mlflow.errors import in_mlflows_words
from registry.models import Webhook

PAGE, LARGEST_PAGE = 100, 1000


class WebhookMethods(AbstractStore):  # type: ignore[misc]  # MLflow has no types
    """The store's methods about webhooks: those of the caller's team that MLflow's clients made."""

    def create_webhook(
        self, name: str, url: str, events: list[WebhookEvent], description: str | None = None,
        secret: str | None = None, status: WebhookStatus | None = None,
    ) -> WebhookEntity:  # fmt: skip
        """Make a webhook of the caller's team."""
        validation._validate_webhook_events(events)
        caller = get_caller()
        with in_mlflows_words():
            webhook, _ = services.webhook_create(
                actor=caller.actor, team=caller.team, flavour=Webhook.Flavour.MLFLOW, name=name, url=url,
                events=[str(event) for event in events], description=description or "", secret=secret or "",
                status=(status or WebhookStatus.ACTIVE).value.lower(),
            )  # fmt: skip
        return _entity(webhook)

    def get_webhook(self, webhook_id: str) -> WebhookEntity:
        """Return one webhook."""
        return _entity(_webhook(webhook_id))

    def list_webhooks(self, max_results: int | None = None, page_token: str | None = None) -> PagedList[WebhookEntity]:
        """Return one page of the team's webhooks, the newest first."""
        return _page(_webhooks(), max_results, page_token)

    def list_webhooks_by_event(
        self, event: WebhookEvent, max_results: int | None = None, page_token: str | None = None
    ) -> PagedList[WebhookEntity]:
        """Return one page of the team's webhooks that ask for ``event``."""
        return _page(_webhooks().filter(events__contains=[str(event)]), max_results, page_token)

    def update_webhook(
        self, webhook_id: str, name: str | None = None, description: str | None = None, url: str | None = None,
        events: Sequence[WebhookEvent] | None = None, secret: str | None = None, status: WebhookStatus | None = None,
    ) -> WebhookEntity:  # fmt: skip
        """Change what is given and leave the rest."""
        webhook = _webhook(webhook_id)
        given: dict[str, Any] = {
            "name": name, "description": description, "url": url,
            "events": None if events is None else [str(event) for event in events],
            "status": None if status is None else status.value.lower(),
        }  # fmt: skip
        with in_mlflows_words():
            webhook = services.webhook_update(
                actor=get_caller().actor, webhook=webhook, secret=secret,
                **{field: value for field, value in given.items() if value is not None},
            )  # fmt: skip
        return _entity(webhook)

    def delete_webhook(self, webhook_id: str) -> None:
        """Delete one webhook."""
        with in_mlflows_words():
            services.webhook_delete(actor=get_caller().actor, webhook=_webhook(webhook_id))

    def test_webhook(self, webhook_id: str, event: WebhookEvent | None = None) -> WebhookTestResult:
        """Send a made-up event; what the receiver answers is never shown, only its status."""
        webhook = _webhook(webhook_id)
        with in_mlflows_words():
            sent = services.webhook_test(actor=get_caller().actor, webhook=webhook, event=str(event) if event else "")
        if sent.status is None:
            return WebhookTestResult(success=False, error_message=f"Failed to test webhook: {sent.error}")
        return WebhookTestResult(success=sent.status < 400, response_status=sent.status)


def told_by_our_outbox(**_: Any) -> None:
    """Stand in for MLflow's ``deliver_webhook``: the change wrote what is to be told, in its own transaction."""


def tested_by_our_store(webhook: WebhookEntity, event: WebhookEvent | None) -> WebhookTestResult:
    """Stand in for MLflow's ``test_webhook``."""
    result: WebhookTestResult = _get_model_registry_store().test_webhook(webhook.webhook_id, event)
    return result


def _webhooks() -> QuerySet[Webhook]:
    rows = Webhook.objects.filter(team=get_caller().team, flavour=Webhook.Flavour.MLFLOW)
    return rows.select_related("team").order_by("-id")


def _webhook(webhook_id: str) -> Webhook:
    known = webhook_id.isascii() and webhook_id.isdecimal() and len(webhook_id) < 19
    webhook = _webhooks().filter(pk=int(webhook_id)).first() if known else None
    if webhook is None:
        raise MlflowException(f"Webhook with ID {webhook_id} not found.", RESOURCE_DOES_NOT_EXIST)
    return webhook


def _page(rows: QuerySet[Webhook], max_results: int | None, page_token: str | None) -> PagedList[WebhookEntity]:
    size = max_results or PAGE
    if not 1 <= size <= LARGEST_PAGE:
        raise MlflowException(f"max_results must be between 1 and {LARGEST_PAGE}.", INVALID_PARAMETER_VALUE)
    begin = SearchUtils.parse_start_offset_from_page_token(page_token)
    found = list(rows[begin : begin + size + 1])
    token = SearchUtils.create_page_token(begin + size) if len(found) > size else None
    return PagedList([_entity(row) for row in found[:size]], token)


def _entity(row: Webhook) -> WebhookEntity:
    return WebhookEntity(
        webhook_id=str(row.pk),
        name=row.name,
        url=row.url,
        events=[WebhookEvent.from_str(event) for event in row.events],
        creation_timestamp=int(row.created_at.timestamp() * 1000),
        last_updated_timestamp=int(row.updated_at.timestamp() * 1000),
        description=row.description or None,
        status=row.status.upper(),
        workspace=workspace_of(row.team),
    )
