"""Who may call the gateway, published beside the routing table: tokens by their digest, never their secret.

Tokens are revoked more often than routes change, and a revocation must not wait for anything else; so this is a row, a file and
a schedule of their own. The tokens are the history, with an audit event each; row and file are only what is in force.
"""

import hashlib
from datetime import datetime
from pathlib import Path

import msgspec
from django.conf import settings
from django.db import transaction

from registry.models import Alias, ApiToken
from registry.selectors import live_tokens
from rollouts.gateways.reports import living_gateways
from rollouts.models import PublishedCallers
from rollouts.routing import MOST_AHEAD, only_publisher, wake_gateways
from serving.contract import CHAMPION, Caller, CallerList, callers_path, read_callers, write_callers


@transaction.atomic
def callers_publish(*, now: datetime) -> CallerList:
    """Publish who may call, if that changed or the file was lost; safe to repeat and to run twice at once."""
    only_publisher()
    path = callers_path(Path(settings.ROUTING_TABLE_PATH))
    callers, latest, on_disk = compose(), PublishedCallers.objects.first(), _on_disk(path)
    digest = f"sha256:{hashlib.sha256(msgspec.json.encode(callers)).hexdigest()}"
    known = latest.version if latest else 0
    held = [on_disk.version if on_disk else 0, *(state.callers_version for state in living_gateways())]
    ahead = max(
        (n for n in held if n <= known + MOST_AHEAD), default=0
    )  # beyond: only after a restore to an earlier day
    if latest is None or latest.digest != digest or ahead > known:
        published = CallerList(max(known, ahead) + 1, now.isoformat(), callers)
        PublishedCallers.objects.update_or_create(
            pk=1,
            defaults={
                "version": published.version,
                "digest": digest,
                "document": msgspec.to_builtins(published),
                "published_at": now,
            },
        )
        wake_gateways()
    else:
        published = callers_of(latest)
    if on_disk != published:
        write_callers(published, path)
    return published


def callers_of(row: PublishedCallers) -> CallerList:
    """Return the list as the gateway reads it."""
    return msgspec.convert(row.document, CallerList)


def compose() -> list[Caller]:
    """Return a caller for each live token with the scope predict: what it is for, among what its team has served."""
    served: dict[int, set[int]] = {}
    champions = Alias.objects.filter(name=CHAMPION, model__archived_at__isnull=True)
    for team, model in champions.values_list("model__team_id", "model_id"):
        served.setdefault(team, set()).add(model)
    tokens = list(live_tokens().filter(scopes__contains=[ApiToken.Scope.PREDICT.value]).order_by("id"))
    only: dict[int, set[int]] = {}
    for token, model in ApiToken.only_models.through.objects.filter(apitoken__in=tokens).values_list(
        "apitoken_id", "registeredmodel_id"
    ):
        only.setdefault(token, set()).add(model)
    return [_caller(token, served.get(token.team_id, set()), only.get(token.pk)) for token in tokens]


def _caller(token: ApiToken, served: set[int], only: set[int] | None) -> Caller:
    return Caller(
        id=token.pk,
        digest=token.digest,
        models=sorted(served if only is None else served & only),
        expires_at=token.expires_at.timestamp() if token.expires_at else None,
        requests_per_s=token.requests_per_s,
        burst=token.burst,
        in_flight=token.in_flight,
    )


def _on_disk(path: Path) -> CallerList | None:
    try:
        return read_callers(path)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
