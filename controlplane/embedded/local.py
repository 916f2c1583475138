"""What every embedded server takes: a port, a secret, and the patience to start."""

import secrets
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path


class EmbeddedServerError(RuntimeError):
    """A server binary could not be started; the message says what to do."""


def free_port() -> int:
    """Return a TCP port on 127.0.0.1 that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def port_is_free(port: int) -> bool:
    """Tell whether ``port`` can be bound on 127.0.0.1."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def secret_file(path: Path) -> str:
    """Read a secret, creating it with mode 0600 on first use; a creation that is cut short leaves none behind."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_private(path, secrets.token_urlsafe(40))
    return path.read_text()


def write_private(path: Path, text: str) -> None:
    """Replace ``path`` in one step by a file that its owner alone may read."""
    handle, partial = tempfile.mkstemp(dir=path.parent)  # made with mode 0600
    with open(handle, "w") as file:
        file.write(text)
    Path(partial).replace(path)


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], *, what: str, log: Path) -> None:
    """Wait up to a minute for a server that was just started.

    Raises:
        EmbeddedServerError: it ended, or is not ready in time.
    """
    deadline = time.monotonic() + 60
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise EmbeddedServerError(f"{what} did not start; see {log}")
        time.sleep(0.02)
