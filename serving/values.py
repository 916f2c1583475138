"""From one element of a request to a value: what each type of column makes of each datatype. Pure."""

import math
from collections.abc import Callable
from typing import Any

from serving.protocol import DATATYPES
from serving.runtimes import Value

Reader = Callable[[Any], Value]

INTEGERS = {
    name: (-(2 ** (8 * kind.itemsize - 1)), 2 ** (8 * kind.itemsize - 1) - 1)
    if kind.kind == "i"
    else (0, 2 ** (8 * kind.itemsize) - 1)
    for name, kind in DATATYPES.items()
    if kind.kind in "iu"
}
FLOATS = ("FP16", "FP32", "FP64")
INT64_LOW, INT64_HIGH = INTEGERS["INT64"]


class UnfitError(ValueError):
    """A value is not of its tensor's datatype or its column's type; says what it should be."""


def _float_as_float(value: Any) -> float | None:
    if type(value) is float and math.isfinite(value):
        return value
    if type(value) is not float and type(value) is not int:
        raise UnfitError("is not a number")
    number = float(value)
    if math.isfinite(number):
        return number
    if math.isnan(number):
        return None
    raise UnfitError("is infinite")


def _float_as_integer(value: Any) -> int | None:
    number = _float_as_float(value)
    if number is None:
        return None
    if not number.is_integer() or not INT64_LOW <= number < INT64_HIGH:
        raise UnfitError("is not a whole number")
    return int(number)


def _float_as_boolean(value: Any) -> bool | None:
    number = _float_as_float(value)
    if number is None:
        return None
    if number not in (0, 1):
        raise UnfitError("is neither 0 nor 1")
    return number == 1


def _whole(value: Any) -> int | None:
    return _int64(value) if type(value) is int else _float_as_integer(value)


def _truth(value: Any) -> bool | None:
    return value if type(value) is bool else _float_as_boolean(value)


def _integer(datatype: str, convert: Callable[[int], Value]) -> Reader:
    low, high = INTEGERS[datatype]

    def read(value: Any) -> Value:
        if type(value) is not int:
            raise UnfitError(f"is not {datatype}")
        if not low <= value <= high:
            raise UnfitError(f"is out of the range of {datatype}")
        return convert(value)

    return read


def _int64(value: int) -> int:
    if not INT64_LOW <= value <= INT64_HIGH:
        raise UnfitError("is out of the range of INT64")
    return value


def _zero_or_one(value: int) -> bool:
    if value not in (0, 1):
        raise UnfitError("is neither 0 nor 1")
    return value == 1


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise UnfitError("is not true or false")
    return value


def _text(value: Any) -> str:
    if type(value) is not str:
        raise UnfitError("is not text")
    return value


_DOUBLE = dict.fromkeys(FLOATS, _float_as_float) | {name: _integer(name, float) for name in INTEGERS}
_LONG = dict.fromkeys(FLOATS, _float_as_integer) | {name: _integer(name, _int64) for name in INTEGERS}
READERS: dict[str, dict[str, Reader]] = {
    "double": _DOUBLE,
    "float": _DOUBLE,
    "long": _LONG,
    "integer": _LONG,
    "boolean": {"BOOL": _boolean}
    | dict.fromkeys(FLOATS, _float_as_boolean)
    | {name: _integer(name, _zero_or_one) for name in INTEGERS},
    "string": {"BYTES": _text},
}
# Where the request names no datatype: JSON and CSV of MLflow's protocol.
UNTYPED: dict[str, Reader] = {
    "double": _float_as_float,
    "float": _float_as_float,
    "long": _whole,
    "integer": _whole,
    "boolean": _truth,
    "string": _text,
}
