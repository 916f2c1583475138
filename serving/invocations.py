"""MLflow's scoring protocol: what ``mlflow models serve`` takes at ``/invocations``, and how it answers.

The elements have no datatype here, so the version's signature gives them one. It is applied as strictly as everywhere
(``serving.inputs``); where MLflow guesses, drops or converts, this refuses. docs/serving.md lists the differences.
"""

import csv
import io
from collections.abc import Mapping
from typing import Any

import msgspec

from serving.inputs import Signature
from serving.protocol import CONTENT_JSON, JSON, Dialect, Fault, Given, Headers, OutputTensor, encode
from serving.runtimes import Columns, Row

CSV = b"text/csv"
FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
CODES = {
    400: "BAD_REQUEST", 401: "UNAUTHENTICATED", 404: "RESOURCE_DOES_NOT_EXIST", 405: "ENDPOINT_NOT_FOUND",
    408: "BAD_REQUEST", 413: "BAD_REQUEST", 415: "BAD_REQUEST", 429: "REQUEST_LIMIT_EXCEEDED", 500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
}  # fmt: skip
_TRUTH = {"true": True, "false": False}


class Split(msgspec.Struct):
    """A data frame as pandas' ``to_dict(orient="split")`` writes it."""

    data: list[list[Any]]
    columns: list[str]
    index: list[Any] | None = None


class Body(msgspec.Struct):
    """What a caller posts; exactly one form, beside parameters."""

    dataframe_split: Split | msgspec.UnsetType = msgspec.UNSET
    dataframe_records: list[dict[str, Any]] | msgspec.UnsetType = msgspec.UNSET
    instances: Any = msgspec.UNSET
    inputs: Any = msgspec.UNSET
    params: dict[str, Any] | None = None


_decode = msgspec.json.Decoder(Body).decode


class Rows:
    """Rows whose elements have no datatype, either under names or in the signature's order."""

    id = None

    parameters: Mapping[str, Any] | None = None

    def __init__(self, named: Mapping[str, list[Any]] | None, ordered: list[list[Any]], *, text: bool = False) -> None:
        """Keep the rows.

        Args:
            named: values by column; None where only the order says which column is meant.
            ordered: then the rows.
            text: every value is text, as in a CSV file; empty means missing.
        """
        self._named = named
        self._ordered = ordered
        self._text = text

    def first(self, column: str) -> object:
        """See :class:`serving.protocol.Request`."""
        values = (self._named or {}).get(column)
        return values[0] if values else None

    def read_row(self, signature: Signature) -> Row | None:
        """See :class:`serving.protocol.Request`; there is no quick way here."""

    def read(self, signature: Signature) -> tuple[Columns, int]:
        """See :class:`serving.protocol.Request`."""
        named = self._by_order(signature) if self._named is None else self._named
        rows = _rows_of(named)
        if self._text:
            types = {column.name: column.type for column in signature.columns}
            named = {name: _from_text(values, types.get(name, "string")) for name, values in named.items()}
        return signature.read_untyped(named, rows), rows

    def answer(self, given: Given) -> tuple[bytes, Headers]:
        """See :class:`serving.protocol.Request`; a row of several numbers is a list of its own.

        What a task adds is answered to who asks for it: MLflow's clients expect predictions and nothing else.
        """
        first, *more = given.tensors
        if first.datatype == "BYTES":  # of a retriever: a record for each query, as a frame is told
            return encode({"predictions": _records(given.tensors)}), [CONTENT_JSON]
        asked = self.parameters or {}
        added: dict[str, Any] = {}
        for tensor in more:
            if asked.get(tensor.name) is True:
                added |= {tensor.name: _nested(tensor), **(tensor.parameters or {})}
        return encode({"predictions": _nested(first)} | added), [CONTENT_JSON]

    def _by_order(self, signature: Signature) -> dict[str, list[Any]]:
        width = len(signature.names)
        for row, values in enumerate(self._ordered):
            if len(values) != width:
                raise Fault(400, f"row {row}: {len(values)} values, but the model has {width} columns")
        return {name: [row[place] for row in self._ordered] for place, name in enumerate(signature.names)}


def _nested(tensor: OutputTensor) -> Any:
    """Return the tensor's values, a list within a list for each of its dimensions."""
    values: Any = tensor.data
    for width in reversed(tensor.shape[1:]):
        values = [values[at : at + width] for at in range(0, len(values), width)]
    return values


def _records(tensors: list[OutputTensor]) -> list[dict[str, Any]]:
    named = {tensor.name: _nested(tensor) for tensor in tensors}
    return [dict(zip(named, row, strict=True)) for row in zip(*named.values(), strict=True)]


def _error(status: int, message: str) -> bytes:
    return encode({"error_code": CODES.get(status, "INTERNAL_ERROR"), "message": message})


