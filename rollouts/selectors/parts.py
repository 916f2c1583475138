"""Which part of a rollout a counted row lies in. Parts begin at instants that are fixed with its trial, so no failure decides them."""

from django.db.models import F, FloatField, IntegerField, Value
from django.db.models.functions import Cast, Extract, Floor

from monitoring.models import Trial
from rollouts.judging import PART_S


def part_of_row(trial: Trial) -> Cast:
    """Return how many lengths of a part lie between the trial's opening and the row's ``started_at``."""
    since = Cast(Extract(F("started_at"), "epoch"), FloatField()) - Value(trial.opened_at.timestamp(), FloatField())
    return Cast(Floor(since / Value(float(PART_S))), IntegerField())
