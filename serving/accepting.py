"""Taking connections from a listening socket that workers share, so that each holds about as many.

The loop's own server empties the queue of connections whenever it wakes: whoever wakes first gets them all. Here a worker that holds
more than another leaves it the next one for a moment.
"""

import asyncio
import logging
import mmap
import socket

from serving.connections import Connections
from serving.siblings import Seat

logger = logging.getLogger("serving")

YIELD_S = 0.005  # for a sibling that has fewer to come first; one that hangs costs a caller no more
REST_S = 0.5  # where connections cannot be taken, as when there are too many open files
ABSENT = 1 << 62  # connections of a place that nobody fills, so that nobody leaves it any
COUNTS = "connections"  # the file, within the folder of the workers


class Counts:
    """How many connections the workers hold: a number a place, in memory that they share. Each writes its own."""

    def __init__(self, seat: Seat) -> None:
        self._number = seat.number
        with (seat.folder / COUNTS).open("r+b") as file:
            self._all = memoryview(mmap.mmap(file.fileno(), 0)).cast("q")

    @staticmethod
    def make(seat: Seat, workers: int) -> "Counts":
        """Make the file, for the supervisor."""
        (seat.folder / COUNTS).write_bytes(ABSENT.to_bytes(8, "little") * workers)
        return Counts(seat)

    def tell(self, count: int) -> None:
        """Note how many connections there are in this place."""
        self._all[self._number] = count

    def vacate(self, number: int) -> None:
        """Note that nobody is in a place."""
        self._all[number] = ABSENT

    def has_more(self, count: int) -> bool:
        """Whether who holds ``count`` should leave the next one to somebody else."""
        return count > min(self._all)


class Acceptor:
    """Accepts connections, and gives each a protocol of its own."""

    def __init__(self, listener: socket.socket, connections: Connections, counts: Counts) -> None:
        self._listener = listener
        self._connections = connections
        self._counts = counts
        self._loop = asyncio.get_running_loop()
        self._taking: set[asyncio.Task[object]] = set()
        self._later: asyncio.TimerHandle | None = None
        listener.setblocking(False)
        connections.tell = counts.tell
        counts.tell(0)

    def start(self) -> None:
        """Accept from now on."""
        self._loop.add_reader(self._listener, self._ready)

    def stop(self) -> None:
        """Accept no more; connections that wait are left to the siblings."""
        self._counts.tell(ABSENT)
        self._connections.tell = lambda _: None
        self._loop.remove_reader(self._listener)
        if self._later:
            self._later.cancel()
        self._listener.close()

    def _ready(self) -> None:
        if self._counts.has_more(self._held()):
            self._pause(YIELD_S)
        else:
            self._take()

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._listener)
        self._later = self._loop.call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        """Take one that nobody else took."""
        self.start()
        self._take()

    def _take(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # a sibling was quicker, or the caller gave up
        except OSError as error:
            logger.error("connections cannot be accepted for now: %s", error)  # noqa: TRY400  its words suffice
            self._pause(REST_S)
            return
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = self._loop.create_task(self._loop.connect_accepted_socket(self._connections, connection))
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)
        self._counts.tell(self._held())

    def _held(self) -> int:
        return len(self._connections.open) + len(self._taking)
