"""Dense networks from safetensors files. Such a file holds tensors and no program, so the program is one of ours.

The file's metadata names it: ``architecture`` is ``dense``, ``activation`` and ``output`` as below. The tensors are
``<i>.weight`` [out, in] and ``<i>.bias`` [out] in the order of ``i``: what ``torch.nn.Sequential(...).state_dict()``
gives. One layer is a linear or logistic regression.
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from serving.contract import Column
from serving.runtimes import Columns, MisfitError, ModelError, Output, Row, as_matrix, check_numeric

MAX_HEADER_BYTES = 10_000_000
Array = Any  # of numpy, float64
Step = Callable[[Array], Array]
_TENSOR = re.compile(r"(\d{1,6})\.(weight|bias)")


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _softmax(x: Array) -> Array:
    raised = np.exp(x - x.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


ACTIVATIONS: dict[str, Step] = {"relu": lambda x: np.maximum(x, 0), "tanh": np.tanh, "sigmoid": _sigmoid}
OUTPUTS: dict[str, tuple[str, Step]] = {
    "value": ("value", lambda x: x),
    "logit": ("probability", _sigmoid),  # one value, the log-odds of the second class
    "softmax": ("probabilities", _softmax),
}


class Dense:
    """Layers of weights with an activation between them."""

    slow = False

    def __init__(self, layers: list[tuple[Array, Array]], activation: Step, finish: Step, output: Output) -> None:
        self.output = output
        self._layers = layers
        self._activation = activation
        self._finish = finish

    def predict_row(self, row: Row) -> list[float]:
        """Return the output of one row."""
        return self.predict([[value] for value in row], 1)

    def predict(self, columns: Columns, rows: int) -> list[float]:
        """Return the output of ``rows`` rows, row by row; a missing value makes the answer NaN."""
        x = as_matrix(columns, rows, range(len(columns)))
        with np.errstate(over="ignore"):
            for i, (weight, bias) in enumerate(self._layers):
                x = (self._activation(x) if i else x) @ weight.T + bias
            answer: list[float] = self._finish(x).ravel().tolist()
        return answer


def load(data: bytes, columns: list[Column]) -> Dense:
    """Return the network of a safetensors file.

    Raises:
        ModelError: the bytes are no such file.
        MisfitError: there is no runtime for its architecture, or it does not take these columns.
    """
    metadata = _metadata(data)
    try:
        tensors = safetensors.numpy.load(data)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"safetensors: {str(error)[:300]}") from error
    if metadata.get("architecture") != "dense":
        named = metadata.get("architecture", "none")
        raise MisfitError(f"it holds tensors and no program, and its architecture ({named}) has no runtime here")
    activation, output = metadata.get("activation", "relu"), metadata.get("output", "value")
    if activation not in ACTIVATIONS or output not in OUTPUTS:
        raise MisfitError(f"activation must be one of {', '.join(ACTIVATIONS)}, output one of {', '.join(OUTPUTS)}")
    check_numeric(columns, "a dense network")
    if optional := [column.name for column in columns if not column.required]:
        raise MisfitError(f"column {optional[0]} may be missing, and a dense network has no answer without it")
    layers = _layers(tensors, len(columns))
    width = layers[-1][0].shape[0]
    name, finish = OUTPUTS[output]
    if (output == "logit" and width != 1) or (output == "softmax" and width < 2):
        raise MisfitError(f"its last layer gives {width} values, which does not go with output={output}")
    return Dense(
        layers, ACTIVATIONS[activation], finish, Output("values" if name == "value" and width > 1 else name, width)
    )


def _metadata(data: bytes) -> dict[str, str]:
    """Return what the header says of the file; its length is checked before anything is made of it."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or not 2 <= length <= min(MAX_HEADER_BYTES, len(data) - 8):
        raise ModelError("not a safetensors file: its header is longer than the file, or than any header is")
    try:
        header: Any = msgspec.json.decode(data[8 : 8 + length])
        metadata = header.get("__metadata__", {})
        return {str(key): str(value) for key, value in metadata.items()}
    except (msgspec.DecodeError, RecursionError, AttributeError) as error:
        raise ModelError("not a safetensors file: its header cannot be read") from error


def _layers(tensors: dict[str, Array], inputs: int) -> list[tuple[Array, Array]]:
    found: dict[int, dict[str, Array]] = {}
    for name, tensor in tensors.items():
        matched = _TENSOR.fullmatch(name)
        if matched is None:
            raise MisfitError(f"tensor {name[:60]!r} is no weight or bias of a dense network")
        found.setdefault(int(matched[1]), {})[matched[2]] = tensor.astype(np.float64)
    layers = []
    for i, layer in sorted(found.items()):
        weight, bias = layer.get("weight"), layer.get("bias")
        if (
            weight is None
            or bias is None
            or weight.ndim != 2
            or weight.shape[1] != inputs
            or bias.shape != weight.shape[:1]
        ):
            raise MisfitError(f"layer {i} does not take the {inputs} values that come before it")
        inputs = weight.shape[0]
        layers.append((weight, bias))
    if not layers:
        raise MisfitError("it holds no layers")
    return layers
