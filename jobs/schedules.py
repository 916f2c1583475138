"""What runs periodically, as data. Any app may have a module ``schedules`` like this; `sync_schedules` collects them."""

from typing import NamedTuple

CONTROL, WATCH = "control", "watch"


class Schedule(NamedTuple):
    """A task sent every ``seconds`` to a queue; a turn that is not taken before the next one expires.

    What others wait for is short and goes to ``control``; what looks at much and may take its time goes to ``watch``.
    """

    name: str
    task: str
    seconds: int
    queue: str = CONTROL


SCHEDULES = [
    Schedule("Nudge queues with waiting jobs", "jobs.tasks.relay", 2),
    Schedule("Take jobs from lost workers", "jobs.tasks.reap", 5),
    Schedule("Send what waits in the outbox", "jobs.tasks.deliver", 2),
    Schedule("Forget messages that ended long ago", "jobs.tasks.trim_outbox", 3600),
]
