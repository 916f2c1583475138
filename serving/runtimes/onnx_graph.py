"""ONNX graphs by onnxruntime: standard operators alone, everything within the one file, one thread."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import onnxruntime
from google.protobuf.message import DecodeError, Message

from serving.contract import Column
from serving.runtimes import Columns, MisfitError, ModelError, Output, Row, as_matrix, check_numeric

DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
TYPES: dict[str, Any] = {
    "tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64, "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_, "tensor(string)": np.object_,
}  # fmt: skip
ANSWERS = ("tensor(float)", "tensor(double)")
QUICK_S = 200e-6  # what one row may hold up the others on the event loop
CHOSEN = "probabilities"  # where a graph has several outputs, as converted classifiers do


class Onnx:
    """A graph that takes one tensor [rows, columns], or one tensor a column.

    Attributes:
        slow: one row takes longer than a hop to another thread would; most graphs of trees or lines do not.
    """

    def __init__(self, session: onnxruntime.InferenceSession, columns: list[Column]) -> None:
        self._session = session
        self._columns = columns
        self._inputs = session.get_inputs()
        self._chosen = _chosen(session)
        self._check_inputs()
        answer = self._run([[_zero(column)] for column in columns], 1)
        if answer.ndim not in (1, 2) or answer.shape[0] != 1 or answer.size < 1:
            raise MisfitError(
                f"its output has the shape {list(answer.shape)} for one row, not [rows] or [rows, values]"
            )
        self._second = answer.size == 2 and self._chosen == CHOSEN
        self.output = _output(self._chosen, answer.size)
        self.slow = min(self._seconds() for _ in range(5)) > QUICK_S

    def predict_row(self, row: Row) -> list[float]:
        """Return the output of one row."""
        return self.predict([[value] for value in row], 1)

    def predict(self, columns: Columns, rows: int) -> list[float]:
        """Return the output of ``rows`` rows, row by row; for two classes the probability of the second."""
        answer = self._run(columns, rows)
        values: list[float] = (answer[:, 1] if self._second else answer).astype(np.float64).ravel().tolist()
        return values

    def _seconds(self) -> float:
        """Return how long one row takes just now."""
        started = time.perf_counter()
        self._run([[_zero(column)] for column in self._columns], 1)
        return time.perf_counter() - started

    def _check_inputs(self) -> None:
        if odd := [i for i in self._inputs if i.type not in TYPES]:
            raise MisfitError(f"input {odd[0].name} is {odd[0].type}, which cannot be served")
        names = [column.name for column in self._columns]
        self._by_column = sorted(i.name for i in self._inputs) == sorted(names)
        if self._by_column:
            return
        if len(self._inputs) != 1:
            raise MisfitError("its inputs are neither one tensor nor the columns of the signature")
        width = (self._inputs[0].shape or [None])[-1]
        if isinstance(width, int) and width != len(names):
            raise MisfitError(f"its input takes {width} columns, the signature has {len(names)}")
        if self._inputs[0].type not in ANSWERS:
            raise MisfitError(f"its one input is {self._inputs[0].type}; a matrix of columns has to be of floats")
        check_numeric(self._columns, "a graph with one matrix as input")

    def _run(self, columns: Columns, rows: int) -> Any:
        if self._by_column:
            place = {column.name: values for column, values in zip(self._columns, columns, strict=True)}
            feed = {i.name: _tensor(place[i.name], i) for i in self._inputs}
        else:
            matrix = as_matrix(columns, rows, range(len(self._columns)))
            feed = {self._inputs[0].name: matrix.astype(TYPES[self._inputs[0].type])}
        return np.asarray(self._session.run([self._chosen], feed)[0])


def load(data: bytes, columns: list[Column]) -> Onnx:
    """Return the graph of an ONNX file.

    Raises:
        ModelError: the bytes are no such file, or name files outside it.
        MisfitError: it uses operators or tensors that are not served.
    """
    check_graph(data)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        return Onnx(session, columns)
    except ModelError:
        raise
    except Exception as error:  # onnxruntime has an exception for each of its codes, with no common base of its own
        raise ModelError(f"onnxruntime: {str(error).splitlines()[0][:300]}") from error


def check_graph(data: bytes) -> None:
    """Return if the bytes are an ONNX file with nothing outside it, and standard operators alone.

    Raises: as :func:`load`.
    """
    try:
        model = onnx.ModelProto.FromString(data)
    except DecodeError as error:
        raise ModelError(f"not an ONNX file: {error}") from error
    if not model.ir_version or not model.graph.output:
        raise ModelError("not an ONNX file: it holds no graph")
    for message in _within(model):
        if isinstance(message, onnx.TensorProto) and message.data_location == onnx.TensorProto.EXTERNAL:
            where = next((entry.value for entry in message.external_data if entry.key == "location"), "")
            if not where or where.startswith("/") or ".." in where.replace("\\", "/").split("/"):
                raise ModelError(f"a tensor lies outside the artifact, at {where!r}")
            raise MisfitError(f"a tensor lies in another file, {where!r}; save the model as one file")
        if isinstance(message, onnx.NodeProto) and message.domain not in DOMAINS:
            raise MisfitError(f"operator {message.op_type} is of the domain {message.domain!r}, which is not served")
    if model.functions:
        raise MisfitError("it defines functions of its own; inline them before it is saved")


def _within(message: Message) -> Iterator[Message]:
    """Yield all messages below ``message``, however deep: graphs lie in attributes of nodes of graphs."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for part in [value] if isinstance(value, Message) else value:
            yield part
            yield from _within(part)


def _chosen(session: onnxruntime.InferenceSession) -> str:
    outputs = {output.name: output.type for output in session.get_outputs()}
    if CHOSEN in outputs and outputs[CHOSEN] not in ANSWERS:
        raise MisfitError("its probabilities are a list of maps; convert it with options={'zipmap': False}")
    answers = [name for name, kind in outputs.items() if kind in ANSWERS]
    if CHOSEN in answers:
        return CHOSEN
    if len(answers) != 1:
        raise MisfitError(f"it has {len(answers)} outputs of floats and none is named {CHOSEN}; keep the one to answer")
    return str(answers[0])


def _tensor(values: list[Any], given: Any) -> Any:
    kind = TYPES[given.type]
    if kind is np.object_:
        array = np.asarray(["" if value is None else value for value in values], dtype=object)
    elif kind in (np.float32, np.float64):
        array = np.asarray(values, dtype=np.float64).astype(kind)  # None becomes NaN
    else:
        array = np.asarray([0 if value is None else value for value in values], dtype=kind)
    return array.reshape(-1, 1) if len(given.shape) == 2 else array


def _output(name: str, width: int) -> Output:
    if name == CHOSEN:
        return Output("probability") if width == 2 else Output("probabilities", width)
    return Output("value" if width == 1 else "values", width)


def _zero(column: Column) -> float | str | bool:
    return "" if column.type == "string" else False if column.type == "boolean" else 0.0
