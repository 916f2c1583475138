"""Predictions and labels at known times, counted as the periodic task does."""

from datetime import UTC, datetime, timedelta

from django.contrib.auth.models import User

from monitoring.labelling import labels
from monitoring.models import Label, QualityCursor
from monitoring.quality.counting import count_quality
from tests.factories import make_record
from tests.trials import shipped

AT = datetime(2026, 11, 20, 8, tzinfo=UTC)  # a full hour, and an even one
NOW = AT + timedelta(days=3)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def predict(version, score=0.75, *, after=0.0, **fields):
    """One answered prediction, ``after`` seconds past eight o'clock."""
    outputs = fields.pop("outputs", {"probability": score})
    return make_record(version, at=AT.timestamp() + after, outputs=outputs, **fields)


def tell(version, record, value, *, known=DAY, received=2 * DAY, row=0):
    """Say what became of a prediction."""
    return Label.objects.create(
        model=version.model, request_id=record.request_id, row=row, time=AT + known, value=value,
        given_by=User.objects.first(), received_at=AT + received,
    )  # fmt: skip


def many(version, outcomes, *, after=0.0, every=1.0, **fields):
    """Ship a prediction for each (score, label) and tell its label; None: it has none."""
    made = [predict(version, score, after=after + n * every, **fields) for n, (score, _) in enumerate(outcomes)]
    shipped(*made)
    for record, (_, label) in zip(made, outcomes, strict=True):
        if label is not None:
            tell(version, record, label)
    return made


def count(now=NOW):
    """Ship labels and count what changed; return how many hours that were."""
    labels.ship_labels()
    QualityCursor.objects.update(looking_s=0.0)
    return count_quality(now=now)
