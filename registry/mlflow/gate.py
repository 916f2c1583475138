"""The gate before MLflow's application: who calls, for which team, and whether the route is theirs to use."""

import base64
import binascii
import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, unquote, urlencode

import anyio.to_thread
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import User
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.signals import request_finished, request_started
from django.db import connection
from django.http import HttpRequest, HttpResponse
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    INVALID_PARAMETER_VALUE,
    PERMISSION_DENIED,
    RESOURCE_DOES_NOT_EXIST,
    UNAUTHENTICATED,
)
from mlflow.utils.workspace_utils import WORKSPACE_HEADER_NAME
from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from registry import selectors, services
from registry.access import Actor
from registry.adapters import workspace_of
from registry.mlflow.caller import Caller, set_caller
from registry.mlflow.errors import in_mlflows_words
from registry.mlflow.routes import OPEN_PATHS, Access, access_to
from registry.models import ApiToken, ModelVersion, Role, Team
from registry.outages import OUTAGE
from registry.sessions import SessionAgeMiddleware

CHALLENGE = 'Bearer realm="control plane", Basic realm="control plane: any name, and a token as the password"'
_WORKSPACE = WORKSPACE_HEADER_NAME.lower().encode()


@contextmanager
def django_request() -> Iterator[None]:
    """Send the signals that Django's own handlers send, without which a lost connection would never heal."""
    request_started.send(sender=Gate)
    try:
        yield
    finally:
        request_finished.send(sender=Gate)


class Gate:
    """ASGI: lets a request through to ``app`` with its caller remembered, or answers it in MLflow's words."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Admit or refuse one request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] == "http":
            try:
                caller = await anyio.to_thread.run_sync(_admitted, scope)
            except MlflowException as refused:
                answer = _to_log_in(scope) if refused.error_code == "UNAUTHENTICATED" else None
                await (answer or _answer(refused))(scope, receive, send)
                return
            if caller:
                set_caller(caller)
                headers = [(name, value) for name, value in scope["headers"] if name.lower() != _WORKSPACE]
                scope = {**scope, "headers": [*headers, (_WORKSPACE, caller.workspace.encode())]}
        await self.app(scope, receive, send)


def _admitted(scope: Scope) -> Caller | None:
    """Admit or refuse; once more where the database was restarted meanwhile, which spares each request a look before."""
    try:
        return _admit(scope)
    except OUTAGE:
        return _admit(scope)


def _admit(scope: Scope) -> Caller | None:
    """Return who calls and for which team; None where the route is open to everyone.

    Raises:
        MlflowException: nobody was named, or the route, team or path is not theirs.
    """
    if scope["path"] in OPEN_PATHS:
        return None
    with django_request(), in_mlflows_words():
        connection.health_check_done = True  # type: ignore[attr-defined]  # missing in the stubs
        headers = Headers(scope=scope)
        actor = _by_token(headers) or _by_session(headers)
        if actor is None:
            raise MlflowException(
                "Send a token: MLFLOW_TRACKING_TOKEN, or as the password of HTTP basic authentication. "
                f"Create one at {settings.WEB_URL}/settings/, or log in at {settings.WEB_URL} to look around.",
                UNAUTHENTICATED,
            )
        access, named = access_to(scope["method"], scope["path"])
        caller = Caller(actor, _team(actor, headers.get(WORKSPACE_HEADER_NAME, "")))
        if access is Access.READ:
            actor.require(caller.team, *Role, scope=ApiToken.Scope.READ)
        elif actor.token is None:
            raise MlflowException("A browser session looks; writing takes a token.", PERMISSION_DENIED)
        else:
            actor.require(caller.team, Role.ENGINEER, Role.ADMIN)
        query = parse_qs(scope["query_string"].decode("latin-1"))
        for path in [*query.get("path", []), *([named["artifact_path"]] if "artifact_path" in named else [])]:
            _check_path(path, caller, writes=access is Access.WRITE)
    return caller


def _by_token(headers: Headers) -> Actor | None:
    scheme, _, secret = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            secret = base64.b64decode(secret, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return None
    elif scheme.lower() != "bearer":
        return None
    token = selectors.token_by_secret(secret.strip())
    if token is None:
        return None
    services.token_use(token)
    return Actor(token.user, f"token:{token.prefix}", token)


def _by_session(headers: Headers) -> Actor | None:
    """Return who is logged in to the web pages on the same host; a token that was sent and failed is not replaced."""
    if "authorization" in headers:
        return None
    request = HttpRequest()
    try:
        request.COOKIES = {name: morsel.value for name, morsel in SimpleCookie(headers.get("cookie", "")).items()}
    except CookieError:
        return None
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return None
    _session(request)
    return Actor(request.user, "session") if isinstance(request.user, User) else None


def _nothing(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


# The web's own middleware, so that a session ends here when it ends there.
_session = SessionMiddleware(AuthenticationMiddleware(SessionAgeMiddleware(_nothing)))


def _team(actor: Actor, workspace: str) -> Team:
    """Return the team that the request names, or else the token's team or the person's first one."""
    for team in [actor.token.team] if actor.token else actor.teams().order_by("slug"):
        if workspace.strip() in ("", workspace_of(team)):
            return team
    raise MlflowException(f"Workspace '{workspace}' not found", RESOURCE_DOES_NOT_EXIST)


def _check_path(path: str, caller: Caller, *, writes: bool) -> None:
    """Refuse a path that climbs, names another team's folder, or would change a registered version's files.

    MLflow checks paths too; this comes first, knows about teams, and does not depend on how MLflow decodes.
    """
    decoded = path
    while (again := unquote(decoded)) != decoded:
        decoded = again
    parts = [part.partition(";")[0] for part in decoded.replace("\\", "/").split("/")]
    if ".." in parts or "\x00" in decoded or decoded.startswith(("/", "\\")):
        raise MlflowException(f"Invalid path: {path!r}", INVALID_PARAMETER_VALUE)
    whole = path if parts[0] == "workspaces" else posixpath.join("workspaces", caller.workspace, path)
    if whole.split("/")[1:2] != [caller.workspace]:
        raise MlflowException("There is no such artifact, or it is not yours to see.", RESOURCE_DOES_NOT_EXIST)
    if writes:
        steps = posixpath.normpath(whole).split("/")
        folders = ["/".join(steps[:n]) for n in range(1, len(steps) + 1)]
        inside = ModelVersion.objects.filter(artifact_path__in=folders)
        around = ModelVersion.objects.filter(artifact_path__startswith=f"{folders[-1]}/")
        if version := (inside | around).select_related("model").first():
            raise MlflowException(f"{path} belongs to {version}; registered files never change.", PERMISSION_DENIED)


def _to_log_in(scope: Scope) -> Response | None:
    """Send a person who opens MLflow's pages without a session to our log-in, which sends them back."""
    headers = Headers(scope=scope)
    if scope["method"] != "GET" or "authorization" in headers or "text/html" not in headers.get("accept", ""):
        return None
    query = scope["query_string"].decode("latin-1")
    there = f"{settings.MLFLOW_URL}{scope['path']}" + (f"?{query}" if query else "")
    return RedirectResponse(f"{settings.WEB_URL}/login/?{urlencode({'next': there})}", 302)


def _answer(refused: MlflowException) -> Response:
    """Return the refusal as MLflow's clients read it."""
    status = refused.get_http_status_code()
    headers = {"WWW-Authenticate": CHALLENGE} if status == 401 else {}
    return Response(refused.serialize_as_json(), status, headers, "application/json")
