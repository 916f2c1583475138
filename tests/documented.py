"""A test client that holds each answer of the API against the OpenAPI document: its status, content type and body."""

import functools
import json
import re
from pathlib import Path

from django.test import Client
from django.urls import Resolver404, resolve
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from tests.api import Api

DOCUMENT = Path(__file__).parent.parent / "docs/reference/openapi.json"


class DocumentedClient(Client):
    """Fails at once where an answer under `/api/v1/` is not as documented."""

    def request(self, **request):
        answer = super().request(**request)
        # What nobody foresaw is not promised; a test that provokes it says so itself.
        if (
            request["PATH_INFO"].startswith("/api/v1/")
            and _leads_somewhere(request["PATH_INFO"])
            and answer.status_code != 500
        ):
            wrong = undocumented(request["REQUEST_METHOD"], answer)
            assert wrong == [], f"{request['REQUEST_METHOD']} {request['PATH_INFO']}: {wrong}"
        return answer


def _leads_somewhere(path):
    try:
        resolve(path)
    except Resolver404:
        return False
    return True


class DocumentedApi(Api):
    """Speaks JSON to `/api/v1/` as :class:`tests.api.Api`, and holds each answer against the document."""

    def __init__(self, *who, **more):
        super().__init__(*who, **more)
        self.client = DocumentedClient(headers={"Authorization": f"Bearer {self.secret}"})


def undocumented(method, answer):
    """Return how the answer differs from what the document promises of this operation."""
    path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", f"/{answer.resolver_match.route}").replace("{pk}", "{id}")
    operation = document()["paths"][path].get(method.lower())
    if operation is None:
        return [] if answer.status_code in (401, 403, 404, 405) else [f"{answer.status_code} of an unknown method"]
    told = operation["responses"].get(str(answer.status_code))
    if told is None:
        return [f"{answer.status_code} is not documented"]
    at = (
        told["$ref"] if "$ref" in told else pointer("paths", path, method.lower(), "responses", str(answer.status_code))
    )
    content = (
        document()["components"]["responses"][at.rpartition("/")[2]]["content"]
        if "$ref" in told
        else told.get("content")
    )
    kind = answer.headers.get("Content-Type", "").partition(";")[0]
    if not content:
        return ["a body is not documented"] if answer.getvalue() else []
    if kind not in content:
        return [f"{answer.status_code} as {kind} is not documented"]
    if not kind.endswith(("/json", "+json")):
        return []
    faults = validator(at + pointer("content", kind, "schema")[1:]).iter_errors(json.loads(answer.getvalue()))
    return [f"{answer.status_code}: {fault.json_path}: {fault.message[:300]}" for fault in faults]


@functools.cache
def document():
    return json.loads(DOCUMENT.read_text())


def pointer(*steps):
    """Return the JSON pointer to a place in the document."""
    return "#" + "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


@functools.cache
def validator(at):
    """Return what checks a schema of the document, whose references lead into it."""
    registry = Registry().with_resource("urn:document", Resource(document(), DRAFT202012))
    return Draft202012Validator({"$ref": f"urn:document{at}"}, registry=registry, format_checker=FormatChecker())
