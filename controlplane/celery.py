"""The Celery application: `celery -A controlplane worker` and `beat`."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")

app = Celery("controlplane", task_cls="jobs.clock:Task")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
