"""The Open Inference Protocol, version 2, over REST: requests and answers as bytes, with the binary tensor extension.

Pure: bytes in, values out. Faults carry the HTTP status and a message that names the field. The other protocol of
predictions is in ``serving.invocations``; the core speaks both as a :class:`Dialect`.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec
import numpy as np

from serving.runtimes import Columns, Row

if TYPE_CHECKING:
    from serving.inputs import Signature

Headers = list[tuple[bytes, bytes]]
JSON = b"application/json"
BINARY = b"application/octet-stream"

# How a tensor's elements lie in a binary request; JSON ones are checked against the same names.
DATATYPES = {
    "BOOL": np.dtype("?"),
    "INT8": np.dtype("<i1"), "INT16": np.dtype("<i2"), "INT32": np.dtype("<i4"), "INT64": np.dtype("<i8"),
    "UINT8": np.dtype("<u1"), "UINT16": np.dtype("<u2"), "UINT32": np.dtype("<u4"), "UINT64": np.dtype("<u8"),
    "FP16": np.dtype("<f2"), "FP32": np.dtype("<f4"), "FP64": np.dtype("<f8"),
    "BYTES": np.dtype("O"),
}  # fmt: skip
CONTENT_JSON = (b"content-type", JSON)
CONTENT_BINARY = (b"content-type", BINARY)
_LENGTH = struct.Struct("<I")


class Fault(Exception):  # noqa: N818  most are the caller's, some ours
    """The request is not answered: an HTTP status, a message for the caller, and headers that the status asks for."""

    def __init__(self, status: int, message: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


class Request(Protocol):
    """A prediction that is asked for, in whichever protocol."""

    @property
    def id(self) -> str | None:
        """The id that the body gives to the request."""

    @property
    def parameters(self) -> Mapping[str, Any] | None:
        """What the caller says beside the rows."""

    def first(self, column: str) -> object:
        """Return what was sent for a column's first row, as it came; None where that cannot be told by name."""

    def read_row(self, signature: "Signature") -> Row | None:
        """Return the usual request's one row; None leaves it to :meth:`read`."""

    def read(self, signature: "Signature") -> tuple[Columns, int]:
        """Return the values by column, in the signature's order, and the number of rows.

        Raises:
            Fault: 400; names what is wrong by column and row.
        """

    def answer(self, given: "Given") -> tuple[bytes, Headers]:
        """Return the answer's body and what describes it.

        Raises:
            Fault: 400 where the caller asks for what the model does not answer.
        """


class Given(NamedTuple):
    """What a version answered."""

    model: str
    number: int
    request_id: str
    tensors: list["OutputTensor"]


class Dialect(NamedTuple):
    """One protocol of predictions: how a request is read, and how a refusal is put."""

    decode: Callable[[Mapping[bytes, bytes], bytes], Request]  # raises Fault
    error: Callable[[int, str], bytes]


class InputTensor(msgspec.Struct, gc=False):
    """One tensor of a request; ``data`` is flat or nested."""

    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] | None = None
    data: list[Any] | None = None


class WantedOutput(msgspec.Struct, gc=False):
    """One output that the caller asks for by name."""

    name: str
    parameters: dict[str, Any] | None = None


class InferRequest(msgspec.Struct, gc=False):
    """What a caller posts to ``/infer``."""

    inputs: list[InputTensor]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[WantedOutput] | None = None

    def first(self, column: str) -> object:
        """See :class:`Request`."""
        for tensor in self.inputs:
            if tensor.name == column and tensor.data:
                value = tensor.data[0]
                return value[0] if isinstance(value, list) and value else value
        return None

    def read_row(self, signature: "Signature") -> Row | None:
        """See :class:`Request`."""
        return signature.read_row(self.inputs)

    def read(self, signature: "Signature") -> tuple[Columns, int]:
        """See :class:`Request`."""
        return signature.read(self.inputs)

    def answer(self, given: Given) -> tuple[bytes, Headers]:
        """See :class:`Request`; outputs are binary where the caller wants them so."""
        answer = InferAnswer(given.model, str(given.number), given.request_id, given.tensors)
        binary = bool(self.parameters and self.parameters.get("binary_data_output"))
        chosen: set[str] = set()
        if self.outputs:
            answer.outputs, chosen = _wanted(self.outputs, given.tensors, binary=binary)
        elif binary:
            chosen = {tensor.name for tensor in given.tensors}
        if not chosen:
            return encode(answer), [CONTENT_JSON]
        data = b"".join(_as_binary(tensor) for tensor in answer.outputs if tensor.name in chosen)
        head = encode(answer)
        return head + data, [CONTENT_BINARY, (b"inference-header-content-length", b"%d" % len(head))]


class OutputTensor(msgspec.Struct, gc=False, omit_defaults=True):
    """One tensor of an answer."""

    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] | None = None
    data: Sequence[float | str] | None = None


class InferAnswer(msgspec.Struct, gc=False):
    """What ``/infer`` answers."""

    model_name: str
    model_version: str
    id: str
    outputs: list[OutputTensor]