def decode(headers: Mapping[bytes, bytes], body: bytes) -> Rows:
    """Return the rows in ``body``.

    Raises:
        Fault: 415 for what is neither JSON nor CSV; 400 names what is wrong with it.
    """
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise Fault(415, "the body is compressed; send it as it is")
    kind, *parameters = (part.strip() for part in headers.get(b"content-type", JSON).lower().split(b";"))
    if kind not in (JSON, CSV):
        raise Fault(
            415, f"the content type {kind[:80].decode('latin-1')!r} is not accepted; send application/json or text/csv"
        )
    if any(parameter.replace(b'"', b"") not in (b"charset=utf-8", b"") for parameter in parameters):
        raise Fault(415, "the content type may say charset=utf-8 and nothing else")
    return _from_csv(body) if kind == CSV else _from_json(body)


def _from_json(body: bytes) -> Rows:
    """Return the rows and parameters of a JSON body."""
    try:
        given = _decode(body)
    except RecursionError:
        raise Fault(400, "the JSON is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Fault(400, f"the body is no request for predictions: {error}") from None
    forms = [form for form in FORMS if getattr(given, form) is not msgspec.UNSET]
    if len(forms) != 1:
        raise Fault(
            400, f"the body must hold exactly one of {', '.join(FORMS)}; it holds {' and '.join(forms) or 'none'}"
        )
    rows = _rows(forms[0], getattr(given, forms[0]))
    rows.parameters = given.params
    return rows


def _rows(form: str, data: Any) -> Rows:
    if isinstance(data, Split):
        return _from_split(data)
    if isinstance(data, dict):
        return Rows(_lists(data), [])
    if not isinstance(data, list):
        raise Fault(400, f"{form}: must be a list of rows{' or an object of columns' * (form == 'inputs')}")
    if all(isinstance(row, dict) for row in data):
        return Rows(_from_records(data), [])
    if any(isinstance(row, dict) for row in data):
        raise Fault(400, f"{form}: some rows are objects, others are not")
    return Rows(None, [row if isinstance(row, list) else [row] for row in data])


def _from_split(split: Split) -> Rows:
    if len(set(split.columns)) != len(split.columns):
        raise Fault(400, "dataframe_split: a column is named twice")
    for row, values in enumerate(split.data):
        if len(values) != len(split.columns):
            raise Fault(400, f"dataframe_split: row {row} has {len(values)} values for {len(split.columns)} columns")
    return Rows({name: [row[place] for row in split.data] for place, name in enumerate(split.columns)}, [])


def _from_records(records: list[dict[str, Any]]) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for record in records for name in record)
    return {name: [record.get(name) for record in records] for name in names}


def _lists(data: dict[str, Any]) -> dict[str, list[Any]]:
    """Return the columns of ``inputs``; each is a list, of values or of one-value lists."""
    columns = {}
    for name, values in data.items():
        if not isinstance(values, list):
            raise Fault(400, f"inputs: column {name!r} must be a list of values")
        nested = values and all(isinstance(value, list) and len(value) == 1 for value in values)
        columns[name] = [value[0] for value in values] if nested else values
    return columns


def _rows_of(named: Mapping[str, list[Any]]) -> int:
    rows = -1
    for name, values in named.items():
        if rows not in (-1, len(values)):
            raise Fault(400, f"column {name!r} has {len(values)} rows, while those before it have {rows}")
        rows = len(values)
    return max(rows, 0)


def _from_csv(body: bytes) -> Rows:
    try:
        lines = [line for line in csv.reader(io.StringIO(body.decode()), strict=True) if line]
    except UnicodeDecodeError:
        raise Fault(400, "the CSV is not UTF-8") from None
    except csv.Error as error:
        raise Fault(400, f"the body is no CSV: {error}") from None
    if not lines:
        raise Fault(400, "the CSV is empty; its first line names the columns")
    names, rows = lines[0], lines[1:]
    first = 1 if names[0] == "" else 0  # the index that pandas writes
    for row, values in enumerate(rows):
        if len(values) != len(names):
            raise Fault(400, f"row {row}: {len(values)} values for {len(names)} columns")
    return _from_text_rows(names[first:], [row[first:] for row in rows])


def _from_text_rows(names: list[str], rows: list[list[str]]) -> Rows:
    if len(set(names)) != len(names):
        raise Fault(400, "the CSV names a column twice")
    return Rows({name: [row[place] for row in rows] for place, name in enumerate(names)}, [], text=True)


def _from_text(values: list[str], kind: str) -> list[Any]:
    """Return a column's texts as what its type may read; what cannot be converted stays text, for a refusal that shows it."""
    if kind == "string":
        return [value or None for value in values]
    if kind == "boolean":
        return [_TRUTH.get(value.lower(), _number(value)) if value else None for value in values]
    return [_number(value) if value else None for value in values]


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


MLFLOW = Dialect(decode, _error)
