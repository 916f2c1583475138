"""What the caller's team has, in the words in which MLflow says that it is not there."""

from functools import cache

from django.db import connection
from django.db.models import QuerySet
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST
from mlflow.utils import validation

from registry.mlflow.caller import get_caller
from registry.mlflow.rows import ModelRow, model_row
from registry.models import ModelVersion, RegisteredModel
from registry.raw_rows import instance, select_list

FILES = ("manifest", "signature")  # long, and nothing that MLflow asks for


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
    team = get_caller().team
    with connection.cursor() as cursor:
        cursor.execute(_model_query(), [team.pk, name])
        row = cursor.fetchone()
    if row is None:
        raise _no_model(name)
    model = instance(RegisteredModel, iter(row))
    model.team = team
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
    team = get_caller().team
    with connection.cursor() as cursor:
        cursor.execute(_version_query(), [team.pk, name, number])
        row = cursor.fetchone()
    if row is None:
        raise no_version(name, version)
    values = iter(row)
    found, model = instance(ModelVersion, values, without=FILES), instance(RegisteredModel, values)
    found.model, model.team = model, team
    return found


@cache
def _model_query() -> str:
    return f"""SELECT {select_list("m", RegisteredModel)} FROM registry_registeredmodel m
        WHERE m.team_id = %s AND m.name = %s AND m.archived_at IS NULL"""  # noqa: S608  our own words


@cache
def _version_query() -> str:
    return f"""SELECT {select_list("v", ModelVersion, without=FILES)}, {select_list("m", RegisteredModel)}
        FROM registry_registeredmodel m JOIN registry_modelversion v ON v.model_id = m.id
        WHERE m.team_id = %s AND m.name = %s AND v.number = %s AND m.archived_at IS NULL AND v.archived_at IS NULL
        """  # noqa: S608  our own words


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
