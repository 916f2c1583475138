"""Models and versions with all that MLflow says of them, in one query each, however many are asked for.

A client that lists a hundred models wants their tags, their aliases and the newest version of each stage with its own tags and
aliases. PostgreSQL gathers them faster than six prefetched querysets do, and without an object for each row.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection
from mlflow.entities.model_registry.model_version_stages import ALL_STAGES

from registry.adapters import workspace_of
from registry.models import ModelVersion, Team


class VersionRow(NamedTuple):
    """A version; times in milliseconds, tags as pairs."""

    name: str
    number: int
    created_at: int
    updated_at: int
    description: str
    created_by: str
    stage: str
    source: str
    run_id: str
    run_link: str
    logged_model_id: str
    workspace: str
    tags: list[tuple[str, str]]
    aliases: list[str]


class ModelRow(NamedTuple):
    """A model; aliases with the number of their version, and the newest version of each stage, by number."""

    name: str
    created_at: int
    updated_at: int
    description: str
    workspace: str
    tags: list[tuple[str, str]]
    aliases: list[tuple[str, int]]
    latest: list[VersionRow]


# In the order of the fields above; `m` is the model, `v` the version, `u` its author.
_VERSION = """
    m.name, v.number, floor(1000 * extract(epoch FROM v.created_at))::bigint,
    floor(1000 * extract(epoch FROM v.updated_at))::bigint, v.description, u.username, v.stage, v.source, v.run_id,
    v.run_link, v.logged_model_id, 'team-' || m.team_id,
    coalesce((SELECT json_agg(json_build_array(t.key, t.value)) FROM registry_versiontag t WHERE t.version_id = v.id), '[]'),
    coalesce((SELECT json_agg(a.name ORDER BY a.name) FROM registry_alias a WHERE a.version_id = v.id), '[]')"""
_VERSIONS = f"""
    SELECT {_VERSION}
    FROM {{asked}}
    JOIN registry_modelversion v ON v.id = asked.id
    JOIN registry_registeredmodel m ON m.id = v.model_id
    JOIN auth_user u ON u.id = v.created_by_id
    ORDER BY asked.place"""  # noqa: S608  our own words
_MODELS = f"""
    SELECT m.name, floor(1000 * extract(epoch FROM m.created_at))::bigint,
        floor(1000 * extract(epoch FROM m.updated_at))::bigint, m.description, 'team-' || m.team_id,
        coalesce((SELECT json_agg(json_build_array(t.key, t.value)) FROM registry_modeltag t WHERE t.model_id = m.id), '[]'),
        coalesce((SELECT json_agg(json_build_array(a.name, k.number) ORDER BY a.name)
                  FROM registry_alias a JOIN registry_modelversion k ON k.id = a.version_id
                  WHERE a.model_id = m.id), '[]'),
        coalesce((SELECT json_agg(json_build_array({_VERSION}) ORDER BY v.number)
                  FROM unnest(%s::text[]) stages(stage) CROSS JOIN LATERAL (
                      SELECT * FROM registry_modelversion
                      WHERE model_id = m.id AND stage = stages.stage AND archived_at IS NULL
                      ORDER BY number DESC LIMIT 1) v
                  JOIN auth_user u ON u.id = v.created_by_id), '[]')
    FROM {{asked}}
    JOIN registry_registeredmodel m ON m.id = asked.id
    ORDER BY asked.place"""  # noqa: S608  our own words
_BY_IDS = "unnest(%s::bigint[]) WITH ORDINALITY asked(id, place)"
_BY_NAME = """
    (SELECT id, 0 AS place FROM registry_registeredmodel WHERE team_id = %s AND name = %s AND archived_at IS NULL) asked"""
_BY_NUMBER = """
    (SELECT v.id, 0 AS place FROM registry_registeredmodel m JOIN registry_modelversion v ON v.model_id = m.id
     WHERE m.team_id = %s AND m.name = %s AND v.number = %s AND m.archived_at IS NULL AND v.archived_at IS NULL) asked"""
_BY_ALIAS = """
    (SELECT v.id, 0 AS place FROM registry_registeredmodel m JOIN registry_alias a ON a.model_id = m.id
     JOIN registry_modelversion v ON v.id = a.version_id
     WHERE m.team_id = %s AND m.name = %s AND a.name = %s AND m.archived_at IS NULL AND v.archived_at IS NULL) asked"""


def model_rows(ids: Sequence[int]) -> list[ModelRow]:
    """Return these models, in this order; the caller has seen to whose they are."""
    return _models(_BY_IDS, list(ids))


def model_row(team: Team, name: str) -> ModelRow | None:
    """Return the team's live model of this name."""
    return next(iter(_models(_BY_NAME, team.pk, name)), None)


def version_rows(ids: Sequence[int]) -> list[VersionRow]:
    """Return these versions, in this order; the caller has seen to whose they are."""
    return _versions(_BY_IDS, list(ids))


def version_row(team: Team, name: str, *, number: int = 0, alias: str = "") -> VersionRow | None:
    """Return the version of the team's live model that has this number, or else this alias."""
    asked = (_BY_ALIAS, alias) if alias else (_BY_NUMBER, number)
    return next(iter(_versions(asked[0], team.pk, name, asked[1])), None)


def new_version_row(version: ModelVersion, *, tags: Mapping[str, str]) -> VersionRow:
    """Return the version that was made a moment ago: all of it is known, and no alias points at it yet."""
    return VersionRow(
        version.model.name, version.number, _milliseconds(version.created_at), _milliseconds(version.updated_at),
        version.description, version.created_by.get_username(), version.stage, version.source, version.run_id,
        version.run_link, version.logged_model_id, workspace_of(version.model.team), list(tags.items()), [],
    )  # fmt: skip


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _models(asked: str, *params: Any) -> list[ModelRow]:
    with connection.cursor() as cursor:
        cursor.execute(_MODELS.format(asked=asked), [ALL_STAGES, *params])
        rows = [ModelRow(*row) for row in cursor.fetchall()]
    return [row._replace(latest=[VersionRow(*version) for version in row.latest]) for row in rows]


def _versions(asked: str, *params: Any) -> list[VersionRow]:
    with connection.cursor() as cursor:
        cursor.execute(_VERSIONS.format(asked=asked), params)
        return [VersionRow(*row) for row in cursor.fetchall()]
