"""Model instances from SQL of our own, where putting a queryset together takes longer than PostgreSQL takes to answer it."""

from collections.abc import Collection, Iterator
from itertools import islice
from typing import Any, TypeVar

from django.db import connection, models

Found = TypeVar("Found", bound=models.Model)


def select_list(alias: str, model: type[models.Model], *, without: Collection[str] = ()) -> str:
    """Return the columns of ``model`` for a SELECT, in the order that :func:`instance` takes them in."""
    return ", ".join(
        f'{alias}."{field.column}"{"::json" if isinstance(field, models.JSONField) else ""}'
        for field in model._meta.concrete_fields
        if field.attname not in without
    )


def instance(model: type[Found], values: Iterator[Any], *, without: Collection[str] = ()) -> Found:
    """Return an instance from the next of ``values``; fields that were left out are loaded when they are asked for."""
    names = [field.attname for field in model._meta.concrete_fields if field.attname not in without]
    return model.from_db(connection.alias, names, list(islice(values, len(names))))
