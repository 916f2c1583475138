"""`manage.py sync_schedules`: bring beat's tables to what the apps declare."""

from datetime import timedelta
from importlib import import_module
from typing import Any

from celery.schedules import schedule
from django.apps import apps
from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils.module_loading import module_has_submodule
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from jobs.schedules import Schedule

OURS = "Declared by the application; sync_schedules keeps it."


class Command(BaseCommand):
    """Write every app's ``schedules.SCHEDULES`` to beat's tables."""

    help = "Write the periodic tasks that the apps declare to the scheduler's tables. Safe to repeat."

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        """Add and correct what is declared, and remove what was declared once and is no more.

        Rows made by people, and whether one of ours is switched off, stay as they are.
        """
        declared = _declared()
        for entry in declared:
            interval = IntervalSchedule.from_schedule(schedule(timedelta(seconds=entry.seconds)))
            if interval.pk is None:
                interval.save()
            wanted = {
                "task": entry.task, "interval": interval, "queue": entry.queue,
                "expire_seconds": entry.seconds, "description": OURS,
            }  # fmt: skip
            if not PeriodicTask.objects.filter(name=entry.name, **wanted).exists():
                PeriodicTask.objects.update_or_create(name=entry.name, defaults=wanted)
        stale = PeriodicTask.objects.filter(description=OURS).exclude(name__in=[entry.name for entry in declared])
        for task in stale:  # one by one: deleting through the model tells beat
            task.delete()


def _declared() -> list[Schedule]:
    return [
        Schedule(*entry)
        for app in apps.get_app_configs()
        if app.module and module_has_submodule(app.module, "schedules")
        for entry in getattr(import_module(f"{app.name}.schedules"), "SCHEDULES", [])
    ]
