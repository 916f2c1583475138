"""Quality of a trial's arms: matured predictions joined with what became of them, in the lake.

Labels come late, come again and are corrected, so the counts are not added to but taken anew from the whole trial, and replace the
ones before: running it twice, or being killed, changes nothing.
"""

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder
from django.db import transaction
from django.db.models import Q

from monitoring.counting.trials import LATE, scope_of
from monitoring.labelling import labels
from monitoring.labelling.join import newest_labels
from monitoring.locks import alone_under
from monitoring.models import Trial, TrialPairs, TrialWindow
from monitoring.predictions import lake
from monitoring.trials.guards import Guard, loss_of
from monitoring.trials.pairing import PairsKey, PairTally
from monitoring.trials.tally import Scope, Sums, WindowKey, candidate_share
from serving.contract import CANARY, CHAMPION, SHADOW

ADVISORY_LOCK = 0x5155_414C  # "QUAL": one at a time joins labels
SPAN_S = 300
PAUSES = 20  # between two turns, in lengths of the last one
DAY = timedelta(days=1)


class Loss(NamedTuple):
    """How wrong one version was in a request, on average over its labelled rows."""

    arm: str
    weight_bp: int
    loss: float


Tables = dict[str, DeltaTable]  # one state of each, whatever is added meanwhile
Requests = dict[tuple[str, datetime], list[Loss]]  # by request id and arrival: of each version that was asked


def count_labelled(*, now: datetime) -> int:
    """Take anew what guards of quality count, and return for how many trials; does nothing where another is at it.

    A trial whose turn takes long waits for the next one twenty times as long.
    """
    trials = Trial.objects.filter(
        Q(closed_at=None) | Q(closed_at__gt=now - LATE), guards__contains=[{"kind": "quality"}]
    )
    judged = 0
    with alone_under(ADVISORY_LOCK) as alone:
        for trial in trials.select_related("champion", "candidate").order_by("pk") if alone else ():
            if trial.judged_at and now - trial.judged_at < PAUSES * timedelta(seconds=trial.judging_s):
                continue
            began = time.monotonic()
            for guard in trial.read_guards():
                if guard.kind == "quality":
                    _count(trial, guard, now)
            took = time.monotonic() - began
            Trial.objects.filter(pk=trial.pk).update(judged_at=now, judging_s=took)
            judged += 1
    return judged


def _count(trial: Trial, guard: Guard, now: datetime) -> None:
    scope = scope_of(trial)
    until = min(scope.until, now.timestamp() - (guard.maturity_s or 0.0))
    tables = {name: table for name in (lake.PREDICTIONS, labels.TABLE) if (table := lake.open_table(name))}
    windows = {key: Sums(exposed=n) for key, n in _matured(tables, trial, scope, guard, until)}
    pairs: dict[PairsKey, PairTally] = {}
    for (_, at), losses in _losses(tables, trial, scope, guard, until).items():
        started_at = _span(at)
        for arm, weight_bp, loss in losses:
            windows[WindowKey(guard.name, arm, candidate_share(arm, weight_bp), started_at)].measure(loss)
        by_arm = {loss.arm: loss.loss for loss in losses}
        if CHAMPION in by_arm and SHADOW in by_arm:
            _pair(pairs.setdefault(PairsKey(guard.name, started_at), PairTally()), by_arm[CHAMPION], by_arm[SHADOW])
    with transaction.atomic():
        Trial.objects.select_for_update(no_key=True).get(pk=trial.pk)
        _replace(TrialWindow, trial, guard, {key: asdict(sums) for key, sums in windows.items()})
        _replace(TrialPairs, trial, guard, {key: asdict(sums) for key, sums in pairs.items()})


def _replace(
    table: type[TrialWindow | TrialPairs], trial: Trial, guard: Guard, found: Mapping[Any, dict[str, Any]]
) -> None:
    table.objects.filter(trial=trial, guard=guard.name).delete()
    rows = (table(trial=trial, **key._asdict(), **sums) for key, sums in sorted(found.items()))
    table.objects.bulk_create(rows)  # type: ignore[arg-type]  # of that table


def _pair(tally: PairTally, champion: float, candidate: float) -> None:
    """Count one request that both were asked; right is who made no error at all."""
    tally.answered_both += 1
    tally.alike += champion == candidate == 0
    tally.only_champion += champion == 0 < candidate
    tally.only_candidate += candidate == 0 < champion
    tally.n += 1
    tally.total += candidate - champion
    tally.squares += (candidate - champion) ** 2


def _matured(tables: Tables, trial: Trial, scope: Scope, guard: Guard, until: float) -> Iterator[tuple[WindowKey, int]]:
    """Yield how many answered requests are old enough, by window."""
    if lake.PREDICTIONS not in tables:
        return
    rows = _query(
        tables,
        f"SELECT arm, weight_bp, to_unixtime(at) / {SPAN_S} AS span, count(*) AS n FROM predictions p"  # noqa: S608  numbers and constants
        f" WHERE p.row = 0 AND {_of(trial, scope, until)} GROUP BY arm, weight_bp, span",
    )
    for row in rows:
        started_at = datetime.fromtimestamp(row["span"] * SPAN_S, UTC)
        yield WindowKey(guard.name, row["arm"], candidate_share(row["arm"], row["weight_bp"]), started_at), row["n"]


def _losses(tables: Tables, trial: Trial, scope: Scope, guard: Guard, until: float) -> Requests:
    """Return the losses of labelled requests; of a prediction's labels the one with the newest time counts."""
    if len(tables) < 2:
        return {}
    rows = _query(
        tables,
        "SELECT p.request_id, p.at, p.arm, p.weight_bp, p.outputs, l.value FROM predictions p"  # noqa: S608  the same
        f" JOIN {newest_labels(trial.model_id, since=(trial.opened_at - DAY).date())} WHERE {_of(trial, scope, until)}",
    )
    decode = msgspec.json.decode
    found: dict[tuple[str, datetime], dict[tuple[str, int], list[float]]] = {}
    for row in rows:
        loss = loss_of(guard, decode(row["outputs"]), decode(row["value"]))
        if loss is not None and math.isfinite(loss):
            by_arm = found.setdefault((row["request_id"], row["at"]), {})
            by_arm.setdefault((row["arm"], row["weight_bp"]), []).append(loss)
    return {
        request: [Loss(*of, math.fsum(losses) / len(losses)) for of, losses in sorted(by_arm.items())]
        for request, by_arm in found.items()
    }


def _of(trial: Trial, scope: Scope, until: float) -> str:
    """Return the condition for predictions that the trial counts and that arrived before ``until``."""
    return (
        f"p.model_id = {trial.model_id} AND p.day >= DATE '{trial.opened_at.date()}' AND NOT p.pinned AND p.status = 200"
        f" AND p.at >= to_timestamp_micros({round(scope.since * 1e6)}) AND p.at < to_timestamp_micros({round(until * 1e6)})"
        f" AND ((p.arm = '{CHAMPION}' AND p.version = {scope.champion})"
        f" OR (p.arm IN ('{CANARY}', '{SHADOW}') AND p.version = {scope.candidate}))"
    )


def _query(tables: Tables, sql: str) -> Iterator[dict[str, Any]]:
    builder = QueryBuilder()
    for name, table in tables.items():
        builder = builder.register(name, table)
    for batch in pa.table(builder.execute(sql)).to_batches():
        yield from batch.to_pylist()


def _span(at: datetime) -> datetime:
    return datetime.fromtimestamp(at.timestamp() // SPAN_S * SPAN_S, UTC)
