"""Several processes behind one listening socket: started, watched, replaced when one dies, and stopped together.

They share the socket itself, so a connection that waits to be accepted outlives the process that would have taken it.
Each holds one end of a pipe whose other end is here, and stops when that closes: nobody serves on without a supervisor.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType

from serving.accepting import Counts
from serving.settings import read_settings
from serving.siblings import Seat
from serving.worker import BACKLOG, DRAIN_S, run

logger = logging.getLogger("serving")

RESTART_AFTER_S = 0.2  # doubled for a worker that dies young, again and again
RESTART_AT_MOST_S = 10.0
YOUNG_S = 10.0
LOOK_EVERY_S = 0.05


class Place:
    """One of the workers, whichever process fills it now."""

    def __init__(self, command: list[str], *inherited: int, left: Callable[[], None]) -> None:
        self._command = command
        self._inherited = inherited
        self._left = left  # is told when the process ended
        self._wait_s = RESTART_AFTER_S
        self._due_at = 0.0
        self._started_at = 0.0
        self.process: subprocess.Popen[bytes] | None = None

    def look(self, now: float) -> None:
        """Start a process where there is none and one is due."""
        if self.process is not None and self.process.poll() is not None:
            young = now - self._started_at < YOUNG_S
            self._wait_s = min(self._wait_s * 2, RESTART_AT_MOST_S) if young else RESTART_AFTER_S
            pid, code = self.process.pid, self.process.returncode
            logger.warning("worker %d ended with %d; another follows in %g s", pid, code, self._wait_s)
            self.process, self._due_at = None, now + self._wait_s
            self._left()
        if self.process is None and now >= self._due_at:
            self.process = subprocess.Popen(self._command, pass_fds=self._inherited)  # noqa: S603  ourselves
            self._started_at = now


def supervise(listener: socket.socket, workers: int) -> int:
    """Keep ``workers`` processes serving at ``listener`` until told to stop; return 0 where all ended in peace."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    listener.listen(BACKLOG)
    theirs, ours = os.pipe()
    folder = tempfile.TemporaryDirectory(prefix="gateway-")
    command = [sys.executable, "-m", "serving.workers", str(listener.fileno()), str(theirs)]
    counts = Counts.make(Seat(Path(folder.name), 0), workers)
    places = [
        Place([*command, folder.name, str(number)], listener.fileno(), theirs, left=partial(counts.vacate, number))
        for number in range(workers)
    ]
    told: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        told.append(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    while not told:
        for place in places:
            place.look(time.monotonic())
        time.sleep(LOOK_EVERY_S)
    os.close(ours)
    listener.close()
    processes = [place.process for place in places if place.process is not None]
    deadline = time.monotonic() + DRAIN_S + 5
    for process in processes:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    folder.cleanup()
    return 0 if all(process.returncode == 0 for process in processes) else 1


def main() -> None:
    """Be one worker: ``python -m serving.workers SOCKET LIFELINE FOLDER PLACE``, the first two inherited descriptors."""
    _, listener, lifeline, folder, number = sys.argv
    run(read_settings(), socket.socket(fileno=int(listener)), int(lifeline), Seat(Path(folder), int(number)))


if __name__ == "__main__":
    main()
