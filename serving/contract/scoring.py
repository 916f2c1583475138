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
    k: int = 0  # of a retriever: how many documents are wanted for each row's query, one query timed after the other


class Scores(msgspec.Struct, frozen=True):
    """What it writes to standard output: the output as the gateway names it, row by row, ``width`` values each."""

    output: str
    width: int
    values: list[float]  # of a retriever: place and score of each document, -1 and 0 where there are no more
    documents: list[str] = []  # of a retriever: what the places stand for
    took_ms: list[float] = []  # of a retriever, for each row: by the clock
    cpu_ms: list[float] = []  # likewise, of the processor
