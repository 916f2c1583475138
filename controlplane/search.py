"""What the palette finds: pages, and what the actor's teams own."""

import re
from dataclasses import dataclass

from django.db.models import Q
from django.urls import reverse

from controlplane.context import navigation
from experiments.models import Dataset
from jobs.models import Job
from registry.access import Actor
from registry.models import ModelVersion, Promotion, RegisteredModel

PER_KIND = 6
VERSION = re.compile(r"^(?P<name>.*?)\s*v?(?P<number>\d+)$")


@dataclass(frozen=True)
class Hit:
    """One line of the palette."""

    icon: str
    label: str
    note: str
    url: str


def search(actor: Actor, query: str) -> dict[str, list[Hit]]:
    """Return what matches ``query`` by kind; without a query, the pages.

    A trailing number also names a version of a model (``delay v3``), a promotion or a job (``12``).
    """
    groups = {"Pages": _pages(query)}
    if query:
        groups |= {
            "Models": _models(actor, query),
            "Versions": _versions(actor, query),
            "Promotions": _promotions(actor, query),
            "Data sets": _datasets(actor, query),
            "Jobs": _jobs(actor, query),
        }
    return {kind: hits for kind, hits in groups.items() if hits}


def _pages(query: str) -> list[Hit]:
    entries = [entry for section in navigation() for entry in section["entries"]]
    return [
        Hit("page", entry["label"], f"g {entry['key']}", entry["url"])
        for entry in entries
        if query.lower() in entry["label"].lower()
    ]


def _models(actor: Actor, query: str) -> list[Hit]:
    found = RegisteredModel.objects.live().filter(team__in=actor.teams(), name__icontains=query)
    return [Hit("model", m.name, m.team.name, m.path) for m in found.select_related("team")[:PER_KIND]]


def _versions(actor: Actor, query: str) -> list[Hit]:
    asked = VERSION.match(query)
    if asked is None or not asked["name"]:
        return []
    found = ModelVersion.objects.filter(
        model__team__in=actor.teams(), model__in=RegisteredModel.objects.live(), archived_at=None,
        model__name__icontains=asked["name"], number=int(asked["number"][:9]),
    ).select_related("model")  # fmt: skip
    return [Hit("dot", str(v), v.get_artifact_state_display(), v.path) for v in found[:PER_KIND]]


def _promotions(actor: Actor, query: str) -> list[Hit]:
    named = Q(model__name__icontains=query)
    if query.isdecimal():
        named |= Q(pk=int(query[:18]))
    found = Promotion.objects.filter(named, model__team__in=actor.teams()).select_related("model", "version")
    return [
        Hit(
            "pending",
            f"{p.model.name} v{p.version.number} to {p.alias}",
            f"#{p.pk} {p.state.replace('_', ' ')}",
            p.path,
        )
        for p in found.order_by("-pk")[:PER_KIND]
    ]


def _datasets(actor: Actor, query: str) -> list[Hit]:
    found = Dataset.objects.filter(team__in=actor.teams(), name__icontains=query).select_related("team")
    return [Hit("data", d.name, d.team.name, d.path) for d in found[:PER_KIND]]


def _jobs(actor: Actor, query: str) -> list[Hit]:
    named = Q(title__icontains=query)
    if query.isdecimal():
        named |= Q(pk=int(query[:18]))
    found = Job.objects.in_scopes(list(actor.teams().values_list("slug", flat=True))).filter(named)
    return [Hit("live", j.title, f"#{j.pk} {j.state}", reverse("job", args=[j.pk])) for j in found[:PER_KIND]]
