"""Forgetting what was counted of quality, past its time; safe to repeat."""

from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Trunc

from monitoring.models import QualityDue, QualityPairs, QualityWindow, Span

KEPT = {Span.HOUR: timedelta(days=100), Span.DAY: timedelta(days=3 * 366)}


@transaction.atomic
def purge_quality(*, now: datetime) -> None:
    """Forget hours and days past their time.

    A day is summed up anew from its hours where one of them changes. So hours are kept for longer than labels restate them, and none goes
    while one of its day is still to be counted.
    """
    due = QualityDue.objects.annotate(day=Trunc("started_at", "day", tzinfo=UTC)).filter(day=OuterRef("day"))
    for table, model in ((QualityWindow, "version__model"), (QualityPairs, "challenger__model")):
        hours = table.objects.filter(span=Span.HOUR, started_at__lt=_day(now - KEPT[Span.HOUR]))
        dated = hours.annotate(day=Trunc("started_at", "day", tzinfo=UTC))
        dated.exclude(Exists(due.filter(model=OuterRef(model)))).delete()
        table.objects.filter(span=Span.DAY, started_at__lt=now - KEPT[Span.DAY]).delete()


def _day(at: datetime) -> datetime:
    """Return the start of the day, so that hours of one day go together."""
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
