"""Our refusals as MLflow's errors, so that its clients show our words with their own codes."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DataError, OperationalError
from django.http import Http404
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    INVALID_PARAMETER_VALUE,
    PERMISSION_DENIED,
    RESOURCE_CONFLICT,
    RESOURCE_DOES_NOT_EXIST,
    TEMPORARILY_UNAVAILABLE,
)

from registry.errors import RefusedError
from registry.outages import IN_THE_WAY, is_collision

CODES = {400: INVALID_PARAMETER_VALUE, 403: PERMISSION_DENIED, 404: RESOURCE_DOES_NOT_EXIST, 409: RESOURCE_CONFLICT}


@contextmanager
def in_mlflows_words() -> Iterator[None]:
    """Turn what the block refuses into an :class:`MlflowException`."""
    try:
        yield
    except RefusedError as refused:
        raise MlflowException(str(refused), CODES[refused.status]) from refused
    except Http404:
        raise MlflowException("There is no such object, or it is not yours to see.", RESOURCE_DOES_NOT_EXIST) from None
    except OperationalError as error:
        if not is_collision(error):
            raise
        raise MlflowException(IN_THE_WAY.detail, TEMPORARILY_UNAVAILABLE) from error
    except DataError as error:
        raise MlflowException("A value is too long or malformed.", INVALID_PARAMETER_VALUE) from error
