"""Our rows as MLflow's entities. Version numbers stay integers, as MLflow's own SQL store hands them out."""

from collections.abc import Iterable
from datetime import datetime

from mlflow.entities import model_registry as entities

from registry.adapters import workspace_of
from registry.models import ModelVersion, RegisteredModel


def registered_model(row: RegisteredModel, latest: Iterable[ModelVersion]) -> entities.RegisteredModel:
    """Return a model with the newest version of each stage."""
    return entities.RegisteredModel(
        name=row.name,
        creation_timestamp=_milliseconds(row.created_at),
        last_updated_timestamp=_milliseconds(row.updated_at),
        description=row.description,
        latest_versions=[model_version(version) for version in latest],
        tags=[entities.RegisteredModelTag(tag.key, tag.value) for tag in row.tags.all()],
        aliases=[entities.RegisteredModelAlias(alias.name, alias.version.number) for alias in row.aliases.all()],
        workspace=workspace_of(row.team),
    )


def model_version(row: ModelVersion) -> entities.ModelVersion:
    """Return a version; it is READY at once, since what our own reading finds is another matter."""
    return entities.ModelVersion(
        name=row.model.name,
        version=row.number,
        creation_timestamp=_milliseconds(row.created_at),
        last_updated_timestamp=_milliseconds(row.updated_at),
        description=row.description,
        user_id=row.created_by.get_username(),
        current_stage=row.stage,
        source=row.source,
        run_id=row.run_id or None,
        run_link=row.run_link,
        tags=[entities.ModelVersionTag(tag.key, tag.value) for tag in row.tags.all()],
        aliases=[alias.name for alias in row.aliases.all()],
        model_id=row.logged_model_id or None,
        workspace=workspace_of(row.model.team),
    )


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
