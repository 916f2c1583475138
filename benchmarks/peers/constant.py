"""The other floor: a constant answer under uvicorn. ``python -m benchmarks.peers.constant PORT``."""

import sys
from typing import Any

import uvicorn

BODY = b'{"outputs":[{"name":"probability","datatype":"FP64","shape":[1],"data":[0.5]}]}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Read the body and answer the same as ever."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})


if __name__ == "__main__":
    uvicorn.run(
        application, host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools", lifespan="off",
        access_log=False, log_level="error",
    )  # fmt: skip
