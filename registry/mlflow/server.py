"""MLflow's own server application, put together for this process alone."""

import errno
import logging
import os
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

from django.conf import settings
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

logger = logging.getLogger(__name__)

NO_ROOM = (
    "The artifacts' disk is full: nothing of this file was kept. Whoever runs this installation has to make room under "
    "ARTIFACT_ROOT; then send it again."
)
REGISTRY_URI = "controlplane://registry"
WORKSPACE_URI = "controlplane://teams"
ARTIFACT_ROOT_URI = "mlflow-artifacts:/"
SCHEMA = "mlflow"


def tracking_uri() -> str:
    """Return the address of MLflow's own tables: the application's database, in a schema of their own."""
    database = settings.DATABASES["default"]
    options = {**database.get("OPTIONS", {}), "options": f"-csearch_path={SCHEMA}"}
    user, password = quote(database["USER"], safe=""), quote(database["PASSWORD"], safe="")
    place = f"{database['HOST'] or 'localhost'}:{database['PORT'] or 5432}/{quote(database['NAME'], safe='')}"
    return f"postgresql+psycopg2://{user}:{password}@{place}?{urlencode(options, quote_via=quote)}"


def environment() -> dict[str, str]:
    """Return the switches that MLflow's server reads, the private ones among them that its command line would set."""
    hosts = [host.replace(".", "*.", 1) if host.startswith(".") else host for host in settings.ALLOWED_HOSTS]
    return {
        "_MLFLOW_SERVER_FILE_STORE": tracking_uri(),
        "_MLFLOW_SERVER_REGISTRY_STORE": REGISTRY_URI,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": ARTIFACT_ROOT_URI,
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": settings.ARTIFACT_STORE,
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "MLFLOW_ENABLE_WORKSPACES": "true",
        "MLFLOW_WORKSPACE_STORE_URI": WORKSPACE_URI,
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(name for host in hosts for name in (host, f"{host}:*")),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_ENABLE_AI_GATEWAY": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
    }


def _in_json(error: Any) -> tuple[str, int, dict[str, str]]:
    """Answer an error that one of MLflow's handlers forgot to catch, which would otherwise be a 500."""
    return error.serialize_as_json(), error.get_http_status_code(), {"Content-Type": "application/json"}


async def _no_room(request: Request, error: Exception) -> Response:
    """Say that the disk is full: a status that clients do not try again, since it would not help.

    Raises: OSError: it is something else.
    """
    if not (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)):
        raise error
    logger.error("An artifact was refused: %s", error)
    return JSONResponse({"error_code": "RESOURCE_EXHAUSTED", "message": NO_ROOM}, HTTPStatus.INSUFFICIENT_STORAGE)


def application() -> ASGIApp:
    """Return the application, with our stores behind it and our gate before it.

    Stores are registered here and not as plug-ins, since plug-ins load in every process that imports MLflow.
    """
    settings.ARTIFACT_ROOT.mkdir(parents=True, exist_ok=True)
    os.environ.update(environment())  # before MLflow's server is imported, which reads some of it on import
    from mlflow.exceptions import MlflowException
    from mlflow.server import app as flask_app
    from mlflow.server import handlers, server_info_api
    from mlflow.server.fastapi_app import app
    from mlflow.tracking._workspace import registry as workspaces

    from registry.mlflow.answers import answer_json
    from registry.mlflow.gate import Gate, django_request
    from registry.mlflow.store import RegistryStore
    from registry.mlflow.tracking import TrackingStore
    from registry.mlflow.webhooks import tested_by_our_store, told_by_our_outbox
    from registry.mlflow.workspaces import WorkspaceStore

    def build_tracking(store_uri: str, artifact_uri: str) -> TrackingStore:
        return TrackingStore(store_uri, artifact_uri)

    def build_registry(store_uri: str) -> RegistryStore:
        return RegistryStore(store_uri)

    handlers._tracking_store_registry.register("postgresql", build_tracking)
    handlers._model_registry_store_registry.register("controlplane", build_registry)
    workspaces._get_workspace_store_registry().register("controlplane", WorkspaceStore)
    handlers.initialize_backend_stores(tracking_uri(), REGISTRY_URI, ARTIFACT_ROOT_URI, WORKSPACE_URI)
    handlers.deliver_webhook = told_by_our_outbox  # MLflow's own would post from threads of this process
    handlers.test_webhook = tested_by_our_store
    handlers.message_to_json = answer_json
    flask_app.register_error_handler(MlflowException, _in_json)
    told = handlers.build_server_info_payload

    def server_info() -> dict[str, Any]:
        # S3 could do it, but its routes are not offered: every byte passes the gate.
        told_by_mlflow: dict[str, Any] = told()
        return told_by_mlflow | dict.fromkeys(("multipart_uploads_enabled", "multipart_downloads_enabled"), False)

    app.add_exception_handler(OSError, _no_room)
    handlers.build_server_info_payload = server_info_api.build_server_info_payload = server_info
    inner = flask_app.wsgi_app

    def with_django(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        with django_request():
            answer: Iterable[bytes] = inner(environ, start_response)
        return answer

    flask_app.wsgi_app = with_django
    return Gate(app)
