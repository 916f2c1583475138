"""Rows of a query in PostgreSQL: read alone, within a time, above a watermark that is bound and never written into the text."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import psycopg2
from psycopg2 import extensions

from experiments.intake.found import Found
from registry.errors import InvalidError

BATCH = 20_000
PREVIEW_ROWS = 200
PLACEHOLDER = re.compile(r"(?<![:\w]):watermark\b")
TYPES = {16: "boolean", 20: "long", 21: "long", 23: "long", 700: "double", 701: "double", 1700: "double", 1082: "datetime", 1114: "datetime",
         1184: "datetime"}  # fmt: skip

POLARS: dict[str, Any] = {
    "boolean": pl.Boolean,
    "long": pl.Int64,
    "double": pl.Float64,
    "string": pl.String,
    "datetime": pl.Datetime("us", "UTC"),
}


@dataclass(frozen=True)
class Query:
    """What is asked.

    Attributes:
        text: a SELECT; ``:watermark`` in it stands for the highest value that earlier runs saw.
        watermark: the column of the result whose values only grow.
        start: the watermark of the first run.
    """

    text: str
    watermark: str
    start: str | int | float


def checked(query: Query) -> Query:
    """Return a query without its last semicolon.

    Raises:
        InvalidError: it is no single SELECT, or has no watermark.
    """
    text = query.text.strip().removesuffix(";").strip()
    if not re.match(r"(?is)(select|with)\b", text):
        raise InvalidError("The query must be one SELECT.", field="query")
    if ";" in text:
        raise InvalidError("The query must be one statement; write a semicolon in text as chr(59).", field="query")
    if "--" in text or "/*" in text:
        raise InvalidError("Leave comments out of the query.", field="query")
    if not PLACEHOLDER.search(text):
        raise InvalidError(
            "The query must ask for what is above :watermark, such as: WHERE updated_at > :watermark.", field="query"
        )
    if not query.watermark:
        raise InvalidError("Name the column of the result whose values only grow.", field="watermark")
    return Query(text, query.watermark, query.start)


def bound(query: Query, *, most_rows: int) -> str:
    """Return the statement with its parameter's place, in order of the watermark and bounded."""
    text = PLACEHOLDER.sub("%(watermark)s", query.text.replace("%", "%%"))
    column = '"' + query.watermark.replace("%", "%%").replace('"', '""') + '"'
    return f"SELECT * FROM ({text}\n) AS source_rows ORDER BY {column} LIMIT {int(most_rows)}"  # noqa: S608  of an engineer, read only


@contextmanager
def reading(url: str, *, timeout_s: float) -> Iterator[extensions.connection]:
    """Open a transaction that can only read, each statement of which ends within ``timeout_s``.

    Raises:
        InvalidError: the database does not answer; its address and password are not told.
    """
    milliseconds = int(timeout_s * 1000)
    try:
        opened = psycopg2.connect(
            url, connect_timeout=10, application_name="control plane: data set",
            options=f"-c default_transaction_read_only=on -c statement_timeout={milliseconds} "
            f"-c idle_in_transaction_session_timeout={milliseconds} -c timezone=UTC",
        )  # fmt: skip
    except psycopg2.Error:
        raise InvalidError(
            "The database of this connection does not answer, or does not let the platform in.", field="connection"
        ) from None
    try:
        opened.set_session(readonly=True, isolation_level="REPEATABLE READ")
        yield opened
    except psycopg2.Error as error:
        raise InvalidError(f"The database refuses the query: {_told(error)}", field="query") from None
    finally:
        opened.close()


def found_in(opened: extensions.connection, query: Query) -> Found:
    """Return what the columns of a query look like, by its first rows.

    Raises:
        InvalidError: there are no rows above the first watermark, or the watermark is no column of the result.
    """
    with opened.cursor() as cursor:
        cursor.execute(bound(query, most_rows=PREVIEW_ROWS), {"watermark": query.start})
        types = _types(cursor.description)
        rows = cursor.fetchall()
    if query.watermark not in types:
        raise InvalidError(f"The result has no column {query.watermark}; it has {', '.join(types)}.", field="watermark")
    if not rows:
        raise InvalidError(f"The query gives no rows above {query.start}.", field="start")
    columns = []
    for at, (name, kind) in enumerate(types.items()):
        samples = [str(row[at])[:40] for row in rows if row[at] is not None][:4]
        columns.append({"name": name, "type": kind, "samples": samples})
    return Found(columns)


class Reading:
    """The rows of one run, batch by batch, and how far they reach.

    Attributes:
        up_to: the highest watermark seen; the one it began above, where there was no row.
    """

    def __init__(self, opened: extensions.connection, query: Query, *, above: Any, most_rows: int) -> None:
        self.opened, self.query, self.most_rows = opened, query, most_rows
        self.up_to: Any = above

    def batches(self, columns: list[dict[str, str]]) -> Iterator[pl.DataFrame]:
        """Yield the declared columns.

        Raises:
            InvalidError: a column is missing, or is of another type by now.
        """
        above = self.up_to
        with self.opened.cursor(name="data_set") as cursor:
            cursor.itersize = BATCH
            cursor.execute(bound(self.query, most_rows=self.most_rows), {"watermark": above})
            while rows := cursor.fetchmany(BATCH):
                types = _types(cursor.description)
                place = {name: at for at, name in enumerate(types)}
                if missing := [c["name"] for c in columns if c["name"] not in place]:
                    raise InvalidError(
                        f"The result has no column {missing[0]}; it has {', '.join(types)}.", field="columns"
                    )
                latest = rows[-1][place[self.query.watermark]]
                if latest is None:
                    raise InvalidError(
                        f"{self.query.watermark} is missing in a row, so the run would not know how far it came.",
                        field="watermark",
                    )
                self.up_to = (
                    latest.isoformat()
                    if isinstance(latest, (date, datetime))
                    else float(latest)
                    if isinstance(latest, Decimal)
                    else latest
                )
                try:
                    yield pl.DataFrame([
                        pl.Series(c["name"], [_value(row[place[c["name"]]], c["type"]) for row in rows], dtype=POLARS[c["type"]], strict=True)
                        for c in columns
                    ])  # fmt: skip
                except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
                    raise InvalidError(
                        f"A value of the query is not of its column's type: {str(error)[:200]}", field="columns"
                    ) from None


def _types(description: Any) -> dict[str, str]:
    names = [column.name for column in description]
    if repeated := [name for name in names if names.count(name) > 1]:
        raise InvalidError(
            f"The result names {repeated[0]} more than once; give one another name with AS.", field="query"
        )
    return {column.name: TYPES.get(column.type_code, "string") for column in description}


def _value(value: Any, kind: str) -> Any:
    if value is None:
        return None
    match kind:
        case "double":
            return float(value)
        case "string":
            return str(value)
        case "datetime":
            if not isinstance(value, datetime):
                value = datetime(value.year, value.month, value.day, tzinfo=UTC)
            return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    return value


def _told(error: psycopg2.Error) -> str:
    if isinstance(error, psycopg2.errors.QueryCanceled):
        return "it took longer than it may. Ask for less, or for an index on the watermark."
    return str(error.diag.message_primary or "it cannot be run")[:300] if error.diag else "it cannot be run"
