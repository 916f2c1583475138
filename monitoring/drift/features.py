"""Counts of a version's inputs in the bins of its reference: sparse integers that add up. Pure arithmetic.

Each feature has ``SLOTS`` places, the features in the order of their names. A number's place is its bin in the reference's edges, so
the first and the last one are out of its range; a category's is its rank by name among those of the reference. Three more hold
what is missing, what the reference never saw, and what is of another type than the reference's values. Nothing else is counted: a
value that was withheld from the log is in none. The score of the answers, where the reference has one, comes after all inputs.
"""

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from registry.histograms import bins_of
from serving.contract import is_withheld

SLOTS = 1024
MISSING = SLOTS - 1
UNSEEN = SLOTS - 2
BROKEN = SLOTS - 3
SCORE = "(score)"  # no input is called so
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Feature:
    """How one input is counted: by the edges of its bins, or by the place of each category."""

    name: str
    edges: npt.NDArray[np.float64]
    places: Mapping[str, int] | None  # None: a number
    textual: bool = False  # a category none of whose values reads as a number or a truth value

    def place_all(self, values: list[Any]) -> Integers:
        """Return the place of each value."""
        if self.places is not None:
            return np.asarray([self._place(value) for value in values], np.int64)
        broken = [] if set(map(type, values)) <= _NUMBERS else [type(value) not in _NUMBERS for value in values]
        told = [np.nan if value is None else value for value in values]
        numbers = np.asarray([np.nan if b else v for b, v in zip(broken, told, strict=True)] if broken else told, float)
        places = np.full(len(numbers), MISSING, np.int64)
        finite = np.isfinite(numbers)
        places[finite] = bins_of(self.edges, numbers[finite]) if self.edges.size else UNSEEN
        places[np.asarray(broken, bool).nonzero()] = BROKEN
        return places

    def _place(self, value: Any) -> int:
        assert self.places is not None  # noqa: S101  a category
        if value is None or value != value:
            return MISSING
        kept = self.places.get(str(value))
        if kept is not None:
            return kept
        return BROKEN if self.textual and not isinstance(value, str) else UNSEEN


def features_of(columns: Mapping[str, Mapping[str, Any]], score: Mapping[str, Any] | None = None) -> list[Feature]:
    """Return the features of a reference: the inputs in the order of their names, then the score if it has one.

    Args:
        columns: {column: histogram} of ``registry.histograms``.
        score: the histogram of the answers' score, a number; empty or None where it is not known.
    """
    found = [_feature(name, column) for name, column in sorted(columns.items())]
    return [*found, _feature(SCORE, score)] if score else found


def _feature(name: str, column: Mapping[str, Any]) -> Feature:
    if column["kind"] == "number":
        return Feature(name, np.asarray(column["edges"], np.float64), None)
    categories = sorted(column["counts"])
    textual = not any(_NOT_TEXT.fullmatch(category) for category in categories)
    return Feature(name, np.empty(0, np.float64), {category: i for i, category in enumerate(categories)}, textual)


def reference_places(feature: Feature, column: Mapping[str, Any]) -> dict[int, int]:
    """Return the reference's rows by the place that the same values are counted in later."""
    places = feature.places
    found = {int(bin_) if places is None else places[bin_]: n for bin_, n in column["counts"].items()}
    return found | {MISSING: column["missing"], UNSEEN: column.get("other", 0)}


def answer_of(outputs: Mapping[str, float | int | str]) -> float | None:
    """Return the number by which a prediction is judged: its first one, of two classes' probabilities the second; None without."""
    numbers = [value for value in outputs.values() if not isinstance(value, str)]
    if not numbers:
        return None
    two = len(numbers) == 2 and [name[-2:] for name in outputs] == ["_0", "_1"]
    return float(numbers[1] if two else numbers[0])


@dataclass(frozen=True, eq=False)
class Cells:
    """How many values fell into each place that any fell into.

    Attributes:
        places: feature * ``SLOTS`` + place, rising.
        counts: as many, all positive.
    """

    places: Integers
    counts: Integers

    @classmethod
    def count(cls, places: Integers) -> "Cells":
        """Count each place."""
        return cls._of(np.bincount(places))

    @classmethod
    def _of(cls, dense: Integers) -> "Cells":
        places = np.flatnonzero(dense)
        return cls(places, dense[places])

    @classmethod
    def unpack(cls, data: bytes) -> "Cells":
        """Read what :meth:`pack` wrote."""
        steps, counts = _decode(zlib.decompress(data))
        return cls(np.cumsum(np.asarray(steps, np.int64)), np.asarray(counts, np.int64))

    def pack(self) -> bytes:
        """Return the cells as MessagePack, compressed: steps from place to place, then counts, most of them one byte."""
        return zlib.compress(_encode((np.diff(self.places, prepend=0).tolist(), self.counts.tolist())), 1)

    def __add__(self, other: "Cells") -> "Cells":
        """Return both taken together."""
        dense = np.zeros(1 + max(self.places.max(initial=-1), other.places.max(initial=-1)), np.int64)
        dense[self.places] = self.counts
        dense[other.places] += other.counts
        return self._of(dense)

    def __eq__(self, other: object) -> bool:
        """Whether both say the same."""
        return isinstance(other, Cells) and bool(
            np.array_equal(self.places, other.places) and np.array_equal(self.counts, other.counts)
        )

    __hash__ = None  # type: ignore[assignment]

    def by_feature(self, features: Iterable[Feature]) -> Iterator[tuple[Feature, dict[int, int]]]:
        """Yield each feature with its counts by place."""
        for i, feature in enumerate(features):
            part = slice(*np.searchsorted(self.places, [i * SLOTS, (i + 1) * SLOTS]))
            yield feature, dict(zip((self.places[part] - i * SLOTS).tolist(), self.counts[part].tolist(), strict=True))


NO_CELLS = Cells(np.empty(0, np.int64), np.empty(0, np.int64))


def cells_of(
    features: Iterable[Feature], rows: Sequence[Mapping[str, Any]], scores: Sequence[float | None] = ()
) -> Cells:
    """Count rows of inputs; a column that a row does not have, or that is withheld there, is not counted.

    Args:
        scores: of the answers to these rows.
    """
    counted = [NO_CELLS.places]
    for i, feature in enumerate(features):
        own = feature.name == SCORE
        values = list(scores) if own else [row[feature.name] for row in rows if feature.name in row]
        told = [value for value in values if not is_withheld(value)]
        counted.append(feature.place_all(told) + i * SLOTS)
    return Cells.count(np.concatenate(counted))


def add_all(parts: Iterable[Cells]) -> Cells:
    """Return all taken together."""
    held = list(parts)
    dense = np.zeros(1 + max((part.places.max(initial=-1) for part in held), default=-1), np.int64)
    for part in held:
        dense[part.places] += part.counts
    return Cells._of(dense)


_NUMBERS = {float, int, type(None)}
_NOT_TEXT = re.compile(r"[-+]?[0-9.]+(e[-+]?[0-9]+)?|true|false", re.IGNORECASE)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[list[int], list[int]]).decode
