"""The spool: prediction records on local disk, appended before the answer leaves and shipped later by someone else.

Each process life writes to a folder of its own, ``root/<spool id>/``: one segment at a time, numbered from 1, named
``.open`` while it grows and ``.segment`` once sealed. A record is one ``write()``, so it survives a killed process;
``SPOOL_FSYNC`` says what survives a power cut. A lock on the folder tells others whether its writer still lives.
"""

import fcntl
import os
import re
import secrets
import shutil
import socket
import threading
import time
from collections import deque
from pathlib import Path

from serving.contract import SEALED, STATE
from serving.settings import Settings

OPEN = ".open"
LOCK = "lock"
FSYNC_EVERY_S = 1.0
MEASURE_EVERY_S = 30.0
RETRY_AFTER_S = 1.0  # when full: how soon freed room is noticed


class SpoolFullError(Exception):
    """The record could not be kept, and the policy is to refuse what cannot be kept."""


class Spool:
    """The segments of this process. ``append`` may be called from any thread, ``tick`` and ``close`` from one at a time.

    Attributes:
        id: unique to this process life.
        folder: where its segments are.
        used: bytes that wait on this disk, of all processes together; an upper bound between two measurements.
        dropped: records that were not kept, under the policy ``drop``.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._most_bytes = settings.spool_max_bytes
        self._segment_bytes = settings.segment_max_bytes
        self._syncs_each = settings.fsync == "record"
        self.id = f"{_host()}-{os.getpid()}-{secrets.token_hex(4)}"
        self.folder = settings.spool_root / self.id
        unnamed = settings.spool_root / f".{self.id}"  # seen by others once it is locked, never before
        unnamed.mkdir(parents=True)
        self._lock_file = _take_lock(unnamed)
        unnamed.rename(self.folder)
        self._lock = threading.Lock()
        self._fd = -1
        self._number = 0
        self._size = 0
        self._written = 0
        self._opened_at = 0.0
        self._finished: deque[tuple[int, Path]] = deque()
        self._synced_at = self._measured_at = time.monotonic()
        self.dropped = 0
        self.used = _bytes_under(settings.spool_root)

    def append(self, data: bytes, records: int = 1) -> None:
        """Write framed records in one piece.

        Raises:
            SpoolFullError: the byte limit is reached or the disk refuses, and the policy is ``refuse``.
        """
        with self._lock:
            try:
                if self.used + len(data) > self._most_bytes:
                    raise SpoolFullError("the spool is full")
                self._write(data)
            except (SpoolFullError, OSError) as error:
                if self._settings.when_full == "refuse":
                    raise SpoolFullError(f"the prediction cannot be recorded: {error}") from error
                self.dropped += records
                return
            size = len(data)
            self._size += size
            self._written += size
            self.used += size
            if self._size >= self._segment_bytes:
                self._finish()

    def tick(self) -> None:
        """Seal what is old enough and make durable what is due; called about ten times a second, off the event loop."""
        now = time.monotonic()
        with self._lock:
            if self._fd >= 0 and now - self._opened_at >= self._settings.segment_max_age_s:
                self._finish()
            open_fd = self._fd
        self._seal_finished()
        if self._settings.fsync == "interval" and open_fd >= 0 and now - self._synced_at >= FSYNC_EVERY_S:
            os.fsync(open_fd)  # only this thread closes it
            self._synced_at = now
        full = self.used >= self._settings.spool_max_bytes * 0.9
        if now - self._measured_at >= (RETRY_AFTER_S if full else MEASURE_EVERY_S):
            self._measure()
            self._measured_at = now

    def close(self) -> None:
        """Seal the last segment and let go of the folder."""
        with self._lock:
            self._finish()
        self._seal_finished()
        os.close(self._lock_file)

    def _write(self, data: bytes) -> None:
        if self._fd < 0:
            self._number += 1
            path = self.folder / f"{self._number:08d}{OPEN}"
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_EXCL | os.O_CLOEXEC, 0o640)
            self._opened_at = time.monotonic()
        if os.write(self._fd, data) != len(data):
            os.ftruncate(self._fd, self._size)  # half a record would make what follows it unreadable
            raise OSError("no room for the whole record")
        if self._syncs_each:
            os.fsync(self._fd)

    def _finish(self) -> None:
        if self._fd >= 0:
            self._finished.append((self._fd, self.folder / f"{self._number:08d}{OPEN}"))
            self._fd = -1
            self._size = 0

    def _seal_finished(self) -> None:
        """Seal in the order of the numbers: who sees a segment sees all before it."""
        while self._finished:
            fd, path = self._finished.popleft()
            if self._settings.fsync != "never":
                os.fsync(fd)
            os.close(fd)
            path.rename(path.with_suffix(SEALED))

    def _measure(self) -> None:
        before = self._written
        measured = _bytes_under(self._settings.spool_root)
        with self._lock:
            self.used = measured + self._written - before


def seal_abandoned(root: Path) -> int:
    """Seal the open segments that dead processes of this host left under ``root``; return how many.

    A folder whose segments were all shipped is removed. Folders of other hosts are left alone: a lock on a shared disk
    need not be seen from here.
    """
    sealed = 0
    for folder in sorted(root.glob(f"{_host()}-*")):
        try:
            lock = _take_lock(folder)
        except OSError:
            continue  # its writer lives
        for path in sorted(folder.glob(f"*{OPEN}")):
            path.rename(path.with_suffix(SEALED))
            sealed += 1
        if not {path.name for path in folder.iterdir()} - {LOCK, STATE}:
            shutil.rmtree(folder)
        os.close(lock)
    return sealed


def _host() -> str:
    return re.sub(r"[^a-zA-Z0-9.]", "_", socket.gethostname())[:63] or "localhost"


def _take_lock(folder: Path) -> int:
    """Return a descriptor that holds the folder's lock until it is closed.

    Raises:
        BlockingIOError: another process holds it.
    """
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise
    return lock


def _bytes_under(root: Path) -> int:
    total = 0
    for path in root.glob("*/*[0-9].*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # sealed or shipped meanwhile
            continue
    return total
