"""Whether a process does its work, asked from outside."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

Check = Callable[[], Awaitable[bool]]
TIMEOUT_S = 3.0


def answers(url: str) -> Check:
    """Return a check that a GET of ``url`` is answered with 200."""
    parts = urlsplit(url)

    async def check() -> bool:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
                try:
                    writer.write(
                        f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode()
                    )
                    return b" 200 " in await reader.readline()
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return False

    return check


def accepts(probe: Callable[[], bool]) -> Check:
    """Return a check that calls a blocking probe off the event loop."""

    async def check() -> bool:
        return await asyncio.to_thread(probe)

    return check


def worker_answers(broker_url: str, name: str) -> Check:
    """Return a check that the Celery worker ``name`` on this machine answers a ping through the broker."""
    from celery import Celery  # slow to import, not safe to import in two threads, and not needed to stop or ask

    node = f"{name}@{socket.gethostname()}"

    def ping() -> bool:
        with Celery(broker=broker_url, set_as_current=False) as app:
            return bool(app.control.ping(destination=[node], timeout=TIMEOUT_S, limit=1))

    return accepts(ping)
