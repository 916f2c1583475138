"""CSV: rows in batches, and every line or value that does not fit named with its place.

Cells are read as text, batch by batch, and converted to the types that were declared: memory is that of one batch.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.csv as pa_csv

from experiments.intake.cells import WORDS, converted, type_of
from experiments.intake.dialects import ENCODINGS, LOOKED_AT, Dialect, dialect_of
from experiments.intake.found import Found
from registry.errors import InvalidError

BLOCK = 4 * 1024 * 1024  # bytes read at a time
PREVIEW_ROWS = 1_000  # by which types are inferred
SHOWN = 40  # characters of a value in an error


def found_in(path: Path, dialect: Dialect | None = None) -> Found:
    """Return how a file is written and what its columns look like, by its beginning.

    Args:
        dialect: to be read by, where a person corrected what was found.

    Raises:
        InvalidError: it is empty, not text, or its first line names no columns.
    """
    dialect = dialect or dialect_of(path)
    head = next(texts(path, dialect), None)
    if head is None or not head.height:
        raise InvalidError("The file has no rows below the line that names the columns.", field="file")
    head = head.head(PREVIEW_ROWS)
    columns = []
    for name in head.columns:
        there = head[name].drop_nulls()
        columns.append({"name": name, "type": type_of(there, dialect), "samples": there.head(4).to_list()})
    return Found(columns, dialect)


def texts(path: Path, dialect: Dialect) -> Iterator[pl.DataFrame]:
    """Yield the cells as text, an empty cell as a missing value, in batches.

    Raises:
        InvalidError: a line has too few or too many cells, a name is missing or repeated, or bytes are not of the encoding; says where.
    """
    names = _names(path, dialect)
    ragged = False

    def note(row: pa_csv.InvalidRow) -> str:
        nonlocal ragged
        ragged = True
        return "skip"

    try:
        reader = pa_csv.open_csv(
            path,
            pa_csv.ReadOptions(use_threads=False, block_size=BLOCK, column_names=names, skip_rows=1, encoding=dialect.encoding),
            pa_csv.ParseOptions(delimiter=dialect.separator, newlines_in_values=True, invalid_row_handler=note),
            pa_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.large_string()), strings_can_be_null=True, quoted_strings_can_be_null=False,
                null_values=["", "NA", "N/A", "NULL", "null", "NaN", "nan"],
            ),
        )  # fmt: skip
        for batch in reader:
            if ragged:
                break
            frame = pl.from_arrow(batch)
            assert isinstance(frame, pl.DataFrame)  # noqa: S101  of a batch
            yield frame
    except (pa.ArrowException, UnicodeError) as error:
        if "UTF8" in str(error) or isinstance(error, UnicodeError):
            raise InvalidError(
                f"The file holds bytes that are not {ENCODINGS[dialect.encoding]}; choose another encoding.",
                field="encoding",
            ) from None
        raise InvalidError(f"The file cannot be read as CSV: {str(error)[:300]}", field="file") from None
    if ragged:
        _refuse_ragged(path, dialect, len(names))


def typed(path: Path, dialect: Dialect, columns: Sequence[Mapping[str, str]]) -> Iterator[pl.DataFrame]:
    """Yield the declared columns in their types, in batches.

    Args:
        columns: [{name, type, …}].

    Raises:
        InvalidError: a column is missing, or a value is not of its type; names line and column.
    """
    formats: dict[str, str] = {}
    before = 0
    for batch in texts(path, dialect):
        if missing := [column["name"] for column in columns if column["name"] not in batch.columns]:
            raise InvalidError(
                f"The file has no column {missing[0]}; it has {', '.join(batch.columns)}.", field="columns"
            )
        made = []
        for column in columns:
            name, kind = column["name"], column["type"]
            value = converted(batch[name], kind, dialect, formats)
            bad = value.is_null() & batch[name].is_not_null()
            if bad.any():
                at = int(bad.arg_max() or 0)
                raise InvalidError(
                    f"Line {_line_of(path, dialect, row=before + at):,}, column {name}: {_shown(batch[name][at])} is no {WORDS[kind]}. Correct the file, or "
                    "choose another type for the column.", field="columns",
                )  # fmt: skip
            made.append(value)
        yield pl.DataFrame(made)
        before += batch.height


def _names(path: Path, dialect: Dialect) -> list[str]:
    with path.open(encoding=dialect.encoding, errors="replace", newline="") as file:
        head = file.read(LOOKED_AT).removeprefix("\ufeff")
    names = [name.strip() for name in next(csv.reader(io.StringIO(head), delimiter=dialect.separator), [])]
    for at, name in enumerate(names, 1):
        if not name or len(name) > 100:
            raise InvalidError(f"Line 1 names no column {at}, or in more than 100 characters.", field="file")
    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        raise InvalidError(f"Line 1 names {repeated[0]} more than once.", field="file")
    return names


def _refuse_ragged(path: Path, dialect: Dialect, expected: int) -> None:
    for line, cells in _lines(path, dialect):
        if len(cells) != expected:
            shown = _shown(dialect.separator.join(cells))
            raise InvalidError(
                f"Line {line:,} has {len(cells)} cells, and line 1 names {expected} columns: {shown}", field="file"
            )


def _line_of(path: Path, dialect: Dialect, *, row: int) -> int:
    """Return the line in which a row ends, which a quoted line break or an empty line moves."""
    return next(line for at, (line, _) in enumerate(_lines(path, dialect), -1) if at == row)


def _lines(path: Path, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Yield every row with the line it ends in: slow, for the one row that an error names."""
    csv.field_size_limit(BLOCK)
    with path.open(encoding=dialect.encoding, errors="replace", newline="") as file:
        reader = csv.reader(file, delimiter=dialect.separator)
        for cells in reader:
            if cells:
                yield reader.line_num, cells


def _shown(value: str) -> str:
    return repr(value if len(value) <= SHOWN else f"{value[:SHOWN]}…")
