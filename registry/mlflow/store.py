"""MLflow's model registry, kept in our tables: its methods parse, call one service or query, and answer in its words."""

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import User
from django.db.models import QuerySet
from mlflow.entities import model_registry as entities
from mlflow.entities.model_registry.model_version_stages import (
    ALL_STAGES,
    DEFAULT_STAGES_FOR_GET_LATEST_VERSIONS,
    get_canonical_stage,
)
from mlflow.exceptions import MlflowException
from mlflow.prompt.registry_utils import handle_resource_already_exist_error, has_prompt_tag
from mlflow.protos.databricks_pb2 import (
    INVALID_PARAMETER_VALUE,
    RESOURCE_ALREADY_EXISTS,
    RESOURCE_DOES_NOT_EXIST,
)
from mlflow.server.handlers import _get_tracking_store
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.model_registry import (
    SEARCH_MODEL_VERSION_MAX_RESULTS_DEFAULT,
    SEARCH_MODEL_VERSION_MAX_RESULTS_THRESHOLD,
    SEARCH_REGISTERED_MODEL_MAX_RESULTS_DEFAULT,
    SEARCH_REGISTERED_MODEL_MAX_RESULTS_THRESHOLD,
)
from mlflow.utils import validation

from registry import services
from registry.adapters import run_author
from registry.errors import ConflictError
from registry.mlflow import search
from registry.mlflow.caller import get_caller
from registry.mlflow.entities import model_version, registered_model
from registry.mlflow.errors import in_mlflows_words
from registry.mlflow.rows import ModelRow, model_row, model_rows, new_version_row, version_row, version_rows
from registry.mlflow.webhooks import WebhookMethods
from registry.models import ModelVersion, RegisteredModel

NEWEST_FIRST = ("last_updated_timestamp DESC", "name ASC", "version_number DESC")


