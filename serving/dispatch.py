"""From a request's address to who answers it: a model after its caller was let in, or what describes the gateway."""

import asyncio
import hmac
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

from serving.batching import Batcher, Promise
from serving.callers import Caller, Callers
from serving.core import ANYONE, Core
from serving.describe import Describer
from serving.exchange import Answer, Received, refusal
from serving.invocations import MLFLOW
from serving.protocol import V2, Dialect, Fault

if TYPE_CHECKING:
    from serving.tracing import Tracing

logger = logging.getLogger("serving")

INLINE_BYTES = 64 * 1024  # a larger body is worth a hop to another thread
SLOW_THREADS = 4
MOST_ADDRESSES = 1_000  # that are remembered as they were sent
LONGEST_ADDRESS = 1_000
OPERATORS = ("/status", "/metrics")


class Address(NamedTuple):
    """What a request's target means."""

    path: str
    dialect: Dialect | None = None  # of a prediction
    name: str | None = None  # what is asked; None: the only model that the caller may call


class Dispatcher:
    """Answers requests on the event loop, and what is slow in threads. See ``serving.connections.Answering``."""

    def __init__(
        self, core: Core, callers: Callers, describer: Describer, *, operator_token: str = "",
        tracing: "Tracing | None" = None,
    ) -> None:  # fmt: skip
        self._core = core
        self._callers = callers
        self._describer = describer
        self._operator = b"Bearer " + operator_token.encode() if operator_token else None
        self._tracing = tracing
        self._slow = ThreadPoolExecutor(SLOW_THREADS, "slow")
        self._batcher = Batcher(core, self._slow)
        self._addresses: dict[bytes, Address] = {}

    def close(self) -> None:
        """Wait for what is being predicted."""
        self._slow.shutdown()

    def answer(self, received: Received) -> Answer | Promise:
        """Return the answer, or where it will be."""
        try:
            return self._answer(received) if self._tracing is None else self._traced(self._tracing, received)
        except Exception:
            logger.exception("a request could not be answered")
            return refusal(Fault(500, "the request could not be answered; the gateway's log says more"), V2)

    def refuse_early(self, method: bytes, url: bytes, headers: dict[bytes, bytes]) -> Answer | None:
        """Return why a prediction is refused whatever its body will be; None if it may come."""
        address = self._address(url)
        if address.dialect is None or method != b"POST":
            return None
        try:
            self._callers.identify(headers, time.time())
        except Fault as fault:
            return refusal(fault, address.dialect)
        return None

    def turn_away(self, received: Received, fault: Fault) -> Answer:
        """Refuse a request whose body nobody will look at; recorded where a caller asks a model."""
        address = self._address(received.url)
        if address.dialect is None or received.method != b"POST":
            return refusal(fault, V2)
        try:
            caller = self._callers.identify(received.headers, received.at)
        except Fault as stranger:
            return refusal(stranger, address.dialect)
        return self._core.turn_away(self._name(address, caller), received, fault, caller, address.dialect)

    def _answer(self, received: Received) -> Answer | Promise:
        address = self._address(received.url)
        dialect = address.dialect
        if dialect is None:
            return self._describe(received, address.path)
        if received.method != b"POST":
            return _wrong_method("POST", dialect)
        try:
            caller = self._callers.identify(received.headers, received.at)
            self._callers.enter(caller, received.started_ns / 1e9)
        except Fault as fault:
            return refusal(fault, dialect)
        answer = self._predict(received, self._name(address, caller), caller, dialect)
        if type(answer) is Answer:
            self._callers.leave(caller, received.at)
        else:
            assert not isinstance(answer, Answer)  # noqa: S101
            answer.add_done_callback(partial(self._leave, caller, received.at))
        return answer

    def _leave(self, caller: Caller, at: float, _: Promise) -> None:
        self._callers.leave(caller, at)

    def _predict(self, received: Received, name: str, caller: Caller, dialect: Dialect) -> Answer | Promise:
        if len(received.body) > INLINE_BYTES:
            # No lambdas here: what they close over would be slower to reach for every request.
            return self._in_thread(partial(self._core.infer, name, received, caller, dialect))
        call = self._core.begin(name, received, caller, dialect)
        if isinstance(call, Answer):
            return call
        if not call.is_slow:
            return self._core.complete(call)
        return self._batcher.answer(call) if call.may_join else self._in_thread(partial(self._core.complete, call))

    def _in_thread(self, work: Callable[[], Answer]) -> Promise:
        return asyncio.get_running_loop().run_in_executor(self._slow, work)

    def _traced(self, tracing: "Tracing", received: Received) -> Answer | Promise:
        address = self._address(received.url)
        if address.dialect is None:
            return self._answer(received)
        span = tracing.start(address.path, received.headers)
        answer = self._answer(received)
        if type(answer) is Answer:
            tracing.finish(span, answer.status, answer.headers)
        else:
            assert not isinstance(answer, Answer)  # noqa: S101
            answer.add_done_callback(lambda done: tracing.finish(span, done.result().status, done.result().headers))
        return answer

    def _name(self, address: Address, caller: Caller) -> str:
        return self._core.only_model(caller) if address.name is None else address.name

    def _address(self, url: bytes) -> Address:
        address = self._addresses.get(url)
        if address is None:
            address = read_address(url)
            if len(self._addresses) >= MOST_ADDRESSES:
                self._addresses.clear()
            if len(url) <= LONGEST_ADDRESS:
                self._addresses[url] = address
        return address

    def _describe(self, received: Received, path: str) -> Answer:
        told = self._describer.find(path)
        if told is None:
            return refusal(Fault(404, "there is no such address; /openapi.json says what is here"), V2)
        if received.method not in (b"GET", b"HEAD"):
            return _wrong_method("GET, HEAD", V2)
        caller = ANYONE
        try:
            if path.startswith("/v2/models/"):
                caller = self._callers.identify(received.headers, received.at)
            elif self._operator and path in OPERATORS:
                self._check_operator(received.headers)
        except Fault as fault:
            return refusal(fault, V2)
        return told(caller)

    def _check_operator(self, headers: Mapping[bytes, bytes]) -> None:
        if not hmac.compare_digest(headers.get(b"authorization", b""), self._operator or b""):
            raise Fault(401, "this needs the operator's token", (b"www-authenticate", b'Bearer realm="operator"'))


def read_address(url: bytes) -> Address:
    """Return what a request's target means: a path, or a whole address as proxies send it."""
    text = url.decode("latin-1")
    try:
        raw = text.partition("?")[0] if text.startswith("/") else urlsplit(text).path
    except ValueError:
        raw = ""
    path = unquote(raw).removesuffix("/")
    if path.startswith("/v2/models/"):
        if path.endswith("/infer"):
            return Address(path, V2, path[len("/v2/models/") : -len("/infer")])
    elif path.startswith("/models/") and path.endswith("/invocations"):
        return Address(path, MLFLOW, path[len("/models/") : -len("/invocations")])
    elif path == "/invocations":
        return Address(path, MLFLOW)
    return Address(path)


def _wrong_method(allowed: str, dialect: Dialect) -> Answer:
    return refusal(Fault(405, f"only {allowed} is answered here", (b"allow", allowed.encode())), dialect)
