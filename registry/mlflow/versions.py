"""Model versions by MLflow's protocol."""

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import User
from mlflow.entities import model_registry as entities
from mlflow.entities.model_registry.model_version_stages import (
    DEFAULT_STAGES_FOR_GET_LATEST_VERSIONS,
    get_canonical_stage,
)
from mlflow.exceptions import MlflowException
from mlflow.server.handlers import _get_tracking_store
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.model_registry import (
    SEARCH_MODEL_VERSION_MAX_RESULTS_DEFAULT,
    SEARCH_MODEL_VERSION_MAX_RESULTS_THRESHOLD,
)
from mlflow.utils import validation

from registry import services
from registry.adapters import run_author
from registry.mlflow import search
from registry.mlflow.caller import get_caller
from registry.mlflow.entities import model_version
from registry.mlflow.errors import in_mlflows_words
from registry.mlflow.lookup import check_size, find_model, find_version, no_version, team_versions
from registry.mlflow.rows import new_version_row, version_row, version_rows
from registry.models import ModelVersion

NEWEST_FIRST = ("last_updated_timestamp DESC", "name ASC", "version_number DESC")


class VersionMethods:
    """What MLflow's registry store does with versions."""

    def create_model_version(
        self, name: str, source: str, run_id: str | None = None, tags: Sequence[Any] | None = None,
        run_link: str | None = None, description: str | None = None, local_model_path: str | None = None,
        model_id: str | None = None,
    ) -> entities.ModelVersion:  # fmt: skip
        """Register the next version; the author of its run counts as a contributor."""
        for tag in tags or []:
            validation._validate_model_version_tag(tag.key, tag.value)
        model = find_model(name)
        if model_id and not run_id:
            run_id = _get_tracking_store().get_logged_model(model_id).source_run_id
        with in_mlflows_words():
            version = services.version_create(
                actor=get_caller().actor, model=model, source=source, run_id=run_id or "", run_link=run_link or "",
                description=description or "", tags={tag.key: tag.value for tag in tags or []},
                contributors=_authors(run_id), logged_model_id=model_id or "",
            )  # fmt: skip
        return model_version(new_version_row(version, tags={tag.key: tag.value for tag in tags or []}))

    def update_model_version(self, name: str, version: int | str, description: str | None) -> entities.ModelVersion:
        """Change the version's description."""
        with in_mlflows_words():
            found = find_version(name, version)
            services.version_describe(actor=get_caller().actor, version=found, description=description or "")
        return _model_version(found)

    def transition_model_version_stage(
        self, name: str, version: int | str, stage: str, archive_existing_versions: bool
    ) -> entities.ModelVersion:
        """Move the version to a stage."""
        stage = get_canonical_stage(stage)
        if archive_existing_versions and stage not in DEFAULT_STAGES_FOR_GET_LATEST_VERSIONS:
            raise MlflowException.invalid_parameter_value(
                "Model version transition cannot archive existing model versions because "
                f"'{stage}' is not an Active stage. Valid stages are {DEFAULT_STAGES_FOR_GET_LATEST_VERSIONS}"
            )
        with in_mlflows_words():
            found = services.version_stage(
                actor=get_caller().actor, version=find_version(name, version), stage=stage,
                archive_others=archive_existing_versions,
            )  # fmt: skip
        return _model_version(found)

    def delete_model_version(self, name: str, version: int | str) -> None:
        """Archive the version, unless something governed refers to it."""
        with in_mlflows_words():
            services.version_archive(actor=get_caller().actor, version=find_version(name, version))

    def get_model_version(self, name: str, version: int | str) -> entities.ModelVersion:
        """Return one version."""
        validation._validate_model_name(name)
        number = validation._validate_model_version(version)
        row = version_row(get_caller().team, name, number=number)
        if row is None:
            raise no_version(name, version)
        return model_version(row)

    def get_model_version_download_uri(self, name: str, version: int | str) -> str:
        """Return where a client reads the files: the logged model's or original's own place instead of its alias."""
        source = find_version(name, version).source
        scheme, _, rest = source.partition(":")
        if scheme != "models":
            return source
        original, _, number = rest.strip("/").partition("/")
        if number:
            return self.get_model_version_download_uri(original, number)
        return str(_get_tracking_store().get_logged_model(original).artifact_location)

    def search_model_versions(
        self, filter_string: str | None = None, max_results: int = SEARCH_MODEL_VERSION_MAX_RESULTS_DEFAULT,
        order_by: Sequence[str] | None = None, page_token: str | None = None,
    ) -> PagedList[entities.ModelVersion]:  # fmt: skip
        """Return one page of the versions that a filter describes."""
        check_size(max_results, SEARCH_MODEL_VERSION_MAX_RESULTS_THRESHOLD)
        with in_mlflows_words():
            page = search.page_of(
                search.VERSIONS, search.filter_rows(search.VERSIONS, team_versions(), filter_string),
                order_by=order_by or NEWEST_FIRST, max_results=max_results, token=page_token,
            )  # fmt: skip
        return PagedList([model_version(row) for row in version_rows(page.ids)], page.token or None)

    def set_model_version_tag(self, name: str, version: int | str, tag: entities.ModelVersionTag) -> None:
        """Set one tag of the version."""
        validation._validate_model_version_tag(tag.key, tag.value)
        with in_mlflows_words():
            found = find_version(name, version)
            services.version_tag_set(actor=get_caller().actor, version=found, key=tag.key, value=tag.value)

    def delete_model_version_tag(self, name: str, version: int | str, key: str) -> None:
        """Remove one tag of the version."""
        validation._validate_tag_name(key)
        with in_mlflows_words():
            services.version_tag_delete(actor=get_caller().actor, version=find_version(name, version), key=key)


def _model_version(version: ModelVersion) -> entities.ModelVersion:
    [row] = version_rows([version.pk])
    return model_version(row)


def _authors(run_id: str | None) -> list[User]:
    """Return who started the run, beside the caller; nobody where it is an opaque id of another system."""
    caller = get_caller()
    author = run_author(run_id, team=caller.team) if run_id else None
    return list(User.objects.filter(username=author)) if author and author != caller.username else []
