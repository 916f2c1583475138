"""Where the rows of a data set version come from, and every run, version and promotion that came of them.

What a reader is shown and told is bounded: the nearest versions before and after, the models that use it most, each with counts.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Max, Prefetch, Q, QuerySet, Value
from django.urls import reverse

from experiments.drawing.boxes import Node
from experiments.lineage.versions import query_node
from experiments.models import DatasetVersion, Evaluation, TrainingRun
from registry.models import Alias, ModelVersion, Promotion, RegisteredModel
from serving.contract import CHAMPION

MOST_RELATIVES = 20  # versions before and after that are named
MOST_MODELS = 50  # that are told with their counts
DRAWN_ONE_BY_ONE = 4  # uses that are drawn each; more are drawn by model
DRAWN_MODELS = 4


@dataclass(frozen=True)
class ModelUse:
    """What one model made of a version (counts).

    Attributes:
        versions: of the model that were trained on the rows, registered with their digest, or measured on them.
        champion: number of that among them which is champion now.
    """

    model: RegisteredModel
    versions: int
    trained: int
    registered: int
    measured: int
    promotions: int
    champion: int | None


@dataclass(frozen=True)
class DataLineage:
    """A version between its origin and its uses.

    Attributes:
        ancestors: versions that it follows, the nearest first; ``ancestor_count`` of them there are.
        children: versions that follow it directly, the latest first.
        models: those with most versions first; ``model_count`` of them there are.
        use_count: versions of models.
    """

    version: DatasetVersion
    ancestors: list[DatasetVersion]
    ancestor_count: int
    children: list[DatasetVersion]
    child_count: int
    models: list[ModelUse]
    model_count: int
    use_count: int


def uses_of(data: DatasetVersion, among: Collection[int] | None = None) -> QuerySet[ModelVersion]:
    """Return the versions of models that were trained on these rows, registered with their digest, or measured on them.

    Args:
        among: keys of the versions that matter; all without it.
    """
    these = {} if among is None else {"version__in": among}
    trained = TrainingRun.objects.filter(dataset_version=data, **these).values("version")
    measured = Evaluation.objects.filter(dataset_version=data, **these).values("version")
    found = ModelVersion.objects.all() if among is None else ModelVersion.objects.filter(pk__in=among)
    registered = found.filter(model__team=data.dataset.team_id, data_digest=data.digest, training_run=None).values("pk")
    return found.filter(Q(pk__in=trained) | Q(pk__in=measured) | Q(pk__in=registered))


def uses_shown(data: DatasetVersion) -> QuerySet[ModelVersion]:
    """Return the same with what lists show of each: its run, what was measured on these rows, promotions and aliases."""
    here = Evaluation.objects.filter(dataset_version=data).order_by("id")
    return (
        uses_of(data)
        .select_related("model__team", "training_run__job")
        .annotate(of_data=Value(data.pk), of_digest=Value(data.digest))
        .prefetch_related("promotions", "aliases", Prefetch("evaluations", here, to_attr="measured_here"))
    )


def ways(version: Any) -> list[str]:
    """Return how one of :func:`uses_shown` used the rows: trained, registered, measured."""
    run: TrainingRun | None = getattr(version, "training_run", None)
    found = {
        "trained": run is not None and run.dataset_version_id == version.of_data,
        "registered": run is None and version.data_digest == version.of_digest,
        "measured": bool(version.measured_here),
    }
    return [way for way, holds in found.items() if holds]


def data_lineage(data: DatasetVersion) -> DataLineage:
    """Read the lineage of a version, in a number of queries that does not grow.

    Who used the rows is looked for once, over all versions of all models; what else is told of a use, among those named alone.
    """
    groups = list(
        uses_of(data).values("model")
        .annotate(
            versions=Count("pk"), latest=Max("pk"),
            trained=Count("pk", filter=Q(training_run__dataset_version=data)),
            measured=Count("pk", filter=Q(pk__in=Evaluation.objects.filter(dataset_version=data).values("version"))),
            registered=Count("pk", filter=Q(training_run=None, data_digest=data.digest)),
        )
        .order_by("-versions", "-latest")
    )  # fmt: skip
    named = groups[:MOST_MODELS]
    keys = [group["model"] for group in named]
    models = RegisteredModel.objects.in_bulk(keys)
    asked = list(Promotion.objects.filter(model__in=keys).values_list("model", "version"))
    serving = list(
        Alias.objects.filter(name=CHAMPION, model__in=keys).values_list("model", "version", "version__number")
    )
    among = {version for _, version in asked} | {version for _, version, _ in serving}
    used = set(uses_of(data, among).values_list("pk", flat=True))
    promotions = Counter(model for model, version in asked if version in used)
    champions = {model: number for model, version, number in serving if version in used}
    before = _ancestors(data)
    children = data.children.order_by("-number")
    return DataLineage(
        version=data, ancestors=_named(data, before[:MOST_RELATIVES]), ancestor_count=len(before),
        children=list(children.select_related("dataset")[:MOST_RELATIVES]), child_count=children.count(),
        models=[
            ModelUse(
                models[group["model"]], group["versions"], group["trained"], group["registered"], group["measured"],
                promotions[group["model"]], champions.get(group["model"]),
            )
            for group in named
        ],
        model_count=len(groups), use_count=sum(group["versions"] for group in groups),
    )  # fmt: skip


def _ancestors(data: DatasetVersion) -> list[int]:
    """Return the keys of all versions that ``data`` follows, the nearest first."""
    parents = dict(DatasetVersion.objects.filter(dataset=data.dataset_id).values_list("pk", "parent"))
    found: list[int] = []
    while (parent := parents.get(found[-1] if found else data.pk)) is not None:
        found.append(parent)
    return found


def _named(data: DatasetVersion, keys: list[int]) -> list[DatasetVersion]:
    versions = DatasetVersion.objects.select_related("dataset").in_bulk(keys)
    return [versions[key] for key in keys]


def origin_of(data: DatasetVersion) -> Node:
    """Return what the rows were read from, and how far: query, file, table, or what the product knows how to make."""
    if data.made_from:
        return Node("Source", data.made_from.title, _reach(data.query), data.made_from.path)
    if data.frozen and data.query:
        return query_node(data)
    return Node("Source", "built here", f"job {data.job_id}", reverse("job", args=[data.job_id])) if data.job_id else Node(
        "Source", "not known here", known=False
    )  # fmt: skip


def _reach(query: Mapping[str, Any]) -> str:
    """Return how far the source was read."""
    if "up_to" in query:
        return f"up to {query['up_to']}"
    if "table_version" in query:
        return f"table version {query['table_version']}"
    if "files" in query:
        return f"{len(query['files'])} file{'' if len(query['files']) == 1 else 's'}"
    return str(query.get("file_digest", ""))[:15]


def drawn_of(found: DataLineage, uses: list[ModelVersion]) -> tuple[list[list[Node]], list[list[Node]]]:
    """Return trunk and branches of the drawing.

    Args:
        uses: the latest of :func:`uses_shown`; they are drawn one by one where they are all there are, and few.
    """
    data = found.version
    trunk = [[origin_of(data)]]
    if found.ancestors:
        nearest, more = found.ancestors[0], found.ancestor_count - 1
        if more:
            trunk.append(
                [Node("Earlier", f"{more} version{'' if more == 1 else 's'}", "that these follow", data.dataset.path)]
            )
        trunk.append([Node("Parent", str(nearest), nearest.digest[:15], nearest.path)])
    trunk.append([Node("Data", str(data), data.digest[:15])])
    if found.use_count <= DRAWN_ONE_BY_ONE:
        return trunk, [_branch(version, data) for version in uses] or [[Node("Runs", "none yet", known=False)]]
    branches = [_grouped(one) for one in found.models[:DRAWN_MODELS]]
    if further := found.model_count - len(branches):
        branches.append([Node("Models", f"{further} more", "in the list", "#uses")])
    return trunk, branches


def _branch(version: Any, data: DatasetVersion) -> list[Node]:
    how = ways(version)
    if "trained" in how:
        run = version.training_run
        first = Node("Run", f"job {run.job_id}", run.run_id[:12], reverse("job", args=[run.job_id]))
    elif "registered" in how:
        first = Node("Run", version.run_id[:12] or "from outside", "named its digest", version.run_link)
    else:
        job = version.measured_here[-1].job_id
        first = Node(
            "Measured",
            f"job {job}",
            "held-out rows" if not data.is_golden else "golden rows",
            reverse("job", args=[job]),
        )
    branch = [first, Node("Version", str(version), version.artifact_digest[:15], version.path)]
    aliases = [alias.name for alias in version.aliases.all()]
    promotions = list(version.promotions.all())
    if promotions:
        latest = promotions[0]
        note = f"is {' and '.join(aliases)}" if aliases else latest.get_state_display()
        branch.append(Node("Promotion", f"#{latest.pk} to {latest.alias}", note, latest.path))
    return branch


def _grouped(use: ModelUse) -> list[Node]:
    made = (
        f"{use.trained} run{'' if use.trained == 1 else 's'}"
        if use.trained
        else f"{use.measured + use.registered} uses"
    )
    asked = f"{use.promotions} promotion{'' if use.promotions == 1 else 's'}"
    return [
        Node("Runs", made, f"{use.measured} measured", f"?model={use.model.name}#uses"),
        Node("Versions", use.model.name, f"{use.versions} versions", use.model.path),
        Node("Promotions", asked, f"v{use.champion} is champion" if use.champion else "no champion", use.model.path),
    ]
