"""What ``python -m serving.scoring`` is asked, and answers."""

from typing import Any

import msgspec

from serving.contract.artifacts import Column


class ScoringRequest(msgspec.Struct, frozen=True):
    """What it reads on standard input, as MessagePack."""

    format: str  # one of FORMATS
    model: bytes  # of the model file
    columns: list[Column]
    values: list[list[float | int | bool | str | None]]  # of each column, row by row; None is missing
    steps: bool = False  # whether each row is a series as of now, asked for as many steps as the model is usually asked
    parameters: dict[str, Any] = {}  # of the signature, with their defaults


class Scores(msgspec.Struct, frozen=True):
    """What it writes to standard output: the output as the gateway names it, row by row, ``width`` values each."""

    output: str
    width: int
    values: list[float]
