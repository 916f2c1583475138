"""Taking in what became of predictions: late, repeated or corrected."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import msgspec
from django.db import connection, transaction

from monitoring.labelling.lines import MOST_LINES, Label, Line, Wrong
from monitoring.models import Label as LabelRow
from registry.access import WRITERS, Actor
from registry.audit_trail import audit, audited
from registry.errors import InvalidError
from registry.models import RegisteredModel

CHUNK = 5_000
MOST_ERRORS = 100  # told; all are counted
AHEAD = timedelta(minutes=5)  # that another clock may be


@dataclass
class Taken:
    """What came of some lines.

    Attributes:
        added: labels that are new.
        repeated: labels that were there, to the last field; they change nothing.
        refused: lines that are no labels.
        errors: what is wrong with the first of those, by line.
    """

    added: int = 0
    repeated: int = 0
    refused: int = 0
    errors: dict[int, Wrong] = field(default_factory=dict)

    def refuse(self, line: int, wrong: Wrong) -> None:
        """Note a line that is no label."""
        self.refused += 1
        if len(self.errors) < MOST_ERRORS:
            self.errors[line] = wrong


class LinesError(InvalidError):
    """Some lines are no labels, so none was taken."""

    def __init__(self, taken: Taken) -> None:
        super().__init__(f"{taken.refused} lines are not valid.")
        self.taken = taken


@audited()
def labels_add(
    *, actor: Actor, model: RegisteredModel, lines: Iterable[Line], now: datetime, partial: bool = False
) -> Taken:
    """Take in labels of a model's predictions, all in one transaction. Whether the predictions exist is not asked.

    A label that was given before changes nothing. Another one of the same prediction is a correction: all are kept, and
    the one with the newest time counts.

    Args:
        lines: at most ``MOST_LINES``; read once, as they come.
        partial: whether good lines are taken where others are not.

    Raises:
        LinesError: a line is no label, and ``partial`` is not set.
        InvalidError: there are too many lines, or none.
        RoleError: the actor may only look.
    """
    actor.require(model.team, *WRITERS)
    taken = Taken()
    good = _good(lines, taken, now)
    while chunk := list(islice(good, CHUNK)):
        if partial or not taken.refused:
            _insert(model, actor, chunk, now, taken)
    if taken.refused and not partial:
        raise LinesError(taken)
    if not (taken.added or taken.repeated or taken.refused):
        raise InvalidError("There is no label in the body.", field="lines")
    if taken.added:
        audit(
            action="labels.add", subject=model.path, actor=actor, team=model.team.slug,
            payload={"added": taken.added, "repeated": taken.repeated, "refused": taken.refused},
        )  # fmt: skip
    return taken


def _good(lines: Iterable[Line], taken: Taken, now: datetime) -> Iterator[Label]:
    for count, (number, label) in enumerate(lines, 1):
        if count > MOST_LINES:
            raise InvalidError(f"There are more than {MOST_LINES:,} lines; send them in parts.", field="lines")
        if isinstance(label, Wrong):
            taken.refuse(number, label)
        elif label.time > now + AHEAD:
            taken.refuse(number, Wrong("time", "is in the future"))
        else:
            yield label


@transaction.atomic
def _insert(model: RegisteredModel, actor: Actor, labels: list[Label], now: datetime, taken: Taken) -> None:
    values: Any = [msgspec.json.encode(label.value).decode() for label in labels]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {LabelRow._meta.db_table} (model_id, given_by_id, received_at, request_id, row, time, value)"  # noqa: S608
            " SELECT %s, %s, %s, * FROM unnest(%s::text[], %s::int[], %s::timestamptz[], %s::jsonb[])"
            " ON CONFLICT DO NOTHING",
            [
                model.pk, actor.user.pk, now, [label.request_id for label in labels], [label.row for label in labels],
                [label.time for label in labels], values,
            ],
        )  # fmt: skip
        taken.added += cursor.rowcount
        taken.repeated += len(labels) - cursor.rowcount
