"""Counting for open trials, in the transaction that notes the segments: each record once, or not at all.

A model without a trial costs nothing but the question. What arrives late for a trial that was closed meanwhile still counts for an hour.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import astuple, fields
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from django.db import connection, transaction
from django.db.models import Model, Q
from django.db.models.functions import Now

from monitoring.models import Trial, TrialDisagreement, TrialHeld, TrialKey, TrialPairs, TrialWindow
from monitoring.predictions.lake import signed
from monitoring.trials.pairing import (
    Compared,
    Disagreement,
    PairKey,
    PairTally,
    Side,
    compare,
    count_failures,
    count_missing,
    sides_of,
)
from monitoring.trials.tally import REQUESTS, Request, Scope, Sums, Tally, requests_of, tally_trial
from serving.contract import PredictionRecord

MOST_KEYS = 100_000  # different keys of the candidate that are told apart
MOST_KEPT = 200  # disagreements of a guard
LATE = timedelta(hours=1)
HELD_S = 60  # from then on a shadow that has not told is missing
SUMS = tuple(f.name for f in fields(Sums))
PAIR_SUMS = tuple(f.name for f in fields(PairTally))


def count_trials(records: Sequence[PredictionRecord]) -> bool:
    """Add records to the trials of their models, and return whether there was anything to add."""
    touched = False
    for model_id, scopes in _scopes({record.model_id for record in records}).items():
        of_model = [record for record in records if record.model_id == model_id]
        for scope in scopes:
            requests = list(requests_of(scope, of_model))
            if requests:
                touched = True
                _count_requests(scope, requests)
                _count_pairs(scope, requests)
    return touched


def _scopes(model_ids: Iterable[int]) -> dict[int, list[Scope]]:
    """Return, by model, the trials that records may still count for."""
    trials = Trial.objects.filter(Q(closed_at=None) | Q(closed_at__gt=Now() - LATE), model__in=model_ids)
    scopes: dict[int, list[Scope]] = {}
    for trial in trials.select_related("champion", "candidate").order_by("pk"):
        scopes.setdefault(trial.model_id, []).append(scope_of(trial))
    return scopes


def scope_of(trial: Trial) -> Scope:
    """Return what a trial is about."""
    until = trial.closed_at.timestamp() if trial.closed_at else math.inf
    return Scope(
        trial.pk, trial.champion.number, trial.candidate.number, trial.opened_at.timestamp(), until,
        tuple(trial.read_guards()),
    )  # fmt: skip


def _count_requests(scope: Scope, requests: Sequence[tuple[str, Request]]) -> None:
    tally = tally_trial(scope, requests)
    new_keys = 0
    for guard, key in _new_keys(scope.trial_id, tally):
        if guard == REQUESTS:
            new_keys += 1
        else:
            tally.sums(tally.events[guard, key].window).first_events += 1
    _add(TrialWindow, scope.trial_id, SUMS, {key: astuple(sums) for key, sums in tally.windows.items()})
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {Trial._meta.db_table} SET candidate_keys = candidate_keys + %s,"  # noqa: S608
            " counted_until = greatest(counted_until, %s), last_candidate_at = greatest(last_candidate_at, %s)"
            " WHERE id = %s",
            [new_keys, *(at and _time(at) for at in (tally.until, tally.candidate_until)), scope.trial_id],
        )


def _new_keys(trial_id: int, tally: Tally) -> list[tuple[str, int]]:
    """Note the keys of events, and those that the candidate answered; return which are new in this trial."""
    keys = {(guard, signed(key)): (guard, key) for guard, key in tally.events}
    if tally.candidate_keys and Trial.objects.filter(pk=trial_id, candidate_keys__lt=MOST_KEYS).exists():
        keys |= {(REQUESTS, signed(key)): (REQUESTS, key) for key in tally.candidate_keys}
    if not keys:
        return []
    guards, hashes = zip(*sorted(keys), strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {TrialKey._meta.db_table} (trial_id, guard, key_hash)"  # noqa: S608
            " SELECT %s, * FROM unnest(%s::text[], %s::bigint[]) ON CONFLICT DO NOTHING RETURNING guard, key_hash",
            [trial_id, list(guards), list(hashes)],
        )
        return [keys[row] for row in cursor.fetchall()]


def _count_pairs(scope: Scope, requests: Sequence[tuple[str, Request]]) -> None:
    sides = sides_of(scope, requests)
    compared = Compared()
    count_failures(scope, sides.failures, compared)
    for key in [key for key in sides.answers if key in sides.shadows]:
        compare(scope, key, sides.answers.pop(key), sides.shadows.pop(key), compared)
    for key, answer in _take_held(scope.trial_id, sides.shadows, is_shadow=False).items():
        compare(scope, key, answer, sides.shadows.pop(key), compared)
    for key, shadow in _take_held(scope.trial_id, sides.answers, is_shadow=True).items():
        compare(scope, key, sides.answers.pop(key), shadow, compared)
    TrialHeld.objects.bulk_create(
        (
            TrialHeld(
                trial_id=scope.trial_id, request_id=key.request_id, at=key.at, is_shadow=is_shadow, status=side.status,
                outputs=_plain(side.outputs), inputs=_plain(side.inputs), error=_plain(side.error),
            )
            for waiting, is_shadow in ((sides.answers, False), (sides.shadows, True))
            for key, side in waiting.items()
        ),
        ignore_conflicts=True,
    )  # fmt: skip
    _add_compared(scope, compared)


def _take_held(trial_id: int, others: Iterable[PairKey], *, is_shadow: bool) -> dict[PairKey, Side]:
    """Take out the sides that were held for these."""
    keys = list(others)
    if not keys:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {TrialHeld._meta.db_table} held USING unnest(%s::text[], %s::float8[]) asked (id, at)"  # noqa: S608
            " WHERE held.trial_id = %s AND held.is_shadow = %s AND held.request_id = asked.id AND held.at = asked.at"
            " RETURNING held.request_id, held.at, status, outputs::text, inputs::text, error",
            [[key.request_id for key in keys], [key.at for key in keys], trial_id, is_shadow],
        )
        rows = cursor.fetchall()
    decode = msgspec.json.decode
    return {PairKey(r[0], r[1]): Side(r[2], decode(r[3]), decode(r[4]), r[5]) for r in rows}


@transaction.atomic
def expire_held() -> None:
    """Count as missing what no shadow has told of for long, and forget shadows without an answer; safe to repeat."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {TrialHeld._meta.db_table} WHERE held_at < now() - make_interval(secs => %s)"  # noqa: S608
            " RETURNING trial_id, at, is_shadow",
            [HELD_S],
        )
        gone = cursor.fetchall()
    ats: dict[int, list[float]] = {}
    for trial_id, at, is_shadow in gone:
        if not is_shadow:
            ats.setdefault(trial_id, []).append(at)
    for trial in Trial.objects.filter(pk__in=ats).select_related("champion", "candidate"):
        compared = Compared()
        count_missing(scope_of(trial), ats[trial.pk], compared)
        _add_compared(scope_of(trial), compared)


