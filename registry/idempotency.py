"""`Idempotency-Key`: a POST to the API that is sent twice has one effect and one answer (T34).

A view that reads a large body in pieces hashes it meanwhile, and answers by :func:`answered_once` when it has arrived.

The key, the effect and the answer are written in one transaction. A process that is killed leaves neither, so a key
never blocks a retry, and there is no moment at which the effect exists without its answer.
"""

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta

from django.contrib.auth.models import User
from django.core.exceptions import RequestDataTooBig
from django.db import connection, transaction
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.urls import Resolver404, resolve
from rest_framework.exceptions import APIException
from rest_framework.views import APIView

from registry.access import Actor, actor_of
from registry.audit_trail import audited
from registry.models import IdempotencyKey
from registry.problems import CONTENT_TYPE, problem_body

KEPT_FOR = timedelta(hours=24)
LONGEST_KEY = 255
SHOWN_ONCE = "secret"  # a token's secret is never kept, so a repeated answer lacks it


class IdempotencyMiddleware:
    """Replay the answer of a POST under `/api/v1/` whose `Idempotency-Key` was used before."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer; requests without a key pass through."""
        key = request.headers.get("Idempotency-Key")
        if request.method != "POST" or key is None or not request.path.startswith("/api/v1/"):
            return self.get_response(request)
        if not 0 < len(key) <= LONGEST_KEY:
            return _problem(400, f"Idempotency-Key has 1 to {LONGEST_KEY} characters.")
        actor = None if _hashes_body(request) else _actor(request)
        if actor is None or _too_large(request):
            return self.get_response(request)  # the view refuses it, in its own words, or sees to it itself
        body = hashlib.sha256(request.body).hexdigest()
        return _once(actor, key, _digest(request, actor, body), lambda: self.get_response(request))


def answered_once(
    request: HttpRequest, actor: Actor, *, body: str, answer: Callable[[], HttpResponseBase]
) -> HttpResponseBase:
    """Answer a request whose body the view has read and hashed; the same key with the same body gives the same answer.

    Args:
        body: digest of the body.
        answer: has the effect; its answer is complete.
    """
    key = request.headers.get("Idempotency-Key")
    return answer() if key is None else _once(actor, key, _digest(request, actor, body), answer)


def _once(actor: Actor, key: str, digest: str, answer: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    user = actor.user
    with audited():  # so that all the view does writes its part of the trail last, at the end of the one transaction
        if not _locked(user, key):
            return _problem(409, "A request with this Idempotency-Key is being answered; try again in a moment.")
        used = IdempotencyKey.objects.filter(user=user, key=key, created_at__gt=Now() - KEPT_FOR).first()
        if used and used.request_digest != digest:
            return _problem(422, "This Idempotency-Key was used for another request; use a new one.")
        if used:
            return _replay(used)
        with audited():
            response = answer()
            if response.status_code >= 400:  # a refusal changed nothing, even where a view forgot to see to it
                transaction.set_rollback(True)
        if response.status_code < 500 and isinstance(response, HttpResponse):
            _keep(user, key, digest, response)
        return response


def _hashes_body(request: HttpRequest) -> bool:
    """Whether the view reads its body in pieces, and sees to the key by itself."""
    try:
        view = resolve(request.path_info).func
    except Resolver404:
        return False
    return bool(getattr(getattr(view, "cls", None), "hashes_body", False))


def _actor(request: HttpRequest) -> Actor | None:
    """Return who asks, as the view will see it; None where the view will refuse to know them."""
    known = request.user
    asked = APIView().initialize_request(request)
    try:
        return actor_of(asked) if asked.user.is_authenticated else None
    except APIException:
        request.user = known  # a refused look leaves nobody, and the view has to say why it refuses
        return None


def _too_large(request: HttpRequest) -> bool:
    try:
        return request.body is None
    except RequestDataTooBig:
        return True


def _digest(request: HttpRequest, actor: Actor, body: str) -> str:
    """Return what makes two requests the same: address, caller (a token sees one team alone) and digest of the body."""
    parts = [request.get_full_path(), actor.via, body]
    return f"sha256:{hashlib.sha256(json.dumps(parts).encode()).hexdigest()}"


def _locked(user: User, key: str) -> bool:
    """Take the key until the end of the transaction; False where another request holds it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [f"idempotency {user.pk} {key}"])
        (taken,) = cursor.fetchone()
    return bool(taken)


def _keep(user: User, key: str, digest: str, response: HttpResponse) -> None:
    body = json.loads(response.content) if response.content else None
    if isinstance(body, dict):
        body.pop(SHOWN_ONCE, None)
    IdempotencyKey.objects.filter(user=user, created_at__lte=Now() - KEPT_FOR).delete()
    IdempotencyKey.objects.create(user=user, key=key, request_digest=digest, status=response.status_code, body=body)


def _replay(used: IdempotencyKey) -> HttpResponse:
    assert used.status is not None  # noqa: S101  written with the answer
    kind = CONTENT_TYPE if used.status >= 400 else "application/json"
    content = b"" if used.body is None else json.dumps(used.body).encode()
    return HttpResponse(content, status=used.status, content_type=kind, headers={"Idempotent-Replayed": "true"})


def _problem(status: int, detail: str) -> HttpResponse:
    return JsonResponse(problem_body(status, detail), status=status, content_type=CONTENT_TYPE)
