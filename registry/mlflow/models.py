"""Registered models and their aliases by MLflow's protocol."""

from collections.abc import Sequence
from typing import Any

from mlflow.entities import model_registry as entities
from mlflow.entities.model_registry.model_version_stages import ALL_STAGES, get_canonical_stage
from mlflow.exceptions import MlflowException
from mlflow.prompt.registry_utils import handle_resource_already_exist_error, has_prompt_tag
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_ALREADY_EXISTS, RESOURCE_DOES_NOT_EXIST
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.model_registry import (
    SEARCH_REGISTERED_MODEL_MAX_RESULTS_DEFAULT,
    SEARCH_REGISTERED_MODEL_MAX_RESULTS_THRESHOLD,
)
from mlflow.utils import validation

from registry import services
from registry.errors import ConflictError
from registry.mlflow import search
from registry.mlflow.caller import get_caller
from registry.mlflow.entities import model_version, registered_model
from registry.mlflow.errors import in_mlflows_words
from registry.mlflow.lookup import check_size, find_model, find_model_row, find_version, team_models
from registry.mlflow.rows import model_rows, version_row
from registry.models import RegisteredModel


class ModelMethods:
    """What MLflow's registry store does with models and aliases."""

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
                if own := team_models().filter(name=name).first():
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
            services.model_update(actor=get_caller().actor, model=find_model(name), description=description or "")
        return self.get_registered_model(name)

    def rename_registered_model(self, name: str, new_name: str) -> entities.RegisteredModel:
        """Give the model another name."""
        validation._validate_model_renaming(new_name)
        with in_mlflows_words():
            try:
                services.model_rename(actor=get_caller().actor, model=find_model(name), name=new_name)
            except ConflictError:
                if team_models().filter(name=new_name).exists():
                    raise MlflowException(
                        f"Registered Model (name={new_name}) already exists.", RESOURCE_ALREADY_EXISTS
                    ) from None
                raise
        return self.get_registered_model(new_name)

    def delete_registered_model(self, name: str) -> None:
        """Archive the model, unless something governed refers to it."""
        with in_mlflows_words():
            services.model_archive(actor=get_caller().actor, model=find_model(name))

    def search_registered_models(
        self, filter_string: str | None = None, max_results: int = SEARCH_REGISTERED_MODEL_MAX_RESULTS_DEFAULT,
        order_by: Sequence[str] | None = None, page_token: str | None = None,
    ) -> PagedList[entities.RegisteredModel]:  # fmt: skip
        """Return one page of the models that a filter describes."""
        check_size(max_results, SEARCH_REGISTERED_MODEL_MAX_RESULTS_THRESHOLD)
        with in_mlflows_words():
            page = search.page_of(
                search.MODELS, search.filter_rows(search.MODELS, team_models(), filter_string),
                order_by=order_by or (), max_results=max_results, token=page_token,
            )  # fmt: skip
        return PagedList([registered_model(row) for row in model_rows(page.ids)], page.token or None)

    def get_registered_model(self, name: str) -> entities.RegisteredModel:
        """Return one model, with the newest version of each stage and none of the others."""
        return registered_model(find_model_row(name))

    def get_latest_versions(self, name: str, stages: Sequence[str] | None = None) -> list[entities.ModelVersion]:
        """Return the newest version of each stage asked for."""
        wanted = {get_canonical_stage(stage) for stage in stages or ALL_STAGES}
        return [model_version(row) for row in find_model_row(name).latest if row.stage in wanted]

    def set_registered_model_tag(self, name: str, tag: entities.RegisteredModelTag) -> None:
        """Set one tag of the model."""
        validation._validate_model_name(name)
        validation._validate_registered_model_tag(tag.key, tag.value)
        with in_mlflows_words():
            services.model_tag_set(actor=get_caller().actor, model=find_model(name), key=tag.key, value=tag.value)

    def delete_registered_model_tag(self, name: str, key: str) -> None:
        """Remove one tag of the model."""
        validation._validate_tag_name(key)
        with in_mlflows_words():
            services.model_tag_delete(actor=get_caller().actor, model=find_model(name), key=key)

    def set_registered_model_alias(self, name: str, alias: str, version: int | str) -> None:
        """Point a free alias at a version; a guarded one is refused."""
        validation._validate_model_alias_name(alias)
        validation._validate_model_alias_name_reserved(alias)
        found = find_version(name, version)
        with in_mlflows_words():
            services.alias_set(actor=get_caller().actor, model=found.model, name=alias, version=found)

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Remove a free alias; a guarded one is refused."""
        validation._validate_model_alias_name(alias)
        with in_mlflows_words():
            services.alias_delete(actor=get_caller().actor, model=find_model(name), name=alias)

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
            find_model(name)  # says so where there is no such model at all
            raise MlflowException(f"Registered model alias {alias} not found.", INVALID_PARAMETER_VALUE)
        return model_version(row)


def _registered_model(model: RegisteredModel) -> entities.RegisteredModel:
    [row] = model_rows([model.pk])
    return registered_model(row)
