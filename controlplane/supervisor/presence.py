"""Who runs the demo of one data folder, and which processes belong to it. Nothing here trusts a bare process number."""

import contextlib
import fcntl
import json
import os
import secrets
import signal
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import psutil

from controlplane.embedded import write_private

MARK = "CONTROLPLANE_DEMO"  # an environment variable that every process of a demo inherits


class AlreadyRunningError(Exception):
    """Another supervisor holds the folder; ``state`` is what it last said of itself."""

    def __init__(self, state: dict[str, Any]) -> None:
        super().__init__("a demo runs already")
        self.state = state


class Presence:
    """The right to run the demo of one folder: a lock that the system releases however its holder ends."""

    def __init__(self, var: Path) -> None:
        self.folder = var / "run"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock: IO[bytes] | None = None

    def __enter__(self) -> "Presence":
        """Take the lock and end what a killed supervisor may have left.

        Raises:
            AlreadyRunningError: a live supervisor holds it.
        """
        deadline = time.monotonic() + 0.3  # longer than anybody who only looks
        while not (lock := self._take_lock()):
            if time.monotonic() > deadline:
                raise AlreadyRunningError(self.state())
            time.sleep(0.02)
        self._lock = lock
        self.tell(state="starting")
        self.sweep()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End whatever is left of this demo and let go of the folder."""
        self.sweep()
        self._state_file.unlink(missing_ok=True)
        if self._lock:
            self._lock.close()

    @property
    def mark(self) -> str:
        """The secret word in the environment of all processes of this folder's demo."""
        path = self.folder / "mark"
        if not path.exists():
            write_private(path, secrets.token_hex(16))
        return path.read_text()

    @property
    def _state_file(self) -> Path:
        return self.folder / "state.json"

    def tell(self, **state: Any) -> None:
        """Leave word for other commands: the state and, once known, the addresses."""
        write_private(self._state_file, json.dumps({"pid": os.getpid(), **state}))

    def state(self) -> dict[str, Any]:
        """Return what the running supervisor last said; empty where none runs."""
        if lock := self._take_lock():
            lock.close()
            return {}
        try:
            return dict(json.loads(self._state_file.read_text()))
        except FileNotFoundError:  # it took the lock a moment ago
            return {"state": "starting"}

    def stop_holder(self, *, timeout_s: float = 30) -> bool:
        """Ask the running supervisor to stop and wait; one that does not is killed. False where none runs."""
        asked_at = None
        while state := self.state():
            if "pid" in state:
                late = asked_at is not None and time.monotonic() > asked_at + timeout_s
                if asked_at is None or late:
                    with contextlib.suppress(ProcessLookupError):
                        # The lock is held, so the number is that of its holder.
                        os.kill(state["pid"], signal.SIGKILL if late else signal.SIGTERM)
                asked_at = asked_at or time.monotonic()
            time.sleep(0.05)
        self.sweep()
        return asked_at is not None

    def sweep(self) -> None:
        """End every process that carries this folder's mark: asked first, killed five seconds later."""
        for end in (psutil.Process.terminate, psutil.Process.kill):
            family = self.processes()
            for process in family:
                with contextlib.suppress(psutil.Error):
                    end(process)
            psutil.wait_procs(family, timeout=5)

    def processes(self) -> list[psutil.Process]:
        """Return the live processes of this folder's demo, without the supervisor."""
        found, mark = [], self.mark
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):  # it ended meanwhile, or is another user's
                if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                    found.append(process)
        return found

    def _take_lock(self) -> IO[bytes] | None:
        """Return the open lock file; None while another process holds it."""
        lock = (self.folder / "lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return None
        return lock
