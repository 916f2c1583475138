"""Whether a message from the broker is too old to act on, whatever this host's clock says.

Beat and whoever nudges give their messages seconds to live, so that none pile up while no worker is there. A worker whose clock is ahead would
drop every one of them. So where this clock says that a message has expired, the database's is asked, and has the last word.
"""

import logging
from datetime import UTC, datetime

from celery.contrib.django.task import DjangoTask
from celery.worker.request import Request
from django.db import Error, close_old_connections, connection

logger = logging.getLogger(__name__)


class PatientRequest(Request):  # type: ignore[misc]  # Celery has no types
    """A message as a worker receives it."""

    def maybe_expire(self) -> bool | None:
        """Drop the message where it has expired by the database's clock too."""
        if not self.expires or _now_utc() <= self.expires or not _has_passed(self.expires):
            return None
        expired: bool | None = super().maybe_expire()
        return expired


class Task(DjangoTask):  # type: ignore[misc]
    """A task whose messages are patient with this host's clock."""

    Request = "jobs.clock:PatientRequest"


def _now_utc() -> datetime:
    return datetime.now(UTC)


def _has_passed(instant: datetime) -> bool:
    """Tell whether ``instant`` lies in the past by the database's clock; while that does not answer, by nobody's."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp() > %s", [instant])
            found: bool = cursor.fetchone()[0]
    except Error:
        logger.warning("The database does not answer, so a message is taken as not expired.")
        return False
    finally:
        close_old_connections()
    return found
