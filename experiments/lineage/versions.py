"""Where a version comes from and where it went: query of frozen rows, data, run, version, promotions, what it serves as."""

from datetime import datetime, timedelta

from django.urls import reverse

from experiments.drawing.boxes import Node
from experiments.models import DatasetVersion, TrainingRun
from registry.models import ModelVersion

MOST_PROMOTIONS = 3


def lineage_of(version: ModelVersion, run: TrainingRun | None) -> list[list[Node]]:
    """Return the columns of a version's drawing; what is not known here is said to be so."""
    columns = [
        *([[query_node(run.dataset_version)]] if run and run.dataset_version.frozen else []),
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


def query_node(data: DatasetVersion) -> Node:
    """Return what frozen rows were asked for."""
    asked = data.query
    try:
        since, until = datetime.fromisoformat(asked["since"]), datetime.fromisoformat(asked["until"])
        title = f"{since:%Y-%m-%d}, {(until - since) / timedelta(days=1):.0f} days"
    except (KeyError, TypeError, ValueError):  # another caller's words
        title = "as it was asked for"
    tables = asked.get("tables")
    states = [str(state) for state in tables.values()] if isinstance(tables, dict) else []
    note = f"lake at {' and '.join(states)}" if states else ""
    return Node("Query", title, note, f"{data.path}#query")


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
