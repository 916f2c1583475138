"""A pytest plugin (`-p conformance.mlflow_tests`): MLflow's own tests, unchanged, against a server that runs already.

Their modules start a server for each test by a fixture. Here the fixture hands out a client of the server that
``MLFLOW_TRACKING_URI`` names, and each test finds the caller's team as empty as a new server would be.
"""

import os
from typing import Any

import pytest
from mlflow import MlflowClient

CLIENT_FIXTURES = ("client", "mlflow_client")


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any], request: Any) -> MlflowClient | None:
    """Set up the client in place of the fixture; every other fixture is set up as ever."""
    if fixturedef.argname not in CLIENT_FIXTURES:
        return None
    client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    for webhook in client.list_webhooks(max_results=100):
        client.delete_webhook(webhook.webhook_id)
    while models := client.search_registered_models():
        for model in models:
            client.delete_registered_model(model.name)
    fixturedef.cached_result = (client, fixturedef.cache_key(request), None)
    return client


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run each test once: which store MLflow's fixture would have put behind its server makes no difference here."""
    stores = {_params(item)["client"] for item in items if "client" in _params(item)}
    other = [item for item in items if stores and _params(item).get("client") == "file" and len(stores) > 1]
    config.hook.pytest_deselected(items=other)
    items[:] = [item for item in items if item not in other]


def _params(item: pytest.Item) -> dict[str, Any]:
    callspec = getattr(item, "callspec", None)
    return callspec.params if callspec else {}
