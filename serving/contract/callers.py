"""Who may ask for predictions; beside the routing table since it changes more often."""

from pathlib import Path

import msgspec

from serving.contract.files import replace


class Caller(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who may ask for predictions: a token of the control plane, known by its digest. None: no bound of its own."""

    id: int
    digest: str  # sha256:… over the secret, which is nowhere
    models: list[int]  # ids of the models that it may call
    expires_at: float | None = None  # seconds since the epoch
    requests_per_s: float | None = None
    burst: int | None = None  # requests at once after a pause
    in_flight: int | None = None  # requests at the same time


class CallerList(msgspec.Struct, frozen=True):
    """All that may call, beside the routing table since it changes more often; ``version`` only grows."""

    version: int
    published_at: str  # ISO 8601, UTC
    callers: list[Caller]


def callers_path(table: Path) -> Path:
    """Return where the list of callers lies that goes with the table at ``table``."""
    return table.with_suffix(".callers")


def write_callers(callers: CallerList, path: Path) -> None:
    """Replace the list at ``path`` in one step; its owner alone can read it."""
    replace(path, msgspec.json.encode(callers), mode=0o600)


def read_callers(path: Path) -> CallerList:
    """Return the list at ``path``.

    Raises:
        FileNotFoundError: nothing was published yet.
        msgspec.DecodeError: the file is no list of callers.
    """
    return msgspec.json.decode(path.read_bytes(), type=CallerList)
