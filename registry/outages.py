"""What PostgreSQL could not do, told apart: it is away, or two transactions were in each other's way. Either passes by itself."""

from typing import NamedTuple

from django.db import InterfaceError, OperationalError

OUTAGE = (OperationalError, InterfaceError)
COLLISIONS = {"40001": "serialization failure", "40P01": "deadlock", "55P03": "lock not available"}  # by SQLSTATE


class Told(NamedTuple):
    """What who asked is told.

    Attributes:
        kind: stable name, for programs.
        retry_s: when to come back.
    """

    kind: str
    detail: str
    retry_s: int


AWAY = Told(
    "urn:problem:outage",
    "The database does not answer just now. What you sent was not acknowledged: try again in some seconds; a write with the "
    "same Idempotency-Key is safe to repeat.",
    5,
)
IN_THE_WAY = Told(
    "urn:problem:collision",
    "Somebody else changed the same at the same time, and PostgreSQL let theirs go first. Nothing that you sent was done: send it "
    "again.",
    1,
)


def told(error: BaseException | None) -> Told | None:
    """Return what to tell of an error that came from PostgreSQL and passes; None of any other."""
    if is_collision(error):
        return IN_THE_WAY
    return AWAY if isinstance(error, OUTAGE) else None


def is_collision(error: BaseException | None) -> bool:
    """Whether PostgreSQL undid a transaction so that another one could go on: the same may be asked again at once."""
    return isinstance(error, OperationalError) and sqlstate(error) in COLLISIONS


def sqlstate(error: BaseException) -> str:
    """Return PostgreSQL's code of an error as Django raises it; empty where the connection was lost before there was one."""
    return getattr(error.__cause__, "pgcode", None) or ""
