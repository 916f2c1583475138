"""Errors of the API as `application/problem+json` (RFC 9457)."""

import logging
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, ValidationError
from django.core.signals import got_request_exception
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from registry.errors import InvalidError, RefusedError
from registry.outages import OUTAGE, sqlstate, told

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
TITLES = {
    400: "The request is not valid",
    401: "Authentication is needed",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    409: "Conflict with the present state",
    413: "The request is too large",
    415: "Unsupported media type",
    422: "The request cannot be processed",
    428: "A precondition is needed",
    429: "Too many requests",
    500: "The server failed",
    503: "Not available here",
}


class QueryError(exceptions.ValidationError):
    """A query parameter is unknown, repeated or not acceptable."""


class PreconditionRequiredError(exceptions.APIException):
    """The caller has to say which state of the object the request is about."""

    status_code = 428


def problem_body(status: int, detail: str, *, kind: str = "about:blank", errors: list[dict[str, str]] | None = None,
                 **extra: Any) -> dict[str, Any]:  # fmt: skip
    """Return a problem document; ``errors`` name each field as a JSON pointer."""
    body = {"type": kind, "title": TITLES.get(status, "Error"), "status": status, "detail": detail, **extra}
    return body | {"errors": errors} if errors else body


def problem(status: int, detail: str, **members: Any) -> Response:
    """Return the answer that carries a problem document; arguments as for :func:`problem_body`."""
    return Response(problem_body(status, detail, **members), status=status, content_type=CONTENT_TYPE)


def problem_response(exc: Exception, context: dict[str, Any]) -> Response:
    """Turn whatever a view raised into a problem document."""
    set_rollback()
    match exc:
        case RefusedError():
            errors = [{"pointer": f"/{exc.field}", "detail": str(exc)}] if isinstance(exc, InvalidError) else None
            return problem(exc.status, str(exc), kind=f"urn:problem:{exc.code}", unmet=exc.unmet, errors=errors)
        case QueryError():
            errors = [{"in": "query"} | error for error in _pointers(exc.detail)]
            return problem(400, "One or more query parameters are not valid.", kind="urn:problem:query", errors=errors)
        case exceptions.ValidationError():
            return problem(
                400, "One or more fields are not valid.", kind="urn:problem:invalid", errors=_pointers(exc.detail)
            )
        case ValidationError():
            return problem(400, "; ".join(exc.messages))
        case exceptions.APIException():
            answer = problem(exc.status_code, str(exc.detail))
            if header := getattr(exc, "auth_header", None):
                answer["WWW-Authenticate"] = header
            if wait := getattr(exc, "wait", None):
                answer["Retry-After"] = str(int(wait))
            return answer
        case Http404():
            return problem(404, "There is no such object, or it is not yours to see.")
        case PermissionDenied():
            return problem(403, str(exc) or "Your role does not allow this.")
        case RequestDataTooBig():
            return problem(413, "The body is larger than the server reads.")
    return _outage(exc, context) if isinstance(exc, OUTAGE) else _failure(exc, context)


def _outage(exc: Exception, context: dict[str, Any]) -> Response:
    """Say what PostgreSQL could not do just now, and when to come back; the log says which request it was, and its code."""
    said, request = told(exc), context["request"]
    assert said  # noqa: S101  the caller asked
    logger.error(
        "%s %s (request %s) ended by PostgreSQL, SQLSTATE %s: %s", request.method, request.path,
        request.headers.get("X-Request-Id", "without id"), sqlstate(exc) or "none", exc,
    )  # fmt: skip
    answer = problem(503, said.detail, kind=said.kind)
    answer["Retry-After"] = str(said.retry_s)
    return answer


def _failure(exc: Exception, context: dict[str, Any]) -> Response:
    """Report an error nobody foresaw as Django would, and answer without telling what it was."""
    request = context["request"]
    got_request_exception.send(sender=type(context["view"]), request=request._request)
    logger.error("%s %s failed", request.method, request.path, exc_info=exc)
    return problem(500, "The server met an error that it did not foresee. It is logged; trying again later may help.")


def _pointers(detail: Any, path: str = "") -> list[dict[str, str]]:
    if isinstance(detail, dict):
        return [error for key, value in detail.items() for error in _pointers(value, path + _step(key))]
    if isinstance(detail, list):
        nested = [
            error
            for position, value in enumerate(detail)
            if isinstance(value, dict)
            for error in _pointers(value, f"{path}/{position}")
        ]
        return nested + [{"pointer": path, "detail": str(value)} for value in detail if not isinstance(value, dict)]
    return [{"pointer": path, "detail": str(detail)}]


def _step(key: Any) -> str:
    """Return one step of a JSON pointer (RFC 6901); errors of the whole object belong to the object itself."""
    return "" if key == "non_field_errors" else "/" + str(key).replace("~", "~0").replace("/", "~1")
