"""The outbox: what is told outside exists with the change alone, is sent at least once, and by one relay at a time."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from jobs import delivery
from jobs.delivery import deliver_due
from jobs.models import OutboxAttempt, OutboxMessage
from jobs.outbox import PER_DESTINATION, message_of, outbox_again, outbox_claim, outbox_post, outbox_settle, outbox_trim
from jobs.senders import Answer, declare_sender
from jobs.states import LONGEST_PAUSE_S, pause_s

pytestmark = pytest.mark.django_db

TAKEN = Answer(ok=True, status=200)
FAILED = Answer(ok=False, status=500, error="answered 500")


class Recorder:
    """Sends to nowhere: answers as told by destination, and remembers what it was asked to do."""

    def __init__(self):
        self.answers, self.sent, self.settled = {}, [], []

    def prepare(self, message):
        answer = self.answers.get(message.destination, TAKEN)

        def send():
            self.sent.append((message.message_id, message.attempt))
            return answer() if callable(answer) else answer

        return send

    def settle(self, message, answer):
        self.settled.append((message.pk, message.state, answer.ok))


@pytest.fixture
def sender():
    recorder = Recorder()
    declare_sender("test", recorder)
    return recorder


def post(destination="a", **fields):
    message = message_of(kind="test", destination=destination, event="test.said", payload={"n": 1}, **fields)
    outbox_post([message])
    return message


def make_due(message):
    OutboxMessage.objects.filter(pk=message.pk).update(next_attempt_at=F("next_attempt_at") - timedelta(days=1))


def test_message_of_a_change_that_failed_does_not_exist(sender):
    with transaction.atomic():
        post()
        transaction.set_rollback(True)

    assert deliver_due() == 0
    assert sender.sent == []


def test_message_is_sent_once_and_its_consequences_drawn(sender):
    message = post()

    assert deliver_due() == 1
    assert deliver_due() == 0

    message.refresh_from_db()
    assert (message.state, message.status, message.attempt) == ("sent", 200, 1)
    assert message.ended_at is not None
    assert sender.sent == [(message.message_id, 1)]
    assert sender.settled == [(message.pk, "sent", True)]
    attempt = message.attempts.get()
    assert (attempt.number, attempt.status, attempt.error) == (1, 200, "")


def test_failed_attempt_is_repeated_with_the_same_id_until_the_receiver_takes_it(sender):
    message = post()
    sender.answers["a"] = FAILED
    deliver_due()
    message.refresh_from_db()
    assert (message.state, message.status, message.error) == ("waiting", 500, "answered 500")
    assert message.next_attempt_at > timezone.now()
    assert deliver_due() == 0  # it waits

    make_due(message)
    sender.answers["a"] = TAKEN
    deliver_due()

    message.refresh_from_db()
    assert message.state == "sent"
    assert sender.sent == [(message.message_id, 1), (message.message_id, 2)]
    assert list(message.attempts.values_list("number", "status")) == [(1, 500), (2, 200)]


def test_message_is_dead_after_its_last_attempt_and_may_be_sent_again(sender):
    message = post(max_attempts=2)
    sender.answers["a"] = FAILED
    for _ in range(2):
        deliver_due()
        make_due(message)
    message.refresh_from_db()
    assert (message.state, message.attempt) == ("dead", 2)
    assert deliver_due() == 0

    sender.answers["a"] = TAKEN
    outbox_again(message)
    deliver_due()

    message.refresh_from_db()
    assert (message.state, message.attempt, message.error) == ("sent", 3, "")
    assert len({message_id for message_id, _ in sender.sent}) == 1


def test_answer_that_is_final_is_not_tried_again(sender):
    message = post()
    sender.answers["a"] = Answer(ok=False, status=410, error="gone", final=True)

    deliver_due()

    message.refresh_from_db()
    assert (message.state, message.attempt) == ("dead", 1)


def test_receiver_may_ask_for_a_longer_pause(sender):
    message = post()
    sender.answers["a"] = Answer(ok=False, status=429, error="answered 429", wait_s=600)

    deliver_due()

    message.refresh_from_db()
    assert message.next_attempt_at - message.attempts.get().at > timedelta(seconds=590)


@pytest.mark.parametrize("fault", ["prepare", "send"])
def test_fault_of_one_message_stops_no_other(sender, fault, monkeypatch):
    bad, good = post("bad"), post("good")
    sender.answers["bad"] = lambda: 1 / 0
    if fault == "prepare":
        prepare = sender.prepare
        monkeypatch.setattr(sender, "prepare", lambda m: 1 / 0 if m.destination == "bad" else prepare(m))

    deliver_due()

    states = dict(OutboxMessage.objects.values_list("destination", "state"))
    assert states == {"bad": "waiting", "good": "sent"}
    bad.refresh_from_db()
    assert "ZeroDivisionError" in bad.error
    good.refresh_from_db()
    assert good.attempts.count() == 1


def test_relay_that_died_after_sending_leaves_the_message_to_the_next_one(sender):
    message = post()
    [lost] = outbox_claim(at_most=1)
    assert outbox_claim(at_most=1) == []  # its lease holds

    make_due(message)
    deliver_due()

    message.refresh_from_db()
    assert (message.state, message.attempt) == ("sent", 2)
    assert outbox_settle(lost, FAILED, latency_ms=1) is None  # the late attempt changes nothing
    message.refresh_from_db()
    assert (message.state, message.attempts.count()) == ("sent", 1)


def test_late_result_does_not_touch_the_attempt_that_came_after_it(sender):
    message = post()
    [late] = outbox_claim(at_most=1)
    make_due(message)
    [now] = outbox_claim(at_most=1)

    assert outbox_settle(late, TAKEN, latency_ms=1) is None
    message.refresh_from_db()
    assert (message.state, message.attempt) == ("waiting", 2)
    assert sender.settled == []

    assert outbox_settle(now, TAKEN, latency_ms=1).state == "sent"


def test_attempt_that_hangs_is_given_up(sender, monkeypatch):
    monkeypatch.setattr(delivery, "LONGEST_S", 0.1)
    hung = threading.Event()
    sender.answers["a"] = lambda: hung.wait(10)
    message = post()

    deliver_due()

    hung.set()
    message.refresh_from_db()
    assert message.state == "waiting"
    assert message.error.startswith("Nothing was heard")


def test_slow_destination_takes_a_few_places_alone():
    for _ in range(40):
        post("slow")
    post("quick")

    claimed = [message.destination for message in outbox_claim(at_most=16)]

    assert sorted(claimed) == ["quick"] + ["slow"] * PER_DESTINATION
    assert outbox_claim(at_most=16, busy=[("test", "slow")]) == []


@pytest.mark.django_db(transaction=True)
def test_no_two_relays_take_the_same_message():
    made = {post(str(n % 10)).pk for n in range(80)}
    start, taken = threading.Barrier(4), []

    def relay():
        start.wait()
        while claimed := outbox_claim(at_most=5):
            taken.extend(message.pk for message in claimed)
        connection.close()

    threads = [threading.Thread(target=relay) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(taken) == len(set(taken))
    assert set(taken) <= made
    assert set(OutboxMessage.objects.filter(attempt=1).values_list("pk", flat=True)) == set(taken)
    assert set(OutboxMessage.objects.filter(attempt=0).values_list("pk", flat=True)) == made - set(taken)


def test_ended_messages_are_forgotten_and_waiting_ones_kept(sender):
    old, recent, waiting = post(), post(), post("b")
    sender.answers["b"] = FAILED
    deliver_due()
    OutboxMessage.objects.filter(pk=old.pk).update(ended_at=timezone.now() - timedelta(days=31))

    assert outbox_trim(before=timezone.now() - timedelta(days=30)) == 1

    assert set(OutboxMessage.objects.values_list("pk", flat=True)) == {recent.pk, waiting.pk}
    assert not OutboxAttempt.objects.filter(message=old.pk).exists()


@pytest.mark.parametrize(
    ("attempt", "jitter", "asked", "expected"),
    [
        (1, 0.5, 0, 5),
        (2, 0.5, 0, 20),
        (3, 0.0, 0, 64),
        (4, 0.5, 0, 320),
        (9, 0.5, 0, LONGEST_PAUSE_S),
        (10_000, 0.5, 0, LONGEST_PAUSE_S),
        (1, 0.5, 90, 90),
        (1, 0.5, 10**9, LONGEST_PAUSE_S),
    ],
)
def test_pause_grows_and_is_bounded(attempt, jitter, asked, expected):
    assert pause_s(attempt, first_s=5.0, jitter=jitter, asked_s=asked) == pytest.approx(expected)
