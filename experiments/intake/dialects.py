"""How a CSV file is written: encoding, separator and decimal sign, found by its beginning or told by a person."""

import codecs
import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from registry.errors import InvalidError

ENCODINGS = {"utf-8": "UTF-8", "utf-16": "UTF-16", "cp1252": "Windows-1252"}
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
DECIMALS = {".": "point", ",": "comma"}
LOOKED_AT = 1024 * 1024  # bytes by which the dialect is found


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written."""

    encoding: str = "utf-8"
    separator: str = ","
    decimal: str = "."

    def as_json(self) -> dict[str, str]:
        """Return it as plain values."""
        return asdict(self)


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
