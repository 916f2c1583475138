"""Whether this process can do its work: asked by the supervisor, a load balancer or a person."""

from collections.abc import Callable

import redis
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

TIMEOUT_S = 2


@require_GET
@never_cache
@login_not_required
def health(request: HttpRequest) -> JsonResponse:
    """Answer 200 if the database and the broker answer, else 503; says which without saying why."""
    parts = {"database": _works(_ask_database), "broker": _works(_ask_broker)}
    return JsonResponse(
        {name: "ok" if works else "does not answer" for name, works in parts.items()},
        status=200 if all(parts.values()) else 503,
    )


def _works(ask: Callable[[], None]) -> bool:
    try:
        ask()
    except (DatabaseError, redis.RedisError):
        return False
    return True


def _ask_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _ask_broker() -> None:
    with redis.Redis.from_url(
        settings.CELERY_BROKER_URL, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S
    ) as broker:
        broker.ping()