def _add_compared(scope: Scope, compared: Compared) -> None:
    _add(TrialPairs, scope.trial_id, PAIR_SUMS, {key: astuple(sums) for key, sums in compared.pairs.items()})
    by_guard: dict[str, list[Disagreement]] = {}
    for disagreement in compared.disagreements:
        by_guard.setdefault(disagreement.guard, []).append(disagreement)
    for guard, found in by_guard.items():
        _keep_biggest(scope.trial_id, guard, found)


def _keep_biggest(trial_id: int, guard: str, found: list[Disagreement]) -> None:
    kept = TrialDisagreement.objects.filter(trial=trial_id, guard=guard).order_by("-size", "id")
    least = kept.values_list("size", flat=True)[MOST_KEPT - 1 : MOST_KEPT].first()
    bigger = [d for d in found if least is None or d.size > least]
    TrialDisagreement.objects.bulk_create(
        TrialDisagreement(
            trial_id=trial_id, guard=guard, request_id=d.key.request_id, row=d.row, at=_time(d.key.at), size=d.size,
            champion_outputs=_plain(d.champion), candidate_outputs=_plain(d.candidate), error=_plain(d.error),
            inputs=_plain(d.inputs),
        )
        for d in sorted(bigger, key=lambda d: -d.size)[:MOST_KEPT]
    )  # fmt: skip
    TrialDisagreement.objects.filter(pk__in=list(kept.values_list("pk", flat=True)[MOST_KEPT:])).delete()


def _add(table: type[Model], trial_id: int, names: Sequence[str], added: dict[Any, tuple[Any, ...]]) -> None:
    """Add sums to the rows with these keys, making those that are missing.

    Args:
        added: sums in the order of ``names``, by named tuple of the fields that tell rows apart.
    """
    if not added:
        return
    key_names = next(iter(added))._fields
    rows = [[trial_id, *key, *sums] for key, sums in sorted(added.items())]
    columns = ", ".join(("trial_id", *key_names, *names))
    conflict = ", ".join(("trial_id", *key_names))
    sums = ", ".join(f"{name} = {table._meta.db_table}.{name} + excluded.{name}" for name in names)
    places = f"({', '.join(['%s'] * len(rows[0]))})"
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table._meta.db_table} ({columns}) VALUES {', '.join([places] * len(rows))}"  # noqa: S608
            f" ON CONFLICT ({conflict}) DO UPDATE SET {sums}",
            [value for row in rows for value in row],
        )


def _plain(value: Any) -> Any:
    """Return what was recorded as PostgreSQL's JSON can hold it: a NaN is missing, and a caller's NUL is no text there."""
    return _without_nul(msgspec.json.decode(msgspec.json.encode(value)))


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, dict):
        return {_without_nul(name): _without_nul(held) for name, held in value.items()}
    return [_without_nul(held) for held in value] if isinstance(value, list) else value


def _time(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
