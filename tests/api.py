"""A caller of the API with a token of its own."""

from django.test import Client

from registry.models import Role
from tests import factories


class Api:
    """Speaks JSON to `/api/v1/` as a new member of ``team``, through a bearer token."""

    def __init__(self, team, role=Role.ENGINEER, scopes=("read", "write", "decide")):
        self.token, self.secret = factories.make_token(team, role, scopes)
        self.user = self.token.user
        self.client = Client(headers={"Authorization": f"Bearer {self.secret}"})

    def send(self, method, path, body=None, **headers):
        return self.client.generic(
            method, f"/api/v1/{path}", b"" if body is None else body, "application/json",
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )  # fmt: skip

    def get(self, path, **query):
        return self.client.get(f"/api/v1/{path}", query)

    def post(self, path, body=None, **headers):
        return self._json(self.client.post, path, body, headers)

    def put(self, path, body):
        return self._json(self.client.put, path, body, {})

    def patch(self, path, body):
        return self._json(self.client.patch, path, body, {})

    def delete(self, path):
        return self.client.delete(f"/api/v1/{path}")

    @staticmethod
    def _json(send, path, body, headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return send(f"/api/v1/{path}", body or {}, content_type="application/json", headers=named)


def problem(response, status):
    """Return the problem document of a refusal with exactly this status."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    document = response.json()
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    return document
