"""What the caller's team has, in the words in which MLflow says that it is not there."""

from django.db.models import QuerySet
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST
from mlflow.utils import validation

from registry.mlflow.caller import get_caller
from registry.mlflow.rows import ModelRow, model_row
from registry.models import ModelVersion, RegisteredModel


def team_models() -> QuerySet[RegisteredModel]:
    """Return the models of the caller's team that are not archived."""
    return RegisteredModel.objects.kept().filter(team=get_caller().team)


def team_versions() -> QuerySet[ModelVersion]:
    """Return the versions of the caller's team that are not archived."""
    return ModelVersion.objects.filter(archived_at=None, model__archived_at=None, model__team=get_caller().team)


def find_model(name: str) -> RegisteredModel:
    """Return one model of the caller's team.

    Raises:
        MlflowException: there is none of this name, or it is no name.
    """
    validation._validate_model_name(name)
    try:
        model = team_models().get(name=name)
    except RegisteredModel.DoesNotExist:
        raise _no_model(name) from None
    model.team = get_caller().team  # at hand: joined to each of these queries, it made them twice as slow
    return model


def find_model_row(name: str) -> ModelRow:
    """Return one model as MLflow's entity needs it; raises as :func:`find_model`."""
    validation._validate_model_name(name)
    row = model_row(get_caller().team, name)
    if row is None:
        raise _no_model(name)
    return row


def find_version(name: str, version: int | str) -> ModelVersion:
    """Return one version of the caller's team, without its files.

    Raises:
        MlflowException: there is none of this number, or name or number are none.
    """
    validation._validate_model_name(name)
    number = validation._validate_model_version(version)
    try:
        found = (
            team_versions().select_related("model").defer("manifest", "signature").get(model__name=name, number=number)
        )
    except ModelVersion.DoesNotExist:
        raise no_version(name, version) from None
    found.model.team = get_caller().team
    return found


def no_version(name: str, version: int | str) -> MlflowException:
    """Return the refusal of a version that does not exist."""
    return MlflowException(f"Model Version (name={name}, version={version}) not found", RESOURCE_DOES_NOT_EXIST)


def _no_model(name: str) -> MlflowException:
    return MlflowException(f"Registered Model with name={name} not found", RESOURCE_DOES_NOT_EXIST)


def check_size(asked: int, most: int) -> None:
    """Refuse a page that is no page, or larger than MLflow's own largest.

    Raises:
        MlflowException: says which.
    """
    if not isinstance(asked, int) or asked < 1:
        raise MlflowException.invalid_parameter_value(
            f"Invalid value for max_results. It must be a positive integer, but got {asked}"
        )
    if asked > most:
        raise MlflowException.invalid_parameter_value(
            f"Invalid value for request parameter max_results. It must be at most {most}, but got value {asked}"
        )
