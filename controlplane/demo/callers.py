"""Who asks the demo's gateway: travellers who come back, some of them often, over a few connections."""

import http.client
import random
import threading
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

TIMEOUT_S = 30  # a loaded machine is not a failing gateway
TRAVELLERS = 20_000


class Travellers:
    """Keys of callers, uneven as they are in life: one in a hundred sends a tenth of the requests."""

    def __init__(self, seed: int = 1) -> None:
        self._chance = random.Random(seed)  # noqa: S311  no secret

    def next(self) -> str:
        """Return who asks next."""
        return f"traveller-{int(TRAVELLERS * self._chance.random() ** 2)}"


@dataclass
class Caller:
    """Asks one model, over a connection for each thread that calls it; where none answers, the status is 0."""

    gateway_url: str
    model: str
    token: str = ""
    _local: threading.local = field(default_factory=threading.local)

    def ask(self, body: bytes, key: str) -> tuple[int, str]:
        """Return the status of the answer and the request's id."""
        headers = {"Content-Type": "application/json", "X-Route-Key": key} | self._credentials()
        try:
            connection = self._connection()
            connection.request("POST", f"/v2/models/{quote(self.model)}/infer", body, headers)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            return 0, ""
        return answer.status, answer.headers.get("x-request-id", "")

    def is_served(self) -> bool:
        """Tell whether the gateway has loaded who answers, as a caller's own health check would."""
        ready = Request(f"{self.gateway_url}/v2/models/{quote(self.model)}/ready", headers=self._credentials())  # noqa: S310
        try:
            with urlopen(ready, timeout=TIMEOUT_S):  # noqa: S310
                return True
        except OSError:
            return False

    def close(self) -> None:
        """Leave this thread's connection; the next request opens another."""
        if connection := getattr(self._local, "connection", None):
            connection.close()
            self._local.connection = None

    def _connection(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = http.client.HTTPConnection(urlsplit(self.gateway_url).netloc, timeout=TIMEOUT_S)
            self._local.connection = connection
        return connection

    def _credentials(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}
