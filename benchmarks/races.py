"""Races over one model: approvals of the same promotion at once, and champions that switch under their readers.

Everything goes through the services that pages and API call, each thread on a database connection of its own.
"""

import itertools
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Count

from registry import selectors, services
from registry.access import Actor
from registry.errors import ConflictError, RefusedError, StaleBindingError
from registry.models import (
    Alias,
    AliasMove,
    Approval,
    ArtifactState,
    Membership,
    ModelVersion,
    Promotion,
    RegisteredModel,
    Role,
    Team,
)

CHAMPION = "champion"
NEWEST_MOVE = """
SELECT count(DISTINCT a.id), count(DISTINCT a.version_id),
       bool_and(a.version_id = (SELECT h.version_id FROM registry_aliasmove h
                                WHERE h.model_id = a.model_id AND h.name = a.name ORDER BY h.id DESC LIMIT 1))
FROM registry_alias a WHERE a.model_id = %s AND a.name = 'champion'
"""


@dataclass(frozen=True)
class People:
    """Those who play a part; two approvals are asked for, so two approvers race."""

    team: Team
    engineer: Actor
    approvers: tuple[Actor, Actor]


@dataclass(frozen=True)
class Approvals:
    """What came of racing approvals."""

    attempts: int
    recorded: int
    doubled: int
    completed: int
    moved_twice: int


@dataclass(frozen=True)
class Switches:
    """What readers saw while the champion switched."""

    switches: int
    refused: int
    reads: int
    other_than_one: int
    history_disagrees: int


def make_people(slug: str) -> People:
    """Make a team with an engineer, two approvers and whoever else is needed."""
    team = Team.objects.create(slug=slug, name=slug.capitalize())
    made = {}
    for name, role in (("eng", Role.ENGINEER), ("one", Role.APPROVER), ("two", Role.APPROVER), ("pm", Role.PRODUCT)):
        user = User.objects.create(username=f"{slug}-{name}")
        Membership.objects.create(team=team, user=user, role=role)
        made[name] = Actor(user, "race")
    model = services.model_create(actor=made["eng"], team=team, name=slug, risk_tier=1)
    rule = {"metric": "roc_auc", "direction": "at_least", "threshold": 0.5, "reason": "Better than chance."}
    drafted = services.criteria_draft(actor=made["pm"], model=model, criteria=[rule])
    services.criteria_agree(actor=made["one"], criteria_set_id=drafted.pk)
    return People(team, made["eng"], (made["one"], made["two"]))


def make_promotion(people: People) -> Promotion:
    """Ask for the promotion of a new version that meets its criteria."""
    model = RegisteredModel.objects.get(team=people.team)
    version = services.version_create(actor=people.engineer, model=model, source="runs:/race/model", run_id="race")
    ModelVersion.objects.filter(pk=version.pk).update(
        artifact_state=ArtifactState.VERIFIED, artifact_digest=f"sha256:{version.pk:064x}", format="lightgbm"
    )
    version.refresh_from_db()
    services.evidence_record(version=version, metric="roc_auc", value=0.8)
    return services.promotion_request(actor=people.engineer, version=version)


def at_once(works: list[Callable[[], None]]) -> None:
    """Run each in a thread of its own, all from the same moment."""
    start = threading.Barrier(len(works))

    def run(work: Callable[[], None]) -> None:
        start.wait()
        try:
            work()
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def race_approvals(people: People, *, promotions: int, racers: int) -> Approvals:
    """Let ``racers`` threads approve each of ``promotions`` at once, taking turns as the two approvers."""
    attempts = 0
    for _ in range(promotions):
        promotion = make_promotion(people)
        seen = selectors.promotion_binding(promotion, selectors.promotion_checks(promotion)).digest
        at_once([_approve(promotion, people.approvers[n % 2], seen) for n in range(racers)])
        attempts += racers
    mine = Approval.objects.filter(promotion__model__team=people.team)
    per_person = mine.order_by().values("promotion", "approver").annotate(n=Count("pk"))
    moves = Counter(
        AliasMove.objects.filter(model__team=people.team, promotion__isnull=False).values_list("promotion", flat=True)
    )
    return Approvals(
        attempts=attempts,
        recorded=mine.count(),
        doubled=sum(row["n"] - 1 for row in per_person),
        completed=Promotion.objects.filter(model__team=people.team, state="completed").count(),
        moved_twice=sum(n - 1 for n in moves.values()),
    )


def _approve(promotion: Promotion, approver: Actor, seen: str) -> Callable[[], None]:
    def approve() -> None:
        with suppress(ConflictError, StaleBindingError):  # another thread was first: what a person would be told
            services.promotion_approve(actor=approver, promotion_id=promotion.pk, reason="Raced.", seen=seen)

    return approve


def race_switches(people: People, *, switches: int, writers: int, readers: int) -> Switches:
    """Switch the champion back and forth from ``writers`` threads while ``readers`` look at it without a pause."""
    model = RegisteredModel.objects.get(team=people.team)
    versions = list(model.versions.filter(promotions__state__in=["completed", "rolled_back"]).order_by("-number")[:2])
    turns, done, refused = itertools.count(), itertools.count(), itertools.count()
    seen: Counter[str] = Counter()
    lock, over = threading.Lock(), threading.Event()

    def write() -> None:
        while next(turns) < switches * 4 and not over.is_set():
            current = Alias.objects.values_list("version_id", flat=True).get(model=model, name=CHAMPION)
            target = next(version for version in versions if version.pk != current)
            try:
                services.rollback(actor=people.engineer, model=model, to_version=target, reason="Raced.")
            except RefusedError:
                next(refused)
            else:
                if next(done) + 1 >= switches:
                    over.set()

    def read() -> None:
        mine: Counter[str] = Counter()
        while not over.is_set():
            with connection.cursor() as cursor:
                cursor.execute(NEWEST_MOVE, [model.pk])
                rows, pointed, agrees = cursor.fetchone()
            mine["reads"] += 1
            mine["other"] += (rows, pointed) != (1, 1)
            mine["disagrees"] += not agrees
        with lock:
            seen.update(mine)

    at_once([*[write] * writers, *[read] * readers])
    return Switches(
        switches=next(done), refused=next(refused), reads=seen["reads"], other_than_one=seen["other"],
        history_disagrees=seen["disagrees"],
    )  # fmt: skip
