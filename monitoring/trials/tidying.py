"""What trials leave behind: windows are joined, never forgotten; keys and disagreements go. Each is safe to repeat."""

from datetime import datetime, timedelta

from django.db import connection, transaction

from monitoring.counting.trials import PAIR_SUMS, SUMS
from monitoring.models import TrialDisagreement, TrialKey, TrialPairs, TrialWindow

FINE = timedelta(hours=6)  # that windows stay as short as they were counted
JOINED_S = 300
KEYS_KEPT = timedelta(hours=48)  # after a trial
DISAGREEMENTS_KEPT = timedelta(days=7)  # they hold inputs, and no model's log is kept for less


@transaction.atomic
def purge_trials(*, now: datetime) -> None:
    """Forget keys of trials that are over and old disagreements, and join windows to five minutes.

    A rollout of a week has half a million windows of ten seconds, and its evidence is their sum each time somebody looks.
    """
    TrialKey.objects.filter(trial__closed_at__lt=now - KEYS_KEPT).delete()
    TrialDisagreement.objects.filter(at__lt=now - DISAGREEMENTS_KEPT).delete()
    _join(TrialWindow, ("trial_id", "guard", "arm", "weight_bp"), SUMS, before=now - FINE)
    _join(TrialPairs, ("trial_id", "guard"), PAIR_SUMS, before=now - FINE)


def _join(
    table: type[TrialWindow | TrialPairs], key: tuple[str, ...], names: tuple[str, ...], *, before: datetime
) -> None:
    """Add the windows within five minutes to the one at their start, whose key is the same; sums stay what they are."""
    at, columns, added = table._meta.db_table, ", ".join(key), ", ".join(names)
    sums = ", ".join(f"sum({name})" for name in names)
    update = ", ".join(f"{name} = {at}.{name} + excluded.{name}" for name in names)
    start = f"to_timestamp(floor(extract(epoch FROM started_at) / {JOINED_S}) * {JOINED_S})"
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH gone AS (DELETE FROM {at} WHERE started_at < %s AND started_at <> {start} RETURNING *)"  # noqa: S608
            f" INSERT INTO {at} ({columns}, started_at, {added})"
            f" SELECT {columns}, {start}, {sums} FROM gone GROUP BY {columns}, {start}"
            f" ON CONFLICT ({columns}, started_at) DO UPDATE SET {update}",
            [before],
        )
