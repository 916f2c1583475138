"""How the findings of a look are kept: a few hundred features in some kilobytes. Pure."""

import zlib
from collections.abc import Sequence

import msgspec

from monitoring.drifting import Finding


def pack(findings: Sequence[Finding]) -> bytes:
    """Return the findings as MessagePack, compressed."""
    return zlib.compress(_encode(list(findings)), 6)


def unpack(data: bytes) -> list[Finding]:
    """Read what :func:`pack` wrote; a field that came later has its default."""
    return _decode(zlib.decompress(data)) if data else []


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Finding]).decode
