"""Reading labels that arrive as lines: NDJSON or CSV. Pure: bytes go in; labels, or what is wrong with a line, come out."""

import csv
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import chain
from typing import IO, Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

MOST_LINES = 100_000
LONGEST_LINE = 4096  # bytes
MUST_BE = {
    "request_id": "must be 1 to 128 printable ASCII characters",
    "row": "must be a whole number from 0",
    "time": "must be a time with its zone, such as 2026-11-25T12:00:00Z",
    "value": "must be a number, true or false, or a text of 1 to 200 characters",
}
CSV_COLUMNS = ("request_id", "row", "time", "value")


class Label(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What became of one prediction."""

    request_id: Annotated[str, Meta(min_length=1, max_length=128, pattern="^[ -~]+$")]
    time: Annotated[datetime, Meta(tz=True)]  # when the outcome was known; the newest one of a prediction wins
    value: bool | Annotated[float, Meta(ge=-1e300, le=1e300)] | Annotated[str, Meta(pattern="^[^\x00]{1,200}$")]
    row: Annotated[int, Meta(ge=0, lt=2**31)] = 0  # position in the request


class Wrong(NamedTuple):
    """What is wrong with a line; ``field`` is empty where it is the line as a whole."""

    field: str
    what: str


Line = tuple[int, Label | Wrong]  # numbered from 1
_decode = msgspec.json.Decoder(Label).decode


def lines_of(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield the lines of a body; none is longer than the longest label and a byte."""
    return iter(lambda: stream.readline(LONGEST_LINE + 1), b"")


def read_lines(stream: IO[bytes]) -> Iterator[Line]:
    """Yield the labels of a file that is NDJSON if it begins with a brace, and CSV if not."""
    lines = lines_of(stream)
    first = next(lines, b"").removeprefix(b"\xef\xbb\xbf")
    read = read_ndjson if first.lstrip().startswith(b"{") else read_csv
    return read(chain([first], lines))


def read_ndjson(lines: Iterable[bytes]) -> Iterator[Line]:
    """Yield a label for each line that is not empty."""
    for number, line in enumerate(lines, 1):
        if len(line) > LONGEST_LINE:
            yield number, Wrong("", f"is longer than {LONGEST_LINE} bytes")
        elif line.strip():
            yield number, read_label(line)


def read_label(text: bytes) -> Label | Wrong:
    """Read one label as JSON."""
    try:
        return _decode(text)
    except msgspec.ValidationError as error:
        return _wrong(error)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Wrong("", f"is not JSON: {error}")


def read_csv(lines: Iterable[bytes]) -> Iterator[Line]:
    """Yield a label for each record; the first line names the columns, of which ``row`` may be left out."""
    texts = (line.decode("utf-8-sig" if i == 0 else "utf-8", "replace") for i, line in enumerate(lines))
    records = csv.reader(texts, strict=True)
    columns: list[str] = []
    while True:
        try:
            record = next(records)
        except StopIteration:
            return
        except csv.Error as error:
            yield records.line_num, Wrong("", f"is not CSV: {error}")
            return
        if not columns:
            columns = [name.strip() for name in record]
            if wrong := _wrong_columns(columns):
                yield records.line_num, wrong
                return
        elif record:
            yield records.line_num, _from_csv(columns, record)


def _wrong_columns(columns: list[str]) -> Wrong | None:
    needed = {"request_id", "time", "value"}
    if needed <= set(columns) <= set(CSV_COLUMNS) and len(set(columns)) == len(columns):
        return None
    return Wrong("", f"must name the columns {', '.join(CSV_COLUMNS)}, of which row may be left out")


def _from_csv(columns: list[str], record: list[str]) -> Label | Wrong:
    if len(record) != len(columns):
        return Wrong("", f"has {len(record)} values for {len(columns)} columns")
    given: dict[str, Any] = dict(zip(columns, record, strict=True))
    given["value"] = _scalar(given["value"])
    if "row" in given:
        given["row"] = int(given["row"]) if given["row"].isdecimal() else given["row"]
    try:
        return msgspec.convert(given, Label)
    except msgspec.ValidationError as error:
        return _wrong(error)


def _scalar(text: str) -> bool | float | str:
    """Return a number or truth value where the text is one."""
    try:
        value = msgspec.json.decode(text.strip())
    except msgspec.DecodeError:
        return text
    return value if isinstance(value, bool | int | float) else text


def _wrong(error: msgspec.ValidationError) -> Wrong:
    what, _, path = str(error).partition(" - at `$.")
    field = path.rstrip("`")
    return Wrong(
        field,
        MUST_BE.get(field)
        or what.replace("Object missing required", "lacks the").replace("Object contains", "has the"),
    )
