"""The gateway process: ``python -m serving.gateway``, told everything by its environment (docs/serving.md)."""

import gc
import logging
import os
import sys

import uvicorn

from serving.asgi import Gateway
from serving.http import BoundedProtocol
from serving.settings import SettingsError, read_settings


def application() -> Gateway:
    """Return the ASGI application of one worker process."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    gc.set_threshold(50_000)  # requests leave no cycles behind; looking for some every few requests costs a tenth
    settings = read_settings()
    BoundedProtocol.head_timeout_s = settings.head_timeout_s
    return Gateway(settings)


def main() -> int:
    """Serve until told to stop."""
    try:
        settings = read_settings()
    except SettingsError as error:
        sys.stderr.write(f"gateway: {error}\n")
        return 2
    # Requests run side by side already; a library that starts threads of its own for each would only get in the way.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    uvicorn.run(
        "serving.gateway:application", factory=True, host=settings.host, port=settings.port, workers=settings.workers,
        loop="uvloop", http=BoundedProtocol, ws="none", lifespan="on", access_log=False, log_level="warning",
        server_header=False, proxy_headers=False, timeout_graceful_shutdown=10,
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
