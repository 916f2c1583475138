"""Requests to the gateway, in the Open Inference Protocol."""

import math
from collections.abc import Mapping
from typing import Any

TENSOR_OF = {
    "long": "INT64",
    "integer": "INT64",
    "double": "FP64",
    "float": "FP64",
    "boolean": "BOOL",
    "string": "BYTES",
}


def infer_body(inputs: list[dict[str, Any]], row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the request that asks for one row.

    Args:
        inputs: a version's signature: names and MLflow's types.
        row: values by column; a NaN or None is sent as null.
    """
    tensors = [
        {
            "name": column["name"],
            "shape": [1],
            "datatype": TENSOR_OF[column["type"]],
            "data": [_plain(row[column["name"]])],
        }
        for column in inputs
    ]
    return {"inputs": tensors}


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value  # NumPy's numbers
    return None if isinstance(value, float) and math.isnan(value) else value
