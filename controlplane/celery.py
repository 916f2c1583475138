"""The Celery application: `celery -A controlplane worker` and `beat`."""

import gc
import os
from typing import Any

from celery import Celery
from celery.signals import worker_ready

COLLECT_AFTER = 50_000  # more objects made than freed; a routing table of thousands of routes, read and written, has no cycle among them

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")

app = Celery("controlplane", task_cls="jobs.clock:Task")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


def collect_rarely(**_: Any) -> None:
    """Have Python look for cycles rarely, and never among what is loaded once."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


worker_ready.connect(collect_rarely)
