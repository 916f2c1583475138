"""Where a version comes from and where it went, as a drawing: query of frozen rows, data, run, version, promotions, what it serves as.

The geometry is pure: columns of nodes in, boxes and lines out. It is drawn across for a desk and downwards for a phone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from django.urls import reverse

from experiments.models import TrainingRun
from registry.models import ModelVersion

BOX = (132.0, 58.0)  # width and height across
GAP = 22.0
NARROW = 340.0
SHORT = 16  # characters of a title that fit a box
MOST_PROMOTIONS = 3


@dataclass(frozen=True)
class Node:
    """One thing on the way; ``known`` is False where it is only supposed to be there."""

    kind: str
    title: str
    note: str = ""
    href: str = ""
    known: bool = True

    @property
    def short(self) -> str:
        """Its title, cut to what fits; a number at its end, such as ``v12``, stays."""
        if len(self.title) <= SHORT:
            return self.title
        name, _, number = self.title.rpartition(" ")
        end = f" {number}" if name and len(number) <= SHORT // 3 else ""
        return f"{self.title[: SHORT - 1 - len(end)]}…{end}"


@dataclass(frozen=True)
class Box:
    """Where a node stands."""

    x: float
    y: float
    width: float
    height: float
    node: Node

    @property
    def text_x(self) -> float:
        """Where its lines of text begin."""
        return self.x + 10

    @property
    def lines(self) -> tuple[float, float, float]:
        """The base lines of kind, title and note."""
        return self.y + 17, self.y + 34, self.y + 49


@dataclass(frozen=True)
class Drawing:
    """Boxes and the paths between them."""

    width: float
    height: float
    boxes: list[Box]
    paths: list[str]

    @property
    def view(self) -> str:
        """Its view box, with room for the outlines."""
        return f"-1 -1 {self.width + 2:.0f} {self.height + 2:.0f}"


def drawn_across(columns: Sequence[Sequence[Node]]) -> Drawing:
    """Return the columns from left to right; the nodes of one stand above each other, around the middle."""
    wide, high = BOX
    height = max(len(column) for column in columns) * (high + GAP) - GAP
    placed = []
    for place, column in enumerate(columns):
        top = (height - (len(column) * (high + GAP) - GAP)) / 2
        placed.append(
            [Box(place * (wide + GAP), top + n * (high + GAP), wide, high, node) for n, node in enumerate(column)]
        )
    paths = [
        f"M{a.x + wide:.0f},{a.y + high / 2:.0f} C{a.x + wide + GAP / 2:.0f},{a.y + high / 2:.0f} "
        f"{b.x - GAP / 2:.0f},{b.y + high / 2:.0f} {b.x - 1:.0f},{b.y + high / 2:.0f}"
        for left, right in pairwise(placed)
        for a in left
        for b in right
    ]  # fmt: skip
    return Drawing(len(columns) * (wide + GAP) - GAP, height, [box for column in placed for box in column], paths)


def drawn_down(columns: Sequence[Sequence[Node]]) -> Drawing:
    """Return the columns from top to bottom; the nodes of one share the width."""
    high = BOX[1]
    placed = []
    for place, column in enumerate(columns):
        wide = (NARROW - (len(column) - 1) * 8) / len(column)
        placed.append([Box(n * (wide + 8), place * (high + GAP), wide, high, node) for n, node in enumerate(column)])
    paths = [
        f"M{a.x + a.width / 2:.0f},{a.y + high:.0f} L{b.x + b.width / 2:.0f},{b.y - 1:.0f}"
        for upper, lower in pairwise(placed)
        for a in upper
        for b in lower
    ]
    return Drawing(NARROW, len(columns) * (high + GAP) - GAP, [box for row in placed for box in row], paths)


def lineage_of(version: ModelVersion, run: TrainingRun | None) -> list[list[Node]]:
    """Return the columns of a version's drawing; what is not known here is said to be so."""
    columns = [
        *_query(run),
        _data(version, run),
        _run(version, run),
        [Node("Version", f"v{version.number}", version.artifact_digest[:15])],
    ]
    promotions = list(version.promotions.order_by("-id")[:MOST_PROMOTIONS])
    if not promotions:
        return [*columns, [Node("Promotion", "none asked for", known=False)]]
    columns.append(
        [Node("Promotion", f"#{p.pk} to {p.alias}", p.get_state_display(), p.path) for p in reversed(promotions)]
    )
    aliases = list(version.aliases.order_by("name"))
    model = version.model.path
    if aliases:
        columns.append(
            [Node("Serves as", alias.name, f"since {alias.set_at:%d %b %Y}", model) for alias in aliases[:3]]
        )
    elif any(p.completed_at for p in promotions):
        columns.append([Node("Serves as", "nothing now", "it served before", f"{model}?tab=champions", known=False)])
    return columns


def _query(run: TrainingRun | None) -> list[list[Node]]:
    """Return what frozen rows were asked for, before the rows themselves; nothing of rows that were built."""
    if run is None or not run.dataset_version.frozen:
        return []
    asked = run.dataset_version.query
    try:
        since, until = datetime.fromisoformat(asked["since"]), datetime.fromisoformat(asked["until"])
        title = f"{since:%Y-%m-%d}, {(until - since) / timedelta(days=1):.0f} days"
    except (KeyError, TypeError, ValueError):  # another caller's words
        title = "as it was asked for"
    tables = asked.get("tables")
    states = [str(state) for state in tables.values()] if isinstance(tables, dict) else []
    note = f"lake at {' and '.join(states)}" if states else ""
    return [[Node("Query", title, note, f"{run.dataset_version.path}#query")]]


def _data(version: ModelVersion, run: TrainingRun | None) -> list[Node]:
    if run:
        data = run.dataset_version
        return [Node("Data", str(data), data.digest[:15], data.path)]
    if version.data_digest:
        return [Node("Data", version.data_digest[:15], "named by its author", known=False)]
    return [Node("Data", "not known here", known=False)]


def _run(version: ModelVersion, run: TrainingRun | None) -> list[Node]:
    if run:
        return [Node("Run", f"job {run.job_id}", run.run_id[:12], reverse("job", args=[run.job_id]))]
    if version.run_id:
        return [Node("Run", version.run_id[:12], "in MLflow", version.run_link, known=bool(version.run_link))]
    return [Node("Run", "not known here", known=False)]