class RegistryStore(WebhookMethods):
    """The caller's team's models. A method that MLflow has and this lacks would silently answer None, so none is."""

    @property
    def supports_workspaces(self) -> bool:
        """Whether models are kept apart by workspace: they are, by team."""
        return True

    # --- registered models -----------------------------------------------------------------------------------------

    def create_registered_model(
        self, name: str, tags: Sequence[Any] | None = None, description: str | None = None,
        deployment_job_id: str | None = None,
    ) -> entities.RegisteredModel:  # fmt: skip
        """Register a model of the caller's team."""
        validation._validate_model_name(name)
        for tag in tags or []:
            validation._validate_registered_model_tag(tag.key, tag.value)
        caller = get_caller()
        with in_mlflows_words():
            try:
                model = services.model_create(
                    actor=caller.actor, team=caller.team, name=name, description=description or "",
                    tags={tag.key: tag.value for tag in tags or []},
                )  # fmt: skip
            except ConflictError as taken:
                if own := _models().filter(name=name).first():
                    handle_resource_already_exist_error(name, own.is_prompt, has_prompt_tag(tags))
                raise MlflowException(
                    f"Registered Model (name={name}) already exists in another team. Choose another name.",
                    RESOURCE_ALREADY_EXISTS,
                ) from taken
        return _registered_model(model)

    def update_registered_model(
        self, name: str, description: str | None, deployment_job_id: str | None = None
    ) -> entities.RegisteredModel:
        """Change the model's description."""
        with in_mlflows_words():
            services.model_update(actor=get_caller().actor, model=_model(name), description=description or "")
        return self.get_registered_model(name)

    def rename_registered_model(self, name: str, new_name: str) -> entities.RegisteredModel:
        """Give the model another name."""
        validation._validate_model_renaming(new_name)
        with in_mlflows_words():
            try:
                services.model_rename(actor=get_caller().actor, model=_model(name), name=new_name)
            except ConflictError:
                if _models().filter(name=new_name).exists():
                    raise MlflowException(
                        f"Registered Model (name={new_name}) already exists.", RESOURCE_ALREADY_EXISTS
                    ) from None
                raise
        return self.get_registered_model(new_name)

    def delete_registered_model(self, name: str) -> None:
        """Archive the model, unless something governed refers to it."""
        with in_mlflows_words():
            services.model_archive(actor=get_caller().actor, model=_model(name))

    def search_registered_models(
        self, filter_string: str | None = None, max_results: int = SEARCH_REGISTERED_MODEL_MAX_RESULTS_DEFAULT,
        order_by: Sequence[str] | None = None, page_token: str | None = None,
    ) -> PagedList[entities.RegisteredModel]:  # fmt: skip
        """Return one page of the models that a filter describes."""
        _check_size(max_results, SEARCH_REGISTERED_MODEL_MAX_RESULTS_THRESHOLD)
        with in_mlflows_words():
            page = search.page_of(
                search.MODELS, search.filter_rows(search.MODELS, _models(), filter_string),
                order_by=order_by or (), max_results=max_results, token=page_token,
            )  # fmt: skip
        return PagedList([registered_model(row) for row in model_rows(page.ids)], page.token or None)

    def get_registered_model(self, name: str) -> entities.RegisteredModel:
        """Return one model, with the newest version of each stage and none of the others."""
        return registered_model(_model_row(name))

    def get_latest_versions(self, name: str, stages: Sequence[str] | None = None) -> list[entities.ModelVersion]:
        """Return the newest version of each stage asked for."""
        wanted = {get_canonical_stage(stage) for stage in stages or ALL_STAGES}
        return [model_version(row) for row in _model_row(name).latest if row.stage in wanted]

    def set_registered_model_tag(self, name: str, tag: entities.RegisteredModelTag) -> None:
        """Set one tag of the model."""
        validation._validate_model_name(name)
        validation._validate_registered_model_tag(tag.key, tag.value)
        with in_mlflows_words():
            services.model_tag_set(actor=get_caller().actor, model=_model(name), key=tag.key, value=tag.value)

    def delete_registered_model_tag(self, name: str, key: str) -> None:
        """Remove one tag of the model."""
        validation._validate_tag_name(key)
        with in_mlflows_words():
            services.model_tag_delete(actor=get_caller().actor, model=_model(name), key=key)

    # --- versions --------------------------------------------------------------------------------------------------

    def create_model_version(
        self, name: str, source: str, run_id: str | None = None, tags: Sequence[Any] | None = None,
        run_link: str | None = None, description: str | None = None, local_model_path: str | None = None,
        model_id: str | None = None,
    ) -> entities.ModelVersion:  # fmt: skip
        """Register the next version; the author of its run counts as a contributor."""
        for tag in tags or []:
            validation._validate_model_version_tag(tag.key, tag.value)
        model = _model(name)
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
            found = _version(name, version)
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
                actor=get_caller().actor, version=_version(name, version), stage=stage,
                archive_others=archive_existing_versions,
            )  # fmt: skip
        return _model_version(found)

    def delete_model_version(self, name: str, version: int | str) -> None:
        """Archive the version, unless something governed refers to it."""
        with in_mlflows_words():
            services.version_archive(actor=get_caller().actor, version=_version(name, version))

    def get_model_version(self, name: str, version: int | str) -> entities.ModelVersion:
        """Return one version."""
        validation._validate_model_name(name)
        number = validation._validate_model_version(version)
        row = version_row(get_caller().team, name, number=number)
        if row is None:
            raise _no_version(name, version)
        return model_version(row)

    def get_model_version_download_uri(self, name: str, version: int | str) -> str:
        """Return where a client reads the files: the logged model's or original's own place instead of its alias."""
        source = _version(name, version).source
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
        _check_size(max_results, SEARCH_MODEL_VERSION_MAX_RESULTS_THRESHOLD)
        with in_mlflows_words():
            page = search.page_of(
                search.VERSIONS, search.filter_rows(search.VERSIONS, _versions(), filter_string),
                order_by=order_by or NEWEST_FIRST, max_results=max_results, token=page_token,
            )  # fmt: skip
        return PagedList([model_version(row) for row in version_rows(page.ids)], page.token or None)

    def set_model_version_tag(self, name: str, version: int | str, tag: entities.ModelVersionTag) -> None:
        """Set one tag of the version."""
        validation._validate_model_version_tag(tag.key, tag.value)
        with in_mlflows_words():
            found = _version(name, version)
            services.version_tag_set(actor=get_caller().actor, version=found, key=tag.key, value=tag.value)

    def delete_model_version_tag(self, name: str, version: int | str, key: str) -> None:
        """Remove one tag of the version."""
        validation._validate_tag_name(key)
        with in_mlflows_words():
            services.version_tag_delete(actor=get_caller().actor, version=_version(name, version), key=key)

    # --- aliases ---------------------------------------------------------------------------------------------------

    def set_registered_model_alias(self, name: str, alias: str, version: int | str) -> None:
        """Point a free alias at a version; a guarded one is refused."""
        validation._validate_model_alias_name(alias)
        validation._validate_model_alias_name_reserved(alias)
        found = _version(name, version)
        with in_mlflows_words():
            services.alias_set(actor=get_caller().actor, model=found.model, name=alias, version=found)

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Remove a free alias; a guarded one is refused."""
        validation._validate_model_alias_name(alias)
        with in_mlflows_words():
            services.alias_delete(actor=get_caller().actor, model=_model(name), name=alias)

    def get_model_version_by_alias(self, name: str, alias: str) -> entities.ModelVersion:
        """Return the version that an alias points at."""
        validation._validate_model_name(name)
        validation._validate_model_alias_name(alias)
        if alias.lower() == "latest":
            versions = self.get_latest_versions(name)
            if not versions:
                raise MlflowException(f"Latest version not found for model {name}.", RESOURCE_DOES_NOT_EXIST)
            return max(versions, key=lambda version: int(version.version))
        row = version_row(get_caller().team, name, alias=alias)
        if row is None:
            _model(name)  # says so where there is no such model at all
            raise MlflowException(f"Registered model alias {alias} not found.", INVALID_PARAMETER_VALUE)
        return model_version(row)


def _models() -> QuerySet[RegisteredModel]:
    return RegisteredModel.objects.kept().filter(team=get_caller().team)


def _versions() -> QuerySet[ModelVersion]:
    return ModelVersion.objects.filter(archived_at=None, model__archived_at=None, model__team=get_caller().team)


def _model(name: str) -> RegisteredModel:
    validation._validate_model_name(name)
    try:
        model = _models().get(name=name)
    except RegisteredModel.DoesNotExist:
        raise _no_model(name) from None
    model.team = get_caller().team  # at hand: joined to each of these queries, it made them twice as slow
    return model


def _model_row(name: str) -> ModelRow:
    validation._validate_model_name(name)
    row = model_row(get_caller().team, name)
    if row is None:
        raise _no_model(name)
    return row


def _no_model(name: str) -> MlflowException:
    return MlflowException(f"Registered Model with name={name} not found", RESOURCE_DOES_NOT_EXIST)


def _no_version(name: str, version: int | str) -> MlflowException:
    return MlflowException(f"Model Version (name={name}, version={version}) not found", RESOURCE_DOES_NOT_EXIST)


def _version(name: str, version: int | str) -> ModelVersion:
    validation._validate_model_name(name)
    number = validation._validate_model_version(version)
    try:
        found = _versions().select_related("model").defer("manifest", "signature").get(model__name=name, number=number)
    except ModelVersion.DoesNotExist:
        raise _no_version(name, version) from None
    found.model.team = get_caller().team
    return found


def _registered_model(model: RegisteredModel) -> entities.RegisteredModel:
    [row] = model_rows([model.pk])
    return registered_model(row)


def _model_version(version: ModelVersion) -> entities.ModelVersion:
    [row] = version_rows([version.pk])
    return model_version(row)


def _authors(run_id: str | None) -> list[User]:
    """Return who started the run, beside the caller; nobody where it is an opaque id of another system."""
    caller = get_caller()
    author = run_author(run_id, team=caller.team) if run_id else None
    return list(User.objects.filter(username=author)) if author and author != caller.username else []


def _check_size(asked: int, most: int) -> None:
    if not isinstance(asked, int) or asked < 1:
        raise MlflowException.invalid_parameter_value(
            f"Invalid value for max_results. It must be a positive integer, but got {asked}"
        )
    if asked > most:
        raise MlflowException.invalid_parameter_value(
            f"Invalid value for request parameter max_results. It must be at most {most}, but got value {asked}"
        )
