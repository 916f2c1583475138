"""Our rows as MLflow's entities. Version numbers stay integers, as MLflow's own SQL store hands them out."""

from mlflow.entities import model_registry as entities

from registry.mlflow.rows import ModelRow, VersionRow


def registered_model(row: ModelRow) -> entities.RegisteredModel:
    """Return a model with the newest version of each stage."""
    return entities.RegisteredModel(
        name=row.name,
        creation_timestamp=row.created_at,
        last_updated_timestamp=row.updated_at,
        description=row.description,
        latest_versions=[model_version(version) for version in row.latest],
        tags=[entities.RegisteredModelTag(key, value) for key, value in row.tags],
        aliases=[entities.RegisteredModelAlias(name, number) for name, number in row.aliases],
        workspace=row.workspace,
    )


def model_version(row: VersionRow) -> entities.ModelVersion:
    """Return a version; it is READY at once, since what our own reading finds is another matter."""
    return entities.ModelVersion(
        name=row.name,
        version=row.number,
        creation_timestamp=row.created_at,
        last_updated_timestamp=row.updated_at,
        description=row.description,
        user_id=row.created_by,
        current_stage=row.stage,
        source=row.source,
        run_id=row.run_id or None,
        run_link=row.run_link,
        tags=[entities.ModelVersionTag(key, value) for key, value in row.tags],
        aliases=row.aliases,
        model_id=row.logged_model_id or None,
        workspace=row.workspace,
    )
