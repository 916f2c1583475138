"""Predictions that are recorded and not shipped yet: what gateways' segments on this disk hold of one request."""

import contextlib
from pathlib import Path

import msgspec
from django.conf import settings

from serving.contract import PredictionRecord, read_segment

MOST_BYTES = 256 * 1024 * 1024  # of the newest segments; more waits only while shipping is broken


def waiting_records(request_id: str) -> list[PredictionRecord]:
    """Return the records of a request in segments that wait or are being written."""
    sized = []
    for path in Path(settings.SPOOL_ROOT).glob("*/[0-9]*"):
        with contextlib.suppress(FileNotFoundError):  # shipped meanwhile
            sized.append((path.stat(), path))
    found: list[PredictionRecord] = []
    looked_at = 0
    for stat, path in sorted(sized, key=lambda pair: pair[0].st_mtime, reverse=True):
        looked_at += stat.st_size
        if looked_at > MOST_BYTES:
            break
        with contextlib.suppress(FileNotFoundError, msgspec.DecodeError):
            if request_id.encode() in path.read_bytes():  # far quicker than reading each record
                found += [record for record in read_segment(path) if record.request_id == request_id]
    return found
