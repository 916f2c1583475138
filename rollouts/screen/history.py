"""A rollout's log: every verdict, move and act, newest first, each with an address of its own."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import Http404

from rollouts.models import Rollout, RolloutAct, RolloutVerdict
from rollouts.plans.units import show_share
from rollouts.screen.drawing import MARKS
from rollouts.states import State
from serving.contract import BASIS_POINTS

PAGE = 25
_ANCHOR = re.compile(r"([va])([1-9]\d{0,17})", re.ASCII)
ACTS = {
    "promote": "pass",
    "fail": "fail",
    "roll_back": "fail",
    "abort": "fail",
    "pause": "pending",
    "await": "pending",
    "ask": "pending",
}


@dataclass(frozen=True)
class Line:
    """One line of the log.

    Attributes:
        anchor: its address within the page: v386 is a verdict, a12 an act or move.
        weight: the candidate's share, before and after where it changed.
    """

    anchor: str
    at: datetime
    mark: str
    word: str
    metric: str
    weight: str
    text: str
    actor: str


@dataclass(frozen=True)
class Lines:
    """One page of the log; ``next`` is the anchor of the first older line, ``previous`` that of a page before."""

    rows: list[Line]
    next: str | None
    previous: str | None


def rollout_log(rollout: Rollout, *, start: str = "", metric: str = "", size: int = PAGE) -> Lines:
    """Return lines of a rollout's log, newest first.

    Args:
        start: the anchor of the first line; empty for the newest.
        metric: only verdicts on this one.

    Raises:
        Http404: ``start`` is no line of this log.
    """
    verdicts = rollout.verdicts.filter(metric=metric) if metric else rollout.verdicts.all()
    acts = rollout.acts.none() if metric else _acts(rollout)
    older: tuple[QuerySet[Any], QuerySet[Any]] = (verdicts, acts)
    previous = None
    if start:
        at, kind, pk = _place(rollout, start)
        # Both kinds share one order: by time, then acts before verdicts, then by number.
        order = {"v": Q(at__lt=at) | Q(at=at, pk__lte=pk), "a": Q(at__lt=at) | Q(at=at, pk__lte=pk)}
        order["v" if kind == "a" else "a"] = Q(at__lte=at) if kind == "a" else Q(at__lt=at)
        newer = _lines(verdicts.exclude(order["v"]), acts.exclude(order["a"]), size, ascending=True)
        previous = newer[-1].anchor if newer else None
        older = (verdicts.filter(order["v"]), acts.filter(order["a"]))
    rows = _lines(*older, size + 1)
    return Lines(rows[:size], rows[size].anchor if len(rows) > size else None, previous)


def all_lines(rollout: Rollout) -> list[Line]:
    """Return the whole log, oldest first."""
    most = rollout.verdicts.count() + rollout.acts.count()
    return _lines(rollout.verdicts.all(), _acts(rollout), most, ascending=True)


def _place(rollout: Rollout, anchor: str) -> tuple[datetime, str, int]:
    found = _ANCHOR.fullmatch(anchor)
    row = (
        (rollout.verdicts if found and found[1] == "v" else rollout.acts).filter(pk=found[2]).first() if found else None
    )
    if row is None or found is None:
        raise Http404
    return row.at, found[1], row.pk


def _lines(
    verdicts: QuerySet[RolloutVerdict], acts: QuerySet[RolloutAct], size: int, *, ascending: bool = False
) -> list[Line]:
    sign = "" if ascending else "-"
    found = [
        *((v.at, 0, v.pk, _verdict(v)) for v in verdicts.order_by(f"{sign}at", f"{sign}pk")[:size]),
        *((a.at, 1, a.pk, _act(a)) for a in acts.order_by(f"{sign}at", f"{sign}pk")[:size]),
    ]
    return [row[3] for row in sorted(found, key=lambda row: row[:3], reverse=not ascending)[:size]]


def _acts(rollout: Rollout) -> QuerySet[RolloutAct]:
    earlier = RolloutAct.objects.filter(rollout=OuterRef("rollout"), pk__lt=OuterRef("pk")).order_by("-pk")
    return rollout.acts.select_related("actor").annotate(weight_before=Subquery(earlier.values("weight_bp")[:1]))


def _verdict(verdict: RolloutVerdict) -> Line:
    mark, word = MARKS[verdict.outcome]
    return Line(
        f"v{verdict.pk}", verdict.at, mark, word, verdict.metric, show_share(verdict.weight_bp), verdict.sentence, ""
    )


def _act(act: Any) -> Line:
    verb = act.action.rpartition(".")[2]
    before = act.weight_before or 0
    after = BASIS_POINTS if act.after == State.PROMOTED else act.weight_bp
    moved = f"{show_share(before)} → " if before != after else ""
    actor = act.actor.get_username() if act.actor else ""
    word = verb.replace("_", " ").capitalize()
    return Line(f"a{act.pk}", act.at, ACTS.get(verb, "live"), word, "", f"{moved}{show_share(after)}", act.text, actor)
