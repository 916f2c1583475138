"""Finding one request in the lake: Delta's statistics and the files' Bloom filters leave few files to read, of 90 days too."""

from collections.abc import Collection
from datetime import date
from typing import Any

import pyarrow as pa
from deltalake import QueryBuilder

from monitoring.predictions.lake import PREDICTIONS, open_table

FEW = 100  # models whose numbers are worth asking the files for


def rows_of(
    request_id: str, *, model_ids: Collection[int], table: str = PREDICTIONS, day: date | None = None
) -> list[dict[str, Any]]:
    """Return what a table holds of a request to one of these models, in no order.

    Args:
        day: the only one to look at, where it is known.
    """
    opened = open_table(table)
    if opened is None or not model_ids:
        return []
    of = f" AND model_id IN ({', '.join(str(int(pk)) for pk in model_ids)})" if len(model_ids) <= FEW else ""
    on = f" AND day = DATE '{day.isoformat()}'" if day else ""
    query = f"SELECT * FROM found WHERE request_id = {_text(request_id)}{of}{on}"  # noqa: S608  a text and numbers
    rows = pa.table(QueryBuilder().register("found", opened).execute(query)).to_pylist()
    return [row for row in rows if row["model_id"] in set(model_ids)]


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
