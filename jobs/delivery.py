"""Sending what waits in the outbox: many at once, since most of the time goes into waiting for receivers."""

import logging
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from jobs.models import OutboxMessage
from jobs.outbox import PER_DESTINATION, outbox_claim, outbox_settle
from jobs.senders import Answer, sender_of

logger = logging.getLogger(__name__)

AT_ONCE = 16
TURN_S = 20.0  # after which a turn takes nothing new
LONGEST_S = 30.0  # an attempt; senders set their own, shorter limits, and this one holds if such a limit does not


@dataclass(frozen=True)
class _Timed:
    answer: Answer
    latency_ms: int


def deliver_due() -> int:
    """Send the messages that are due, until none is left or the turn is over; return how many attempts were made.

    The database is used in this thread alone: the threads of the pool do nothing but speak to receivers.
    """
    ends, made = time.monotonic() + TURN_S, 0
    under_way: dict[Future[_Timed], tuple[OutboxMessage, float]] = {}
    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="outbox")
    try:
        while True:
            if time.monotonic() < ends and len(under_way) < AT_ONCE:
                count = Counter((message.kind, message.destination) for message, _ in under_way.values())
                busy = [destination for destination, sent in count.items() if sent >= PER_DESTINATION]
                for message in outbox_claim(at_most=AT_ONCE - len(under_way), busy=busy):
                    sent = pool.submit(_timed, _prepared(message))
                    under_way[sent] = (message, time.monotonic())
                    made += 1
            if not under_way:
                return made
            done, _ = wait(under_way, timeout=1.0, return_when=FIRST_COMPLETED)
            late = {future for future, (_, began) in under_way.items() if time.monotonic() - began > LONGEST_S}
            for future in done | late:
                message, _ = under_way.pop(future)
                timed = future.result() if future in done else _too_late()
                outbox_settle(message, timed.answer, latency_ms=timed.latency_ms)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def deliver_now(message: OutboxMessage) -> OutboxMessage | None:
    """Make the one attempt that ``message`` is held by, in this thread; return the message as it stands afterwards."""
    timed = _timed(_prepared(message))
    return outbox_settle(message, timed.answer, latency_ms=timed.latency_ms)


def _prepared(message: OutboxMessage) -> Callable[[], Answer]:
    try:
        return sender_of(message.kind).prepare(message)
    except Exception as error:  # one message that cannot be sent must not stop the others
        logger.exception("%s cannot be prepared.", message)
        answer = Answer(ok=False, error=f"It could not be prepared: {type(error).__name__}.")
        return lambda: answer


def _timed(send: Callable[[], Answer]) -> _Timed:
    began = time.monotonic()
    try:
        answer = send()
    except Exception as error:  # as above
        logger.exception("An attempt to send failed in a way that nobody foresaw.")
        answer = Answer(ok=False, error=f"Sending failed: {type(error).__name__}.")
    return _Timed(answer, round((time.monotonic() - began) * 1000))


def _too_late() -> _Timed:
    return _Timed(Answer(ok=False, error=f"Nothing was heard for {LONGEST_S:.0f} seconds."), round(LONGEST_S * 1000))