_decode = msgspec.json.Decoder(InferRequest).decode
encode = msgspec.json.Encoder().encode


def check_content(headers: Mapping[bytes, bytes]) -> int | None:
    """Return how many bytes of the body are JSON; None where all are.

    Raises:
        Fault: 415 for a body that is neither JSON nor JSON with binary tensors; 400 for a length that is no number.
    """
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise Fault(415, "the body is compressed; send it as it is")
    length = headers.get(b"inference-header-content-length")
    kind = headers.get(b"content-type", b"")
    if kind == JSON and length is None:
        return None
    kind = kind.partition(b";")[0].strip().lower()
    if kind not in ((b"", JSON) if length is None else (b"", JSON, BINARY)):
        raise Fault(415, f"the content type {kind[:80].decode('latin-1')!r} is not accepted; send application/json")
    if length is None:
        return None
    if not length.isdigit() or len(length) > 12:
        raise Fault(400, "Inference-Header-Content-Length is not a number of bytes")
    return int(length)


def decode_request(body: bytes, json_length: int | None) -> InferRequest:
    """Return the request in ``body``; tensors that came as binary hold their elements in ``data`` like the others.

    Raises:
        Fault: 400; names the field.
    """
    if json_length is not None and json_length > len(body):
        raise Fault(400, "Inference-Header-Content-Length is more than the body holds")
    try:
        request = _decode(body if json_length is None else body[:json_length])
    except RecursionError:
        raise Fault(400, "the JSON is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Fault(400, f"the body is no inference request: {error}") from None
    if json_length is not None:
        _attach_binary(request.inputs, body[json_length:])
    return request


def _attach_binary(tensors: list[InputTensor], data: bytes) -> None:
    at = 0
    for tensor in tensors:
        size = (tensor.parameters or {}).get("binary_data_size")
        if size is None:
            continue
        if type(size) is not int or not 0 <= size <= len(data) - at:
            raise Fault(400, f"input {tensor.name}: binary_data_size {size!r} does not fit the body")
        if tensor.data is not None:
            raise Fault(400, f"input {tensor.name}: has both data and binary data")
        tensor.data = _elements(tensor, data[at : at + size])
        at += size
    if at != len(data):
        raise Fault(400, f"{len(data) - at} bytes follow the last binary tensor")


def _elements(tensor: InputTensor, data: bytes) -> list[Any]:
    kind = DATATYPES.get(tensor.datatype)
    if kind is None:
        raise Fault(400, f"input {tensor.name}: datatype {tensor.datatype!r} is not one of {', '.join(DATATYPES)}")
    if tensor.datatype == "BYTES":
        return _texts(tensor, data)
    if len(data) % kind.itemsize:
        raise Fault(400, f"input {tensor.name}: {len(data)} bytes are no whole number of {tensor.datatype}")
    elements: list[Any] = np.frombuffer(data, kind).tolist()
    return elements


def _texts(tensor: InputTensor, data: bytes) -> list[str]:
    texts: list[str] = []
    at = 0
    while at < len(data):
        end = at + _LENGTH.size
        if end <= len(data):
            end += _LENGTH.unpack_from(data, at)[0]
        if end > len(data) or at + _LENGTH.size > len(data):
            raise Fault(400, f"input {tensor.name}: element {len(texts)} is cut short")
        try:
            texts.append(data[at + _LENGTH.size : end].decode())
        except UnicodeDecodeError:
            raise Fault(400, f"input {tensor.name}: element {len(texts)} is not UTF-8") from None
        at = end
    return texts


def _wanted(
    wanted: list[WantedOutput], given: list[OutputTensor], *, binary: bool
) -> tuple[list[OutputTensor], set[str]]:  # fmt: skip
    """Return the outputs that the caller names, in its order, and which of them it wants as binary.

    Raises:
        Fault: 400 where the caller asks for an output that the model does not have.
    """
    by_name = {tensor.name: tensor for tensor in given}
    for output in wanted:
        if output.name not in by_name:
            known = " and ".join(repr(name) for name in by_name)
            raise Fault(400, f"output {output.name!r} is unknown; the model answers {known}")
    names = dict.fromkeys(output.name for output in wanted)
    chosen = {output.name for output in wanted if (output.parameters or {}).get("binary_data", binary)}
    return [by_name[name] for name in names], chosen


def _as_binary(tensor: OutputTensor) -> bytes:
    """Return the tensor's elements, which are then no longer in the JSON."""
    if tensor.datatype == "BYTES":
        texts = [str(text).encode() for text in tensor.data or ()]
        data = b"".join(_LENGTH.pack(len(text)) + text for text in texts)
    else:
        data = np.asarray(tensor.data, DATATYPES[tensor.datatype]).tobytes()
    tensor.data, tensor.parameters = None, {**(tensor.parameters or {}), "binary_data_size": len(data)}
    return data


def _decode_v2(headers: Mapping[bytes, bytes], body: bytes) -> InferRequest:
    return decode_request(body, check_content(headers))


def _error_v2(_status: int, message: str) -> bytes:
    return encode({"error": message})


V2 = Dialect(_decode_v2, _error_v2)
