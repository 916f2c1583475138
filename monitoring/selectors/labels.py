"""What became of a prediction, with its history."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec

from monitoring.labelling.labels import TABLE
from monitoring.models import Label
from monitoring.predictions.lookup import rows_of
from registry.models import AuditEvent, RegisteredModel

MOST_SHOWN = 25  # arrivals


@dataclass(frozen=True)
class Outcome:
    """One label of one prediction; the first one of a row counts, those after it were corrected."""

    row: int
    time: datetime
    value: Any
    received_at: datetime
    given_by: str
    counts: bool = False

    @property
    def said(self) -> str:
        """The value for people: a text as it is, the rest as JSON has it."""
        return self.value if isinstance(self.value, str) else msgspec.json.encode(self.value).decode()


def label_arrivals(model: RegisteredModel) -> list[AuditEvent]:
    """Return who handed in labels of a model lately, with the counts, newest first."""
    return list(AuditEvent.objects.filter(subject=model.path, action="labels.add").order_by("-seq")[:MOST_SHOWN])


def outcomes_of(model: RegisteredModel, request_id: str) -> list[Outcome]:
    """Return the labels of a request's rows: of each the newest first, by their time and then by when they came."""
    here = Label.objects.filter(model=model, request_id=request_id).select_related("given_by")
    found = [Outcome(r.row, r.time, r.value, r.received_at, r.given_by.username) for r in here]
    for row in rows_of(request_id, model_ids=[model.pk], table=TABLE):
        value = msgspec.json.decode(row["value"])
        found.append(Outcome(row["row"], row["time"], value, row["received_at"], row["given_by"]))
    once: dict[tuple[Any, ...], Outcome] = {}
    for outcome in sorted(found, key=lambda o: o.received_at):  # of equal ones the first stands
        once.setdefault((outcome.row, outcome.time, repr(outcome.value)), outcome)
    newest_first = sorted(once.values(), key=lambda o: (-o.row, o.time, o.received_at), reverse=True)
    counting = {outcome.row: outcome for outcome in reversed(newest_first)}
    return [replace(outcome, counts=outcome is counting[outcome.row]) for outcome in newest_first]
