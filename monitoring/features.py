"""Counts of a version's inputs in the bins of its reference: sparse integers that add up. Pure arithmetic.

Each feature has ``SLOTS`` places, the features in the order of their names. A number's place is its bin in the reference's edges, so
the first and the last one are out of its range; a category's is its rank by name among those of the reference. Three more hold
what is missing, what the reference never saw, and nothing else is counted: a value that was withheld from the log is in none.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from registry.histograms import bins_of
from serving.contract import is_withheld

SLOTS = 1024
MISSING = SLOTS - 1
UNSEEN = SLOTS - 2
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Feature:
    """How one input is counted: by the edges of its bins, or by the place of each category."""

    name: str
    edges: npt.NDArray[np.float64]
    places: Mapping[str, int] | None  # None: a number

    def place_all(self, values: list[Any]) -> Integers:
        """Return the place of each value."""
        if self.places is not None:
            return np.asarray([self._place(value) for value in values], np.int64)
        numbers = np.asarray([np.nan if value is None else value for value in values], np.float64)
        places = np.full(len(numbers), MISSING, np.int64)
        finite = np.isfinite(numbers)
        places[finite] = bins_of(self.edges, numbers[finite]) if self.edges.size else UNSEEN
        return places

    def _place(self, value: Any) -> int:
        assert self.places is not None  # noqa: S101  a category
        return MISSING if value is None or value != value else self.places.get(str(value), UNSEEN)


def features_of(columns: Mapping[str, Mapping[str, Any]]) -> list[Feature]:
    """Return the features of a reference, in the order of their names.

    Args:
        columns: {column: histogram} of ``registry.histograms``.
    """
    none = np.empty(0, np.float64)
    return [
        Feature(name, np.asarray(column["edges"], np.float64), None)
        if column["kind"] == "number"
        else Feature(name, none, {category: i for i, category in enumerate(sorted(column["counts"]))})
        for name, column in sorted(columns.items())
    ]


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


def cells_of(features: Iterable[Feature], rows: list[Mapping[str, Any]]) -> Cells:
    """Count rows of inputs; a column that a row does not have, or that is withheld there, is not counted."""
    counted = [NO_CELLS.places]
    for i, feature in enumerate(features):
        values = [row[feature.name] for row in rows if feature.name in row]
        told = [value for value in values if not is_withheld(value)]
        counted.append(feature.place_all(told) + i * SLOTS)
    return Cells.count(np.concatenate(counted))


def add_all(parts: Iterable[Cells]) -> Cells:
    """Return all taken together."""
    return reduce(Cells.__add__, parts, NO_CELLS)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[list[int], list[int]]).decode
