"""What may be declared of a source: where its rows lie, how they are written, and how they are split."""

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.intake import database
from experiments.intake.dialects import DECIMALS, ENCODINGS, SEPARATORS
from experiments.intake.places import checked_place
from experiments.models import Dataset, DatasetSource
from experiments.rows.roles import the_column
from experiments.rows.splitting import SPLIT_COLUMN, SplitPolicy
from experiments.sourcing.connections import connections_of
from registry.access import Actor
from registry.errors import InvalidError
from registry.models import Role

FORMATS = {
    "csv": "CSV",
    "parquet": "Parquet",
    "delta": "Delta table",
    "retrieval": "TREC or BEIR: documents, queries, judgements",
}


def source_check(*, actor: Actor, dataset: Dataset, kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is to be read, checked; nothing is opened yet.

    Raises:
        RoleError: the actor is no engineer of the team.
        InvalidError: names the field.
    """
    actor.require(dataset.team, Role.ENGINEER)
    return checked_config(dataset, kind, config)


def policy_for(columns: Sequence[Mapping[str, str]], split: Mapping[str, Any]) -> SplitPolicy:
    """Return the policy that a person chose, with the column that it rests on.

    Raises:
        InvalidError: no column has the role that it needs.
    """
    kind = str(split.get("kind", ""))
    roles = {"time": ["time"], "entity": ["entity"], "random": ["query", "key"], "given": ["split"]}.get(kind, [])
    column = next((found for role in roles if (found := the_column(columns, role))), "")
    if kind == "random" and not column:
        column = "row_id"
    if kind in ("time", "entity", "given") and not column:
        raise InvalidError(f"No column is the {roles[0]}; choose it, or split in another way.", field="split/kind")
    cuts, shares = (
        dict(split.get("cuts") or {}),
        {name: float(share) for name, share in (split.get("shares") or {}).items()},
    )
    if kind == "time" and not (cuts or shares):
        raise InvalidError("Say where time is cut, or which share of the rows each split has.", field="split/shares")
    if SPLIT_COLUMN in {c["name"] for c in columns if c["role"] != "split"} and kind in ("entity", "random"):
        raise InvalidError(
            f"A column is named {SPLIT_COLUMN} already; give it the role split, or leave it out.", field="columns"
        )
    return SplitPolicy(
        kind, column, cuts=cuts, shares={} if kind == "given" else shares, seed=int(split.get("seed") or 0)
    )


def checked_config(dataset: Dataset, kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is read, with nothing in it that the kind does not know."""
    if kind == DatasetSource.Kind.UPLOAD:
        upload = dataset.uploads.filter(pk=int(config.get("upload") or 0)).first()
        if upload is None:
            raise InvalidError("There is no such upload of this data set.", field="upload")
        return {"upload": upload.pk, "name": upload.name, "dialect": _dialect(config)}
    if kind == DatasetSource.Kind.FILES:
        if config.get("on") not in ("local", "s3"):
            raise InvalidError("Files lie on local disk or on S3: local or s3.", field="on")
        if config.get("format") not in FORMATS:
            raise InvalidError(f"format must be one of {', '.join(FORMATS)}.", field="format")
        place = checked_place(str(config.get("place", "")))
        return {"on": config["on"], "place": place, "format": config["format"], "dialect": _dialect(config)}
    if kind == DatasetSource.Kind.POSTGRES:
        if config.get("connection") not in connections_of(dataset.team):
            raise InvalidError(
                f"Your team has no connection {config.get('connection')}; the platform configures them.",
                field="connection",
            )
        if config.get("start") in (None, ""):
            raise InvalidError("Say above which value the first run begins, such as 0 or 2020-01-01.", field="start")
        asked = database.checked(
            database.Query(str(config.get("query", "")), str(config.get("watermark", "")), config["start"])
        )
        return {
            "connection": config["connection"],
            "query": asked.text,
            "watermark": asked.watermark,
            "start": asked.start,
        }
    raise InvalidError(f"kind must be one of {', '.join(DatasetSource.Kind.values)}.", field="kind")


def _dialect(config: Mapping[str, Any]) -> dict[str, str] | None:
    given = config.get("dialect")
    if not given:
        return None
    for name, known in (("encoding", ENCODINGS), ("separator", SEPARATORS), ("decimal", DECIMALS)):
        if given.get(name) not in known:
            raise InvalidError(f"{name} must be one of {', '.join(map(repr, known))}.", field=name)
    return {name: given[name] for name in ("encoding", "separator", "decimal")}
