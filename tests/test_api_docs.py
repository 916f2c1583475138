"""The API's own description: the OpenAPI document and the page made of it."""

import json

import pytest
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from controlplane.api_docs.document import operations
from registry import services
from registry.errors import RefusedError
from registry.models import Role
from tests import factories
from tests.api import Api
from tests.browser import accessibility_faults, check_page, log_in, sideways_scroll

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def document():
    return SchemaGenerator().get_schema(request=None, public=True)


def test_document_is_made_without_a_warning(capsys):
    SchemaGenerator().get_schema(request=None, public=True)

    assert capsys.readouterr().err == ""


def test_document_is_valid_openapi_3_1_and_complete(document):
    validate_schema(document)

    assert document["openapi"].startswith("3.1")
    for path, methods in document["paths"].items():
        assert not path.endswith("/"), f"{path}: addresses of the API end without a slash"
        for method, told in methods.items():
            name = f"{method.upper()} {path}"
            assert told.get("summary"), f"{name} needs @extend_schema(summary=…)"
            assert told.get("description"), f"{name} needs a docstring"
            assert told["responses"].keys() >= {"400", "401", "403", "503"}, name
            assert "default" not in told["responses"], f"{name}: every status by its number, or none is undocumented"
            keys = [parameter["name"] for parameter in told.get("parameters", [])]
            assert ("Idempotency-Key" in keys) == (method == "post"), name


def test_document_is_served_as_json_and_yaml_to_members_alone(client):
    assert client.get("/api/schema/").status_code == 401
    api = Api(factories.make_team(), Role.VIEWER, ["read"])

    as_json = api.client.get("/api/schema/?format=json")
    as_yaml = api.client.get("/api/schema/")

    assert json.loads(as_json.content)["info"]["title"] == "Control plane API"
    assert as_yaml.content.startswith(b"openapi: 3.1")


SCHEMAS = {
    "Colour": {"type": "string", "enum": ["red", "blue"]},
    "Wheel": {"type": "object", "properties": {"size": {"type": "number"}}, "required": ["size"]},
    "Car": {
        "type": "object",
        "required": ["name", "wheels"],
        "properties": {
            "name": {"type": "string", "description": "what  it\nis called"},
            "colour": {"allOf": [{"$ref": "#/components/schemas/Colour"}], "default": "red"},
            "wheels": {"type": "array", "items": {"$ref": "#/components/schemas/Wheel"}},
            "sold_at": {"type": ["string", "null"], "format": "date-time"},
            "spare": {"oneOf": [{"$ref": "#/components/schemas/Wheel"}, {"type": "null"}]},
        },
    },
}


def test_operation_is_read_with_fields_types_and_example():
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Car"}}}
    told = {
        "operationId": "cars_create", "tags": ["Cars"], "summary": "Make a car", "description": "One.\n\nTwo\nlines.",
        "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}],
        "requestBody": {"content": content}, "responses": {"201": {"content": content}, "default": {}},
    }  # fmt: skip

    read = operations(
        {"paths": {"/api/v1/cars/{id}": {"post": told}}, "components": {"schemas": SCHEMAS}}, server="http://x"
    )

    (operation,) = read["Cars"]
    assert operation.about == ["One.", "Two lines."]
    assert [(f.name, f.kind, f.required, f.about) for f in operation.body] == [
        ("name", "string", True, "what it is called"),
        ("colour", "one of red, blue", False, "red unless told otherwise"),
        ("wheels", "list of object", True, ""),
        ("wheels[].size", "number", True, ""),
        ("sold_at", "time or null", False, ""),
        ("spare", "object or null", False, ""),
        ("spare.size", "number", True, ""),
    ]
    assert operation.curl == (
        "curl -X POST http://x/api/v1/cars/1 \\\n"
        '  -H "Authorization: Bearer $CP_TOKEN" \\\n'
        '  -H "Idempotency-Key: $(uuidgen)" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        """  -d '{"name": "flight-delay", "wheels": [{"size": 1}]}'"""
    )
    assert [(answer.status, len(answer.fields)) for answer in operation.answers] == [("201", 7)]


def test_pages_show_every_operation_and_kind_of_problem(client, document):
    client.force_login(factories.make_user(factories.make_team(), Role.VIEWER))

    start = client.get("/api/docs/").content.decode()

    told = [(path, operation) for path, methods in document["paths"].items() for operation in methods.values()]
    groups = {tag for _, operation in told for tag in operation["tags"]}
    pages = {group: client.get("/api/docs/", {"group": group}).content.decode() for group in groups}
    for path, operation in told:
        assert f'<code class="op-p">{path}</code>' in start
        assert f'id="{operation["operationId"]}"' in pages[operation["tags"][0]]
    for error in RefusedError.__subclasses__():
        assert f"urn:problem:{error.code}" in start
    assert "You have no token yet" in start
    assert client.get("/api/docs/?group=Nothing").status_code == 404


def test_page_names_the_reader_s_own_token(client):
    team = factories.make_team()
    factories.make_token(team)
    user = factories.make_user(team)
    actor = factories.Actor(user, "session")
    token, secret = services.token_create(actor=actor, user=user, team=team, name="my laptop", scopes=["read"])
    client.force_login(user)

    page = client.get("/api/docs/").content.decode()

    assert "my laptop" in page
    assert f"export CP_TOKEN={token.prefix}…" in page
    assert secret not in page


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_page_in_a_browser(page, live_server):
    log_in(page, factories.make_user(factories.make_team()), live_server)
    asked = []
    page.on("request", lambda request: asked.append(request.url))

    check_page(page, "/api/docs/", live_server)
    check_page(page, "/api/docs/?group=Criteria", live_server)
    page.locator("#criteria_agree_create summary").click()

    assert page.get_by_text("criteria[].threshold").locator("visible=true").first.is_visible()
    assert accessibility_faults(page) == []
    assert sideways_scroll(page) <= 0
    assert [url for url in asked if not url.startswith((live_server.url, "data:"))] == []
