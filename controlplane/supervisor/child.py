"""One process of the demo: started in a group of its own, listened to, restarted when it dies, stopped with its group."""

import asyncio
import contextlib
import math
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from controlplane.supervisor.config import REPOSITORY, SetupError
from controlplane.supervisor.health import Check
from controlplane.supervisor.tether import tethered

MAX_LINE_BYTES = 8192
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
BORN_DEAD_S = 2.0  # what cannot work at all ends sooner
SETTLED_AFTER_S = 60.0  # a process that lived this long starts over with the shortest pause
DEATHS_BEFORE_GIVING_UP = 3  # while starting; once it has been healthy it is restarted for ever
CHECK_EVERY_S = 10.0
POLL_S = 0.1


@dataclass(frozen=True)
class Spec:
    """What to run, and how to tell that it works."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    check: Check | None = None  # None: it answers nobody, so to live is to be healthy
    stop_signal: signal.Signals = signal.SIGTERM
    orphan_signal: signal.Signals | None = None  # where the supervisor itself has died; None: the same
    grace_s: float = 5.0
    user: str = ""  # whom it runs as; empty for the present user
    once: bool = False  # it has an end; reaching it is success
    restarts: bool = True  # it is started again where it fails
    folder: Path = field(default=REPOSITORY)


class Child:
    """Keeps one process running until told to stop."""

    def __init__(self, spec: Spec, *, line: Callable[[str, str], None], say: Callable[[str], None]) -> None:
        self.spec = spec
        self.deaths = 0
        self.last_lines: deque[str] = deque(maxlen=20)
        self._line = line
        self._say = say
        self._process: asyncio.subprocess.Process | None = None
        self._started_at = math.inf
        self._stopping = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._watcher: asyncio.Task[None] | None = None

    @property
    def finished(self) -> bool:
        """Whether a process with an end has reached it."""
        return self._keeper is not None and self._keeper.done()

    def start(self) -> None:
        """Start the process and keep it running."""
        self._keeper = asyncio.create_task(self._keep())

    async def until_healthy(self, timeout_s: float) -> float:
        """Wait until the process does its work, then watch it; return the seconds it took.

        Raises:
            SetupError: it died repeatedly or is not healthy in time; carries its last lines.
        """
        began = time.monotonic()
        while not await self._healthy():
            if self.deaths >= DEATHS_BEFORE_GIVING_UP or time.monotonic() - began > timeout_s:
                raise SetupError(self._failure())
            await asyncio.sleep(POLL_S)
        self._watcher = asyncio.create_task(self._watch())
        return time.monotonic() - began

    async def until_finished(self) -> None:
        """Wait until a process with an end has reached it.

        Raises:
            SetupError: it failed; carries its last lines.
        """
        while not self.finished:
            await asyncio.sleep(POLL_S / 2)
        if self.deaths:
            raise SetupError(self._failure())

    async def stop(self) -> None:
        """Ask the process to stop; what is left of its group after the grace period is killed."""
        self._stopping.set()
        if self._watcher:
            self._watcher.cancel()
        if self._keeper:
            await self._keeper

    def kill(self) -> None:
        """Kill the process and its group at once."""
        if self._process and self._process.returncode is None:
            self._kill_group(self._process)

    async def _keep(self) -> None:
        pause = FIRST_PAUSE_S
        while not self._stopping.is_set():
            self._started_at = time.monotonic()
            code = await self._run()
            if self._stopping.is_set() or (self.spec.once and code == 0):
                return
            self.deaths += 1
            if not self.spec.restarts:
                return
            if time.monotonic() - self._started_at > SETTLED_AFTER_S:
                pause = FIRST_PAUSE_S
            self._started_at = math.inf
            self._say(f"{self.spec.name} ended ({_ending(code)}); it starts again in {pause:.0f} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    async def _run(self) -> int:
        """Run the process once, to its end, and return its exit code."""
        process = self._process = await asyncio.create_subprocess_exec(
            *tethered(self.spec.command, stop_signal=self.spec.orphan_signal or self.spec.stop_signal, user=self.spec.user),
            cwd=self.spec.folder, env=dict(self.spec.environment), stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        listener = asyncio.create_task(self._listen(process))
        ended = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            process.send_signal(self.spec.stop_signal)
            await asyncio.wait({ended}, timeout=self.spec.grace_s)
        self._kill_group(process)  # what it left behind would hold its ports
        stopping.cancel()
        await asyncio.wait({listener}, timeout=1)  # the pipe stays open while some grandchild holds it
        listener.cancel()
        return await ended

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout  # noqa: S101  opened as a pipe
        rest = b""
        while block := await process.stdout.read(65536):
            *lines, rest = (rest + block).split(b"\n")
            if len(rest) > MAX_LINE_BYTES:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._pass_on(line)
        if rest:
            self._pass_on(rest)

    def _pass_on(self, line: bytes) -> None:
        text = line.decode(errors="backslashreplace").rstrip()
        self.last_lines.append(text)
        self._line(self.spec.name, text)

    async def _watch(self) -> None:
        """Say when the process stops answering, and when it answers again."""
        healthy = True
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            if (answer := await self._healthy()) != healthy:
                healthy = answer
                self._say(f"{self.spec.name} {'answers again' if healthy else 'does not answer'}")

    async def _healthy(self) -> bool:
        if self.spec.check:
            return self._process is not None and await self.spec.check()
        return time.monotonic() - self._started_at > BORN_DEAD_S

    @staticmethod
    def _kill_group(process: asyncio.subprocess.Process) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    def _failure(self) -> str:
        lines = "\n".join(f"    {line}" for line in self.last_lines)
        return f"{self.spec.name} did not start. Its last lines:\n{lines}"


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
