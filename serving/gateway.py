"""The gateway: ``python -m serving.gateway``, told everything by its environment (docs/serving.md)."""

import os
import socket
import sys

from serving.settings import Settings, SettingsError, read_settings


def main() -> int:
    """Serve until told to stop."""
    try:
        settings = read_settings()
        listener = listen(settings)
    except SettingsError as error:
        sys.stderr.write(f"gateway: {error}\n")
        return 2
    # Requests run side by side already; a library that starts threads of its own for each would only get in the way.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if settings.workers == 1:
        from serving.worker import run

        run(settings, listener)
        return 0
    from serving.workers import supervise

    return supervise(listener, settings.workers)


def listen(settings: Settings) -> socket.socket:
    """Return the listening socket.

    Raises:
        SettingsError: nothing can listen at the address.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise SettingsError(
            f"GATEWAY_HOST {settings.host}, GATEWAY_PORT {settings.port}: nothing can listen there: {error.strerror}."
        ) from error
    return listener


if __name__ == "__main__":
    sys.exit(main())
