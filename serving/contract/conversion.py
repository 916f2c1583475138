"""What ``python -m serving.conversion`` is asked, and answers."""

from typing import Any

import msgspec

from serving.contract.artifacts import Column

PARITY = 1e-5  # how far a converted model may answer from the original: absolute up to 1, relative beyond


class ConversionRequest(msgspec.Struct, frozen=True):
    """What it reads on standard input, as MessagePack."""

    model: bytes  # of the skops file
    columns: list[Column]
    example: dict[str, list[Any]]  # {columns, rows}, a few


class Conversion(msgspec.Struct, frozen=True):
    """What it writes to standard output, as MessagePack."""

    model: bytes = b""  # of the ONNX file; empty where the original is to be served
    reason: str = ""  # why that is so
    rows: int = 0  # on which both were compared
    difference: float = 0.0  # the largest, as PARITY measures it
