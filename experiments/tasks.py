"""What experiments do by the clock."""

from celery import shared_task
from django.utils import timezone

from experiments import services
from experiments.models import Search, SearchState


@shared_task(acks_late=True)
def read_sources() -> None:
    """Start the sources whose schedule has come due; safe to run twice."""
    services.sources_due(now=timezone.now())


@shared_task(acks_late=True)
def step_searches() -> None:
    """Move each search that runs one step: settle trials whose job ended, make the next ones; safe to run twice."""
    for pk in Search.objects.filter(state=SearchState.RUNNING).values_list("pk", flat=True):
        services.search_step(search_id=pk)


@shared_task(acks_late=True)
def forget_uploads() -> None:
    """Delete uploads that waited too long; safe to run twice."""
    services.uploads_forget(now=timezone.now())
