"""CSV: how it is written is found and shown, and every value that does not fit is named with its line and column.

Cells are read as text, batch by batch, and converted to the types that were declared: memory is that of one batch.
"""

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.csv as pa_csv

from registry.errors import InvalidError

ENCODINGS = {"utf-8": "UTF-8", "utf-16": "UTF-16", "cp1252": "Windows-1252"}
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
DECIMALS = {".": "point", ",": "comma"}
BLOCK = 4 * 1024 * 1024  # bytes read at a time
LOOKED_AT = 1024 * 1024  # bytes by which the dialect is found
PREVIEW_ROWS = 1_000  # by which types are inferred
SHOWN = 40  # characters of a value in an error
TIMES = (
    "%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M",
    "%Y-%m-%d", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y",
)  # fmt: skip
WORDS = {
    "long": "whole number",
    "double": "number",
    "boolean": "true or false",
    "datetime": "date or time",
    "string": "text",
}
TRUTH = {"true": True, "false": False, "yes": True, "no": False, "t": True, "f": False}


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written."""

    encoding: str = "utf-8"
    separator: str = ","
    decimal: str = "."

    def as_json(self) -> dict[str, str]:
        """Return it as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Found:
    """What the first rows of a source look like.

    Attributes:
        columns: [{name, type, samples}], in order.
        dialect: of CSV alone.
    """

    columns: list[dict[str, Any]]
    dialect: Dialect | None = None


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


def dialect_of(path: Path) -> Dialect:
    """Find encoding, separator and decimal sign of a file.

    Raises:
        InvalidError: it is empty or holds bytes that no text has.
    """
    with path.open("rb") as file:
        raw = file.read(LOOKED_AT)
    if not raw.strip():
        raise InvalidError("The file is empty.", field="file")
    encoding = _encoding(raw)
    text = codecs.getincrementaldecoder(encoding)(errors="ignore").decode(raw).removeprefix("\ufeff")
    if "\x00" in text:
        raise InvalidError("This is no text file, so it is no CSV. Is it Parquet?", field="file")
    lines = text.splitlines()[:200]
    separator = max(SEPARATORS, key=lambda sign: _columns_kept(lines, sign))
    cells = [cell.strip() for row in csv.reader(lines[1:], delimiter=separator) for cell in row]
    commas = sum(1 for cell in cells if _is_number(cell, ","))
    points = sum(1 for cell in cells if _is_number(cell, "."))
    return Dialect(encoding, separator, "," if separator != "," and commas > points else ".")


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


def converted(text: pl.Series, kind: str, dialect: Dialect, formats: dict[str, str]) -> pl.Series:
    """Return text as values of a type; missing where it is none.

    Args:
        formats: how times are written, by column; filled in by the first that fit.
    """
    if kind == "string":
        return text
    text = text.str.strip_chars()
    if kind == "boolean":
        return text.str.to_lowercase().replace_strict(TRUTH, default=None, return_dtype=pl.Boolean)
    if kind == "datetime":
        return _times(text, formats)
    if dialect.decimal == ",":
        text = text.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    return text.cast(pl.Int64 if kind == "long" else pl.Float64, strict=False)


def type_of(values: pl.Series, dialect: Dialect) -> str:
    """Return the narrowest type that all values have: boolean, long, double, datetime, else string."""
    if not len(values):
        return "string"
    for kind in ("boolean", "long", "double", "datetime"):
        if converted(values, kind, dialect, {}).null_count() == 0:
            leading = kind == "long" and values.str.contains(r"^0\d").any()
            return "string" if leading else kind  # a code such as 00123 is no number
    return "string"


def _times(text: pl.Series, formats: dict[str, str]) -> pl.Series:
    known = formats.get(text.name)
    for form in [known] if known else TIMES:
        read = text.str.to_datetime(
            form, time_unit="us", time_zone="UTC" if "z" in form else None, strict=False, exact=True
        )
        if known or read.null_count() == text.null_count():
            if text.null_count() < len(text):
                formats[text.name] = form
            return read.dt.convert_time_zone("UTC") if "z" in form else read.dt.replace_time_zone("UTC")
    form = next(
        (form for form in TIMES if text.str.to_datetime(form, strict=False).null_count() < len(text)), "%Y-%m-%d"
    )
    return text.str.to_datetime(
        form, time_unit="us", strict=False, time_zone="UTC" if "z" in form else None
    ).dt.replace_time_zone("UTC")


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


def _encoding(raw: bytes) -> str:
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(raw)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _columns_kept(lines: Sequence[str], separator: str) -> float:
    """Return how many columns a separator makes, times the share of lines that agree."""
    counts = Counter(len(row) for row in csv.reader(lines, delimiter=separator) if row)
    if not counts:
        return 0
    columns, agree = counts.most_common(1)[0]
    return (columns - 1) * agree / counts.total()


def _is_number(cell: str, decimal: str) -> bool:
    whole, sign, part = cell.partition(decimal)
    return bool(sign) and part.isdigit() and whole.lstrip("+-").isdigit()


def _shown(value: str) -> str:
    return repr(value if len(value) <= SHOWN else f"{value[:SHOWN]}…")
