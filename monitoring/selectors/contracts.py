"""What live inputs are held to, and how they stand now."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Case, CharField, Exists, Max, OuterRef, Q, QuerySet, Subquery, Sum, Value, When
from django.db.models.functions import Concat

from experiments.models import DataContract, Dataset, DatasetVersion
from monitoring.contracts import Lately, LiveResult, State, judge
from monitoring.drift.features import Cells, add_all, features_of
from monitoring.drift.tails import join
from monitoring.models import FeatureHistogram, LiveCheck, LiveContract, TelemetryHour, TelemetryWindow
from registry.models import Alias, ModelVersion, ReferenceProfile, RegisteredModel
from serving.contract import CHAMPION, SHADOW

WINDOW = timedelta(minutes=15)
HOUR = timedelta(hours=1)
WORST_FIRST = [
    LiveCheck.State.BROKEN,
    LiveCheck.State.NOTED,
    LiveCheck.State.UNSURE,
    LiveCheck.State.NO_DATA,
    LiveCheck.State.HELD,
]


@dataclass(frozen=True)
class LiveSubject:
    """A champion and the contract that its inputs are held to."""

    version: ModelVersion
    contract: DataContract
    chosen: bool  # by the team; else it is that of the training rows


@dataclass(frozen=True)
class Judgement:
    """How a model's latest inputs stand.

    Attributes:
        rows: predictions counted since ``since``.
        results: broken ones first.
        left: how many rules are asked of data set versions alone.
    """

    since: datetime
    rows: int
    results: list[LiveResult]
    left: int

    def count(self, state: State) -> int:
        """Return how many rules stand so."""
        return sum(result.state == state for result in self.results)

    @property
    def state(self) -> LiveCheck.State:
        """The worst of all rules: a broken advisory one is noted."""
        if any(r.state == State.BROKEN and r.severity == "blocking" for r in self.results):
            return LiveCheck.State.BROKEN
        if self.count(State.BROKEN):
            return LiveCheck.State.NOTED
        if self.count(State.UNSURE):
            return LiveCheck.State.UNSURE
        return LiveCheck.State.HELD if self.count(State.HELD) else LiveCheck.State.NO_DATA


def live_subjects(models: Iterable[RegisteredModel] | None = None) -> list[LiveSubject]:
    """Return every champion whose inputs are held to a contract, or those of ``models``, by a number of queries that does not grow."""
    held_to = DataContract.objects.values("dataset")
    rows = DatasetVersion.objects.filter(dataset__in=held_to).values("digest")
    aliases = Alias.objects.filter(
        Q(model__live_contract__dataset__in=held_to) | Q(version__data_digest__in=rows),
        name=CHAMPION, version__model__archived_at__isnull=True,
    )  # fmt: skip
    if models is not None:
        aliases = aliases.filter(model__in=models)
    champions = [
        alias.version for alias in aliases.select_related("version__model__team").order_by("version__model__name")
    ]
    chosen = dict(
        LiveContract.objects.filter(model__in=[v.model_id for v in champions]).values_list("model_id", "dataset_id")
    )
    trained = {
        (team, digest): dataset
        for team, digest, dataset in DatasetVersion.objects.filter(
            digest__in=[v.data_digest for v in champions if v.data_digest]
        )
        .order_by("pk")
        .values_list("dataset__team_id", "digest", "dataset_id")
    }
    held = {v.pk: chosen.get(v.model_id) or trained.get((v.model.team_id, v.data_digest)) for v in champions}
    contracts = {
        contract.dataset_id: contract
        for contract in DataContract.objects.filter(dataset__in=set(held.values()) - {None})
        .in_force()
        .select_related("dataset__team")
    }
    return [
        LiveSubject(version, contract, version.model_id in chosen)
        for version in champions
        if (dataset := held[version.pk]) and (contract := contracts.get(dataset))
    ]


def models_held(models: QuerySet[RegisteredModel]) -> QuerySet[RegisteredModel]:
    """Return those of ``models`` that have :func:`live_subjects`, with their ``place``: the worst by the last look first, then by name."""
    held_to = DataContract.objects.values("dataset")
    champion = Alias.objects.filter(model=OuterRef("pk"), name=CHAMPION)
    trained_on = DatasetVersion.objects.filter(
        dataset__in=held_to, dataset__team=OuterRef("model__team"), digest=OuterRef("version__data_digest")
    )
    looks = LiveCheck.objects.filter(model=OuterRef("pk")).order_by("-at")
    ranks = [When(last=state, then=Value(str(place))) for place, state in enumerate(WORST_FIRST)]
    held = models.filter(
        Q(Exists(champion.filter(Exists(trained_on)))) | Q(Exists(champion), live_contract__dataset__in=held_to)
    )
    return held.annotate(last=Subquery(looks.values("state")[:1])).annotate(
        place=Concat(Case(*ranks, default=Value("9")), "name", output_field=CharField())
    )


def live_subject(model: RegisteredModel) -> LiveSubject | None:
    """Return what a model's inputs are held to; None where nothing serves, or no contract is in force."""
    found = live_subjects([model])
    return found[0] if found else None


def dataset_of(model: RegisteredModel) -> Dataset | None:
    """Return the data set whose contract would hold for a model, whether it has one or not."""
    if choice := LiveContract.objects.filter(model=model).select_related("dataset__team").first():
        return choice.dataset
    alias = model.aliases.filter(name=CHAMPION).select_related("version").first()
    if alias is None or not alias.version.data_digest:
        return None
    rows = DatasetVersion.objects.filter(dataset__team=model.team_id, digest=alias.version.data_digest)
    version = rows.select_related("dataset__team").order_by("-pk").first()
    return version.dataset if version else None


def live_judgement(subject: LiveSubject, *, now: datetime) -> Judgement:
    """Hold the counts of the last quarter of an hour to the contract; no row is read. Shadow copies are left out."""
    version, since = subject.version, now - WINDOW
    spans = FeatureHistogram.objects.filter(
        version=version, span=FeatureHistogram.Span.FIVE_MINUTES, started_at__gte=since
    ).exclude(arm=SHADOW)
    rows, cells, tails = 0, [], []
    for counted, packed, reach in spans.values_list("rows", "cells", "tails"):
        rows += counted
        cells.append(Cells.unpack(bytes(packed)))
        tails.append(reach)
    reference = ReferenceProfile.objects.filter(version=version).first()
    features = add_all(cells).by_feature(features_of(reference.columns)) if reference else ()
    windows = TelemetryWindow.objects.filter(version__model=version.model_id, rows__gt=0).exclude(arm=SHADOW)
    last = windows.aggregate(last=Max("started_at"))["last"]
    if last is None:
        hours = TelemetryHour.objects.filter(version__model=version.model_id, rows__gt=0).exclude(arm=SHADOW)
        last = hours.aggregate(last=Max("started_at"))["last"]
    lately = Lately(
        features={feature.name: (feature, places) for feature, places in features},
        silent_minutes=(now - last).total_seconds() / 60 if last else None,
        tails=join(tails) or {},
        hour_rows=windows.filter(started_at__gte=now - HOUR).aggregate(rows=Sum("rows"))["rows"] or 0,
    )
    rules = subject.contract.contract.rules
    results = judge(rules, lately)
    return Judgement(since, rows, results, len(rules) - len(results))
