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
    """Documents the query parameters of a view from the serializer that reads them."""

    def get_override_parameters(self) -> list[Any]:
        """Return the parameters of GET, or those of the other verbs."""
        query = getattr(self.view, "query_class" if self.method == "GET" else "write_query_class", None)
        return [query] if query and query().fields else []


def add_conventions(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the problem document to every operation, and `Idempotency-Key` to every POST."""
    result["components"].setdefault("schemas", {})["Problem"] = PROBLEM
    answer = {
        "description": "A problem; its `status` and `type` tell which.",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for path in result["paths"].values():
        for method, operation in path.items():
            operation["responses"].setdefault("default", answer)
            if method == "post":
                operation.setdefault("parameters", []).append(IDEMPOTENCY_KEY)
    return result
