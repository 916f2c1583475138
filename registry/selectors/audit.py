"""The audit trail, as far as a person may read it."""

from datetime import UTC, date, datetime, time, timedelta

from django.db.models import Q, QuerySet

from registry.access import Actor
from registry.models import AuditEvent


def visible_events(
    actor: Actor, *, action: str = "", subject: str = "", by: str = "", team: str = "", since: date | None = None,
    until: date | None = None,
) -> QuerySet[AuditEvent]:  # fmt: skip
    """Return the events of the actor's teams and, in a session, the person's own wherever they are.

    Args:
        action, subject: how they begin, such as ``promotion.`` or ``/models/flight-delay/``.
        by: exact name of the person or process.
        team: exact slug.
        since, until: the first and the last day, in UTC.
    """
    seen = Q(team__in=list(actor.teams().values_list("slug", flat=True)))
    if actor.token is None:
        seen |= Q(actor_id=actor.user.pk)
    events = AuditEvent.objects.filter(seen)
    exact = {"actor": by, "team": team}
    begins = {"action__startswith": action, "subject__startswith": subject}
    days = {
        "at__gte": since and datetime.combine(since, time(), UTC),
        "at__lt": until and datetime.combine(until + timedelta(days=1), time(), UTC),
    }
    return events.filter(**{name: value for name, value in (exact | begins | days).items() if value})
