"""An open-loop caller in a process of its own: ``python -m benchmarks.asking ADDRESS BODY RATE SECONDS ANSWERS``.

It asks at a constant rate whatever the answers do, as customers would, over as many connections as that takes, and writes one line of
JSON for each request: its id, the HTTP status (0: no answer), the version that answered, and the numbers.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

LONGEST_S = 30.0
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Answered(NamedTuple):
    """What came of one request."""

    id: str
    status: int
    version: str = ""
    values: list[float] = []  # noqa: RUF012  of each row
    error: str = ""


class Caller:
    """Asks one address, with an id and a key of its own in each request."""

    def __init__(self, address: str, body: dict[str, object]) -> None:
        parts = urlsplit(address)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._head = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
        self._body = body
        self._idle: list[Connection] = []
        self.answers: list[Answered] = []

    async def run(self, rate: float, seconds: float) -> None:
        """Ask ``rate`` times a second, each at its own time."""
        loop, asked = asyncio.get_running_loop(), []
        began, prefix = loop.time(), f"{time.time():.0f}"
        for number in range(round(rate * seconds)):
            await asyncio.sleep(began + number / rate - loop.time())
            asked.append(loop.create_task(self._ask(f"{prefix}-{number}")))
        await asyncio.gather(*asked)

    async def _ask(self, name: str) -> None:
        try:
            async with asyncio.timeout(LONGEST_S):
                self.answers.append(await self._answer(name))
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            self.answers.append(Answered(name, 0, error=f"{type(error).__name__}: {error}"))

    async def _answer(self, name: str) -> Answered:
        connection = self._idle.pop() if self._idle else await asyncio.open_connection(self._host, self._port)
        reader, writer = connection
        body = json.dumps({"id": name} | self._body).encode()
        writer.write(f"{self._head}X-Route-Key: {name}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        data = json.loads(await reader.readexactly(length))
        self._idle.append(connection)
        status = int(head[9:12])
        if status != 200:
            return Answered(name, status, error=data["error"])
        return Answered(data["id"], status, data["model_version"], data["outputs"][0]["data"])


def main() -> None:
    """Ask, then write the answers down."""
    address, body, rate, seconds, target = sys.argv[1:]
    caller = Caller(address, json.loads(body))
    asyncio.run(caller.run(float(rate), float(seconds)))
    Path(target).write_text("".join(f"{json.dumps(answer)}\n" for answer in caller.answers))


if __name__ == "__main__":
    main()
