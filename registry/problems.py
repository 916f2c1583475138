"""Errors of the API as `application/problem+json` (RFC 9457)."""

from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import set_rollback

from registry.errors import RefusedError

TITLES = {
    400: "The request is not valid",
    401: "Authentication is needed",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict with the present state",
    412: "The object has changed",
    415: "Unsupported media type",
    422: "The request cannot be processed",
    428: "A precondition is needed",
    429: "Too many requests",
}


def problem(status_code: int, detail: str, *, kind: str = "about:blank", errors: list[dict[str, str]] | None = None,
            **extra: Any) -> Response:  # fmt: skip
    """Return a problem document; ``errors`` name each field as a JSON pointer."""
    body: dict[str, Any] = {
        "type": kind,
        "title": TITLES.get(status_code, "Error"),
        "status": status_code,
        "detail": detail,
    }
    if errors:
        body["errors"] = errors
    return Response(body | extra, status=status_code, content_type="application/problem+json")


def problem_response(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Turn an exception into a problem document; None lets an unforeseen one become a 500."""
    set_rollback()
    match exc:
        case RefusedError():
            return problem(exc.status, str(exc), kind=f"urn:problem:{exc.code}", unmet=exc.unmet)
        case exceptions.ValidationError():
            return problem(400, "One or more fields are not valid.", errors=_pointers(exc.detail))
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
            return problem(status.HTTP_404_NOT_FOUND, "There is no such object, or it is not yours to see.")
        case PermissionDenied():
            return problem(status.HTTP_403_FORBIDDEN, str(exc) or "Your role does not allow this.")
    return None


def _pointers(detail: Any, path: str = "") -> list[dict[str, str]]:
    if isinstance(detail, dict):
        return [e for key, value in detail.items() for e in _pointers(value, f"{path}/{key}")]
    if isinstance(detail, list):
        nested = [
            e for i, value in enumerate(detail) if isinstance(value, dict) for e in _pointers(value, f"{path}/{i}")
        ]
        return nested + [{"pointer": path or "/", "detail": str(v)} for v in detail if not isinstance(v, dict)]
    return [{"pointer": path or "/", "detail": str(detail)}]
