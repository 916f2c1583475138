"""The OpenAPI document: what every operation shares is added here once."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema

PROBLEM = {
    "type": "object",
    "description": "What went wrong (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {
            "type": "string",
            "description": "stable name of the kind of problem, such as `urn:problem:four-eyes`",
        },
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "what happened and what to do"},
        "errors": {
            "type": "array",
            "description": "each field or parameter that is not acceptable",
            "items": {
                "type": "object",
                "properties": {
                    "pointer": {"type": "string", "description": "JSON pointer to the field"},
                    "in": {"type": "string", "description": "`query` where it is a query parameter"},
                    "detail": {"type": "string"},
                },
            },
        },
        "unmet": {
            "type": "array",
            "description": "each rule that is not met, and who can clear it",
            "items": {
                "type": "object",
                "properties": {"rule": {"type": "string"}, "who": {"type": "string"}},
            },
        },
    },
}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Makes it safe to send the request again: the same key and body get the same answer.",
    "schema": {"type": "string", "maxLength": 255},
}


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # its __init_subclass__
    """Names our tokens in the document."""

    target_class = "registry.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """Return the scheme."""
        return {"type": "http", "scheme": "bearer", "description": "A token made under Settings, Tokens."}


class ApiSchema(AutoSchema):
    """Documents the query parameters of a view from the serializers that read them."""

    def get_override_parameters(self) -> list[Any]:
        """Return the parameters of GET, or those of the other verbs."""
        query = getattr(self.view, "query_class" if self.method == "GET" else "write_query_class", None)
        return [query] if query and query().fields else []


REFUSALS = {
    400: "A parameter or field is not acceptable; `errors` names each.",
    401: "No token or session, or one that is no longer good.",
    403: "The role, the token's scope or a rule does not allow it; `unmet` names who can clear it.",
    404: "There is no such object, or it is not yours to see.",
    406: "No such format is there.",
    409: "The present state does not allow it, or it changed since you looked.",
    413: "The body is larger than the server reads.",
    415: "The body is of a kind that is not read here.",
    422: "The `Idempotency-Key` was used for another request, or what was sent cannot be processed.",
    428: "Say which state of the object the request is about.",
    503: "Not available just now; `Retry-After` tells when to try again.",
}
EVERYWHERE = (400, 401, 403, 406, 503)
NAMING = {"format", "model", "request_id", "run", "team", "version"}  # query parameters that may name what is not there


def add_conventions(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the refusals that operations share, and `Idempotency-Key` to every POST.

    A view names those of its own by ``extend_schema(responses={415: None})``.
    """
    components = result["components"]
    components.setdefault("schemas", {})["Problem"] = PROBLEM
    components["responses"] = {f"Refused{status}": _problem(about) for status, about in REFUSALS.items()}
    for path in result["paths"].values():
        for method, operation in path.items():
            for status in _refusals(method, operation):
                operation["responses"][str(status)] = {"$ref": f"#/components/responses/Refused{status}"}
            if method == "post":
                operation.setdefault("parameters", []).append(IDEMPOTENCY_KEY)
    return result


def _problem(about: str) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": about, "content": content}


def _refusals(method: str, operation: dict[str, Any]) -> list[int]:
    """Return the statuses with which an operation may be refused."""
    told = {int(status) for status in operation["responses"] if int(status) >= 400}
    parameters = operation.get("parameters", [])
    if any(parameter["in"] == "path" or parameter["name"] in NAMING for parameter in parameters):
        told.add(404)
    if any(parameter["name"] == "If-Match" for parameter in parameters):
        told.add(428)
    if method != "get":
        told.add(409)
    if method == "post":
        told.add(422)
    if "requestBody" in operation:
        told |= {404, 413, 415}  # bodies name objects, too
    return sorted(told.union(EVERYWHERE))
