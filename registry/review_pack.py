"""The review pack as a document: a fixed form of JSON that carries its own digest. Pure: no ORM, clock or settings."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

SCHEMA = "review-pack/1"
SEAL = "sha256"


def canonical(document: dict[str, Any]) -> bytes:
    """Return a document as JSON in the one form that is hashed: sorted keys, no spaces, UTF-8.

    Raises:
        ValueError: it holds a number that JSON does not have.
    """
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def digest_of(document: dict[str, Any]) -> str:
    """Return ``sha256:…`` over everything in the document but its own seal."""
    rest = {key: value for key, value in document.items() if key != SEAL}
    return f"sha256:{hashlib.sha256(canonical(rest)).hexdigest()}"


def sealed(sections: dict[str, Any]) -> dict[str, Any]:
    """Return the pack made of ``sections``: with the name of its form, and its digest."""
    document = {"schema": SCHEMA, **sections}
    return document | {SEAL: digest_of(document)}


def moment(at: datetime | None) -> str | None:
    """Return an instant as text, in UTC to the second."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if at else None
