"""What each of MLflow's routes asks of its caller. A route that is not named here is refused.

Names are those of MLflow's handlers, found by the same matcher that Flask uses, so no spelling of a path can be read
in two ways. Which object a route may touch is decided by the store, which sees the caller's team alone.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import ENDPOINT_NOT_FOUND, INVALID_PARAMETER_VALUE
from mlflow.server import app as flask_app
from mlflow.tracing.utils.otlp import OTLP_TRACES_PATH
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect


class Access(Enum):
    """What a caller needs."""

    READ = "any role, and the scope read"
    WRITE = "the role engineer or admin, and the scope write"


OPEN_PATHS = ("/health", "/version")
READ = {
    # the web interface
    "serve", "serve_static_file", "_graphql", "_get_server_info", "_list_workspaces_handler", "_get_workspace_handler",
    "serve_get_ui_telemetry",
    # experiments and runs
    "_get_experiment", "_get_experiment_by_name", "_search_experiments", "_get_run", "_search_runs",
    "_get_metric_history", "get_metric_history_bulk_interval_handler", "serve_get_metric_history_bulk",
    "serve_get_metric_history_bulk_interval", "serve_search_datasets",
    # artifacts
    "_list_artifacts", "_list_artifacts_mlflow_artifacts", "_download_artifact", "serve_artifacts",
    "serve_model_version_artifact", "serve_get_logged_model_artifact", "serve_get_trace_artifact",
    # logged models
    "_get_logged_model", "_search_logged_models", "_list_logged_model_artifacts",
    # registered models and versions
    "_get_registered_model", "_search_registered_models", "_get_latest_versions", "_get_model_version",
    "_search_model_versions", "_get_model_version_download_uri", "_get_model_version_by_alias", "_list_webhooks",
    "_get_webhook",
    # traces and assessments
    "_get_trace", "_get_trace_info_v3", "_search_traces_v3", "_batch_get_traces", "_batch_get_trace_infos",
    "_query_trace_metrics", "_calculate_trace_filter_correlation", "_get_assessment", "_deprecated_search_traces_v2",
    "_deprecated_get_trace_info_v2",
    # evaluation data sets and scorers
    "_get_dataset_handler", "_get_dataset_experiment_ids_handler", "_get_dataset_records_handler",
    "_search_evaluation_datasets_handler", "_get_scorer", "_list_scorers", "_list_scorer_versions",
}  # fmt: skip
WRITE = {
    # experiments and runs
    "_create_experiment", "_update_experiment", "_delete_experiment", "_restore_experiment", "_set_experiment_tag",
    "_delete_experiment_tag", "_create_run", "_update_run", "_delete_run", "_restore_run", "_log_param", "_log_metric",
    "_log_batch", "_log_model", "_log_inputs", "_log_outputs", "_set_tag", "_delete_tag",
    # artifacts
    "_upload_artifact", "_delete_artifact_mlflow_artifacts",
    # logged models
    "_create_logged_model", "_finalize_logged_model", "_delete_logged_model", "_log_logged_model_params",
    "_set_logged_model_tags", "_delete_logged_model_tag",
    # registered models and versions
    "_create_registered_model", "_update_registered_model", "_rename_registered_model", "_delete_registered_model",
    "_set_registered_model_tag", "_delete_registered_model_tag", "_set_registered_model_alias",
    "_delete_registered_model_alias", "_create_model_version", "_update_model_version", "_delete_model_version",
    "_set_model_version_tag", "_delete_model_version_tag", "_transition_stage", "_create_webhook",
    "_update_webhook", "_delete_webhook", "_test_webhook",
    # traces and assessments
    "_start_trace_v3", "_delete_traces", "_set_trace_tag", "_set_trace_tag_v3", "_delete_trace_tag",
    "_delete_trace_tag_v3", "_link_traces_to_run", "_create_assessment", "_update_assessment", "_delete_assessment",
    "_deprecated_start_trace_v2", "_deprecated_end_trace_v2",
    # evaluation data sets and scorers
    "_create_dataset_handler", "_delete_dataset_handler", "_upsert_dataset_records_handler",
    "_delete_dataset_records_handler", "_set_dataset_tags_handler", "_delete_dataset_tag_handler",
    "_add_dataset_to_experiments_handler", "_remove_dataset_from_experiments_handler", "_register_scorer",
    "_delete_scorer",
}  # fmt: skip
# Routes of MLflow's FastAPI application that Flask does not have as well.
NATIVE = {("POST", OTLP_TRACES_PATH): Access.WRITE}

_matcher = flask_app.url_map.bind("localhost")


def access_to(method: str, path: str) -> tuple[Access, Mapping[str, Any]]:
    """Return what the route needs, and what its path names.

    Raises:
        MlflowException: ENDPOINT_NOT_FOUND, the route is refused to everyone; INVALID_PARAMETER_VALUE, the path is
            spelled in a way that Flask would redirect, such as with doubled slashes.
    """
    if native := NATIVE.get((method, path)):
        return native, {}
    try:
        endpoint, named = _matcher.match(path, method=method)
    except RequestRedirect:
        raise MlflowException(f"Invalid path: {path!r}", INVALID_PARAMETER_VALUE) from None
    except HTTPException:
        endpoint, named = "", {}
    for names, access in ((READ, Access.READ), (WRITE, Access.WRITE)):
        if endpoint in names:
            return access, named
    raise MlflowException(f"{method} {path} is not offered here.", ENDPOINT_NOT_FOUND)
