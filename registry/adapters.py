"""MLflow's own tables and folders, seen from here.

A team is one of MLflow's workspaces, so MLflow itself keeps experiments, runs, traces and artifacts of teams apart.
"""

from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection

from registry.artifacts import ArtifactError, ArtifactReading, read_artifact
from registry.converted import convert
from registry.models import ModelVersion, Team
from registry.staging import stage

_RUN = """
    SELECT r.artifact_uri FROM mlflow.runs r JOIN mlflow.experiments e USING (experiment_id)
    WHERE r.run_uuid = %s AND e.workspace = %s"""
_LOGGED_MODEL = """
    SELECT m.artifact_location FROM mlflow.logged_models m JOIN mlflow.experiments e USING (experiment_id)
    WHERE m.model_id = %s AND e.workspace = %s"""
_AUTHOR = """
    SELECT r.user_id FROM mlflow.runs r JOIN mlflow.experiments e USING (experiment_id)
    WHERE r.run_uuid = %s AND e.workspace = %s"""
MAX_COPIES = 10  # a version copied from a copy of a copy, and so on


def workspace_of(team: Team) -> str:
    """Return the name of the team's workspace in MLflow; made of the id, so it outlives any renaming."""
    return f"team-{team.pk}"


def run_author(run_id: str, *, team: Team) -> str | None:
    """Return who started a run of the team, as our tracking store recorded it; None where it has no such run."""
    with connection.cursor() as cursor:
        cursor.execute(_AUTHOR, [run_id, workspace_of(team)])
        found = cursor.fetchone()
    return str(found[0]) if found else None


def resolve_source(source: str, run_id: str, *, team: Team) -> Path:
    """Return the folder within the artifact root that a version's source names.

    Args:
        source: ``mlflow-artifacts:/…``, ``runs:/<run>/<path>``, ``models:/<logged model>`` or ``models:/<name>/<number>``.
        run_id: the run that the version was registered from; a ``runs:`` source has to name the same one.
        team: whose workspace the folder has to lie in.

    Raises:
        ArtifactError: the source is opaque, names nothing of this team, or leaves the team's folder.
    """
    location = _location(source, run_id, team, MAX_COPIES)
    parts = [part for part in urlsplit(location).path.split("/") if part]
    if parts[:2] != ["workspaces", workspace_of(team)] or any(part in (".", "..") or "\x00" in part for part in parts):
        raise ArtifactError(f"{source} lies outside the artifacts of {team.name}. Register a model logged by the team.")
    return Path(settings.ARTIFACT_ROOT, *parts)


def read_source(source: str, run_id: str, *, team: Team) -> ArtifactReading:
    """Return what the files are that a version's source names; arguments as for :func:`resolve_source`.

    Raises:
        ArtifactError: there are none, or they are refused; says why.
    """
    folder = resolve_source(source, run_id, team=team)
    stage(folder.relative_to(settings.ARTIFACT_ROOT).as_posix())
    reading = read_artifact(folder)
    return replace(reading, conversion=convert(reading))


def _location(source: str, run_id: str, team: Team, copies: int) -> str:
    scheme, _, rest = source.partition(":")
    first, _, path = rest.lstrip("/").partition("/")
    if scheme == "mlflow-artifacts":
        return source
    if scheme == "runs":
        if first != run_id:
            raise ArtifactError(f"{source} names another run than {run_id or 'the version, which has none'}.")
        return f"{_lookup(_RUN, first, team, f'run {first}')}/{path}"
    if scheme == "models" and not path:
        return _lookup(_LOGGED_MODEL, first, team, f"logged model {first}")
    if scheme == "models" and path.isdecimal() and copies:
        original = ModelVersion.objects.filter(
            model__team=team, model__name=first, model__archived_at=None, number=int(path)
        ).first()
        if original is None:
            raise ArtifactError(f"{team.name} has no version {first}/{path}.")
        return _location(original.source, original.run_id, team, copies - 1)
    raise ArtifactError(
        f"The source {source!r} is kept as text and never opened. Log the model to MLflow and register it from its run."
    )


def _lookup(query: str, key: str, team: Team, what: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('mlflow.logged_models')")
        row = cursor.fetchone()
        if row and row[0]:
            cursor.execute(query, [key, workspace_of(team)])
            if found := cursor.fetchone():
                return str(found[0])
    raise ArtifactError(f"{team.name} has no {what} in MLflow.")
