"""Requests at a fixed rate, whether or not the answers keep up: ``python -m benchmarks.openloop PORT PATH BODY TOKEN RATE SECONDS``.

A client that waits for each answer before it asks again spares a server that stalls; this one does not. A request is due at its
time, goes out on a connection that is free, and its latency counts from when it was due. It polls without sleeping, so it wants a core of its own.
"""

import json
import select
import socket
import sys
import time
from pathlib import Path

CONNECTIONS = 64


def main() -> None:
    """Ask, and print what was seen as one line of JSON."""
    port, path, body_path, token, rate, seconds = sys.argv[1:7]
    body = Path(body_path).read_bytes()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    )
    if token:
        head += f"Authorization: Bearer {token}\r\n"
    late, refused = run(int(port), head.encode(), body, float(rate), float(seconds))
    late.sort()
    told: dict[str, float] = {"requests": len(late), "refused": refused}
    for name, q in (("p50_us", 0.5), ("p99_us", 0.99), ("p999_us", 0.999)):
        told[name] = late[int(q * len(late))] / 1000
    print(json.dumps(told))  # noqa: T201  the caller reads it


def run(port: int, head: bytes, body: bytes, rate: float, seconds: float) -> tuple[list[int], int]:
    """Return each answer's nanoseconds since its request was due, and how many were no 200."""
    sockets = {}
    poll = select.epoll()
    for _ in range(CONNECTIONS):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        sockets[connection.fileno()] = connection
        poll.register(connection, select.EPOLLIN)
    free, due_of, parts = list(sockets), {}, dict.fromkeys(sockets, b"")
    total, sent, refused = int(rate * seconds), 0, 0
    late: list[int] = []
    clock, gap = time.perf_counter_ns, 1e9 / rate
    began = clock()
    while len(late) < total:
        while free and sent < total and (due := began + int(sent * gap)) <= clock():
            fd = free.pop()
            sockets[fd].send(b"%bX-Route-Key: key-%d\r\n\r\n%b" % (head, sent, body))
            due_of[fd] = due
            sent += 1
        for fd, _ in poll.poll(0):
            parts[fd] += sockets[fd].recv(65536)
            if _is_whole(parts[fd]):
                late.append(clock() - due_of[fd])
                refused += not parts[fd].startswith(b"HTTP/1.1 200")
                parts[fd] = b""
                free.append(fd)
        if clock() - began > (seconds + 30) * 1e9:
            raise RuntimeError(f"only {len(late)} of {total} answers came")
    return late, refused


def _is_whole(data: bytes) -> bool:
    head, end, body = data.partition(b"\r\n\r\n")
    if not end:
        return False
    lower = head.lower()
    length = int(lower[lower.index(b"content-length:") + 15 :].split(b"\r\n", 1)[0])
    return len(body) >= length


if __name__ == "__main__":
    main()
