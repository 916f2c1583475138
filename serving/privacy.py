"""What a record holds in place of sensitive values: nothing, a keyed hash, or a mask. The model itself sees the true ones.

It is applied before the record is written, so no disk ever holds the value. Missing values stay missing.
"""

import logging
import re
import traceback
from collections.abc import Callable
from hashlib import blake2b

from serving.contract import HASHED, MASKED, Route
from serving.protocol import Fault
from serving.runtimes import Value

logger = logging.getLogger("serving")

KEPT_END = 4  # characters of a masked text,
LONG_ENOUGH = 12  # if it has so many that these tell little
_AT = re.compile(r"column (?P<column>.+?)(?:, row \d+)?: ")
WITHHELD = "the caller's fault; what was wrong is not kept, since it may quote a sensitive value"


class Privacy:
    """How the records of one route are kept free of sensitive values; made once for a routing table."""

    def __init__(self, route: Route, key: str) -> None:
        """Prepare for ``route``.

        Args:
            key: of the hashes; without one, values that should be hashed are dropped.
        """
        if not key and "hash" in route.sensitive.values():
            logger.warning("%s: LOG_HASH_KEY is not set, so values that should be hashed are dropped", route.model)
        self._dropped = [name for name, how in route.sensitive.items() if how not in ("mask", "hash" if key else "")]
        self._changed: dict[str, Callable[[Value], Value]] = {
            name: mask if how == "mask" else _hasher(key, route.model_id, name)
            for name, how in route.sensitive.items()
            if name not in self._dropped
        }
        self._columns = {column.name for version in route.versions for column in version.columns}

    def withhold(self, columns: dict[str, list[Value]]) -> dict[str, list[Value]]:
        """Return what may be recorded of rows by column: without the sensitive values."""
        kept = {name: values for name, values in columns.items() if name not in self._dropped}
        for name, change in self._changed.items():
            if name in kept:
                kept[name] = [None if value is None else change(value) for value in kept[name]]
        return kept

    def fault(self, fault: Fault) -> str:
        """Return what is recorded of a refusal: words of ours alone, never the caller's."""
        if fault.status >= 500:
            return str(fault)
        at = _AT.match(str(fault))
        return f"{at[0]}{WITHHELD}" if at and at["column"] in self._columns else WITHHELD

    @staticmethod
    def crash(error: BaseException) -> str:
        """Return where an exception came from, without its words."""
        return f"{type(error).__name__}\n{''.join(traceback.format_tb(error.__traceback__))}"


def privacy_of(route: Route, key: str) -> Privacy | None:
    """Return what keeps the records of a route free of sensitive values; None where it has none."""
    return Privacy(route, key) if route.sensitive else None


def mask(value: Value) -> str:
    """Return the mask, and the end of a text that is long enough, such as that of a card's number."""
    return MASKED + value[-KEPT_END:] if isinstance(value, str) and len(value) >= LONG_ENOUGH else MASKED


def _hasher(key: str, model_id: int, column: str) -> Callable[[Value], Value]:
    """Return what hashes a column's values: equal ones alike, and none like those of another column or model."""
    own = blake2b(f"{model_id}\n{column}".encode(), key=key.encode()[:64]).digest()
    return lambda value: HASHED + blake2b(repr(value).encode(), digest_size=16, key=own).hexdigest()
