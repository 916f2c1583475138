"""A child process with all that it starts: measured together, ended together. Nothing here knows Django or jobs.

Memory is watched as resident size, not limited as address space: numpy, OpenBLAS and LightGBM reserve far more
addresses than they touch, for each thread, so a limit on addresses would kill honest work on a machine with many cores.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO

import psutil

PR_SET_PDEATHSIG = 1
# OpenMP's threads wait by spinning unless told otherwise: beside other work on two cores, training took four times as long.
ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE"}
POLL_S = 0.05
GRACE_S = 3.0
KEPT_OUTPUT = 8000


class Child:
    """A running command in a session of its own, which whatever it starts shares. As a context it ends with the block."""

    def __init__(self, command: Sequence[str], *, cwd: Path) -> None:
        self._process = subprocess.Popen(  # noqa: S603
            command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True, env=ENVIRONMENT | os.environ,
        )  # fmt: skip
        self.peak_memory_mb = 0
        assert self._process.stdout is not None  # noqa: S101  asked for above
        self._tail = _Tail(self._process.stdout)

    def __enter__(self) -> "Child":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(grace_s=0)

    @property
    def pid(self) -> int:
        """The process id, which is the session's id too."""
        return self._process.pid

    def ended_within(self, seconds: float) -> bool:
        """Wait up to ``seconds`` for the command to end; what it has started may still run."""
        deadline = time.monotonic() + seconds
        while not self._has_ended():
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL_S)
        return True

    def memory_mb(self) -> int:
        """Return the resident memory of the whole session (MB) and remember the most seen."""
        total = 0
        for member in self._session():
            with suppress(psutil.NoSuchProcess):
                total += member.memory_info().rss
        megabytes = total // 1_000_000
        self.peak_memory_mb = max(self.peak_memory_mb, megabytes)
        return megabytes

    def end(self, *, grace_s: float = GRACE_S) -> int:
        """End the whole session, first by asking, and return the command's exit code (negative: the signal)."""
        if not self._has_ended() and grace_s:
            self._signal(signal.SIGTERM)
            self.ended_within(grace_s)
        # Until the leader is waited for, its id cannot be given to an unrelated process.
        self._signal(signal.SIGKILL)
        code = self._process.wait()
        self._tail.join(timeout=1)
        return code

    def output(self) -> str:
        """Return the end of what it wrote to its standard output and error."""
        return self._tail.text()

    def _has_ended(self) -> bool:
        if self._process.returncode is not None:
            return True
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _session(self) -> list[psutil.Process]:
        members = []
        for pid in psutil.pids():
            with suppress(ProcessLookupError, PermissionError, psutil.NoSuchProcess):
                if os.getsid(pid) == self.pid:
                    members.append(psutil.Process(pid))
        return members

    def _signal(self, number: signal.Signals) -> None:
        if self._process.returncode is not None:
            return
        for member in self._session():
            with suppress(psutil.NoSuchProcess):
                member.send_signal(number)


class _Tail(threading.Thread):
    """Reads a pipe so that it never fills, and keeps the end."""

    def __init__(self, pipe: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self._pipe = pipe
        self._kept = b""
        self.start()

    def run(self) -> None:
        with self._pipe as pipe:
            while chunk := os.read(pipe.fileno(), 65536):
                self._kept = (self._kept + chunk)[-KEPT_OUTPUT:]

    def text(self) -> str:
        return self._kept.decode(errors="replace").strip()


def die_with_parent(parent: int) -> None:
    """Have this process killed when process ``parent`` dies, however it dies, and chosen first when memory runs out.

    The system watches the thread that started this process; that thread waits in :class:`Child` for its end. Where the system is not Linux there is no such thing; fencing keeps an orphan from having effects.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the call
        sys.exit("The worker died before the job began.")
    Path("/proc/self/oom_score_adj").write_text("1000")
