"""Choosing versions and runs to compare, and reading what is known of them; the number of queries does not grow with them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q, QuerySet
from django.http import Http404

from experiments.comparing.comparison import FEWEST, MOST, Facts, Group, Value, compare
from experiments.comparing.logged_runs import LoggedRun, logged_runs
from experiments.models import TrainingRun
from experiments.pipelines.catalogue import PIPELINES
from registry.access import Actor
from registry.errors import InvalidError
from registry.metric_words import WORDS
from registry.models import AcceptanceCriterion, Alias, Evidence, ExperimentOwner, ModelVersion
from serving.contract import CHAMPION

OF_MLFLOW = re.compile(r"[0-9a-f]{32}")

Found = dict[tuple[str, str], Evidence]  # by metric and part of the data


@dataclass(frozen=True)
class Column:
    """One version, or one run that made none; ``label`` names it, without its model where all are of one."""

    version: ModelVersion | None
    run: TrainingRun | None
    is_champion: bool
    label: str = ""
    logged: LoggedRun | None = None

    @property
    def key(self) -> str:
        """Its name in the address."""
        if self.version:
            return f"{self.version.model.name}:{self.version.number}"
        return self.run_id

    @property
    def run_id(self) -> str:
        """Its run, as MLflow knows it; empty where it has none."""
        return self.version.run_id if self.version else self.logged.run_id if self.logged else ""

    @property
    def parameter(self) -> tuple[str, str]:
        """Its part of the address."""
        return ("version" if self.version else "run", self.key)


@dataclass(frozen=True)
class Comparison:
    """Versions and runs beside each other, the champion first.

    Attributes:
        missing_champion: the champion of the first version's model, where it was not chosen.
        latest: of each version, the newest evidence of all data and of its parts.
    """

    columns: list[Column]
    groups: list[Group] = field(default_factory=list)
    missing_champion: ModelVersion | None = None
    latest: dict[int, Found] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether there are enough of them, and not too many."""
        return FEWEST <= len(self.columns) <= MOST


def chosen(actor: Actor, versions: Sequence[str], runs: Sequence[str]) -> list[Column]:
    """Return the versions and runs that an address names, champions first, each once.

    Args:
        versions: such as ``flight-delay:3``.
        runs: ids of training runs, or of runs in MLflow; each stands for the version that it made, if it made one.

    Raises:
        InvalidError: one is no such name.
        Http404: there is no such version or run, or it is not the actor's to see.
    """
    wanted = [_named(text) for text in versions]
    hexes = [text for text in runs if OF_MLFLOW.fullmatch(text)]
    ids = [_id(text) for text in runs if text not in hexes]
    visible = ModelVersion.objects.filter(model__team__in=actor.teams(), model__archived_at__isnull=True)
    visible = visible.select_related("model__team", "created_by").prefetch_related("aliases")
    by_name = {(v.model.name, v.number): v for v in visible.filter(model__name__in={name for name, _ in wanted},
                                                                   number__in={number for _, number in wanted})}  # fmt: skip
    by_run = {v.training_run.pk: v for v in visible.filter(training_run__in=ids).select_related("training_run")}
    if not set(wanted) <= by_name.keys() or not set(ids) <= by_run.keys():
        raise Http404
    of_runs = _of_runs(actor, visible, hexes) if hexes else []
    found: list[ModelVersion | LoggedRun] = list(
        dict.fromkeys([by_name[key] for key in wanted] + [by_run[key] for key in ids])
    )
    found += [one for one in of_runs if one not in found]
    return _columns(found)


def _of_runs(actor: Actor, visible: QuerySet[ModelVersion], run_ids: Sequence[str]) -> list[ModelVersion | LoggedRun]:
    """Return, for each run in MLflow, the newest version that came of it, or else the run itself.

    Raises:
        Http404: a run is not there, or its experiment is not of the actor's teams.
    """
    made: dict[str, ModelVersion] = {v.run_id: v for v in visible.filter(run_id__in=run_ids).order_by("id")}
    alone = logged_runs([one for one in run_ids if one not in made])
    owned = set(
        ExperimentOwner.objects.filter(
            team__in=actor.teams(), experiment_id__in={run.experiment_id for run in alone.values()}
        ).values_list("experiment_id", flat=True)
    )
    found: dict[str, ModelVersion | LoggedRun] = {
        one: run for one, run in alone.items() if run.experiment_id in owned
    } | made
    if not set(run_ids) <= found.keys():
        raise Http404
    return [found[one] for one in dict.fromkeys(run_ids)]


def _columns(found: Sequence[ModelVersion | LoggedRun]) -> list[Column]:
    versions = [one for one in found if isinstance(one, ModelVersion)]
    made_by = {
        run.version_id: run
        for run in TrainingRun.objects.filter(version__in=versions).select_related("dataset_version__dataset")
    }
    one_model = len({version.model_id for version in versions}) == 1
    columns = [
        Column(one, made_by.get(one.pk), any(a.name == CHAMPION for a in one.aliases.all()), f"v{one.number}" if one_model else str(one))
        if isinstance(one, ModelVersion)
        else Column(None, None, False, one.name, one)
        for one in found
    ]  # fmt: skip
    return sorted(columns, key=lambda column: not column.is_champion)


def comparison_of(columns: list[Column]) -> Comparison:
    """Return everything that is known of versions and runs, row by row."""
    if not columns:
        return Comparison([])
    versions = [column.version for column in columns if column.version]
    missing = None
    if versions:
        champion = (
            Alias.objects.select_related("version__model").filter(model=versions[0].model_id, name=CHAMPION).first()
        )
        missing = champion.version if champion and champion.version not in versions else None
    comparison = Comparison(columns, missing_champion=missing)
    if not comparison.is_complete:
        return comparison
    latest, paired = _latest(versions, columns[0].version)
    logged = logged_runs([column.run_id for column in columns if column.run_id])
    facts = [
        _facts(column, latest.get(column.version.pk, {}) if column.version else {},
               paired.get(column.version.pk, {}) if column.version else {}, logged.get(column.run_id))
        for column in columns
    ]  # fmt: skip
    metrics = {metric for one in facts for metric, _ in one.measured}
    groups = compare(facts, higher_is_better=_directions(versions, metrics))
    return Comparison(columns, groups, missing, latest)


def _latest(
    versions: Sequence[ModelVersion], first: ModelVersion | None
) -> tuple[dict[int, Found], dict[int, dict[tuple[str, str], Value]]]:
    """Return the newest evidence of each version alone, of its present artifact, and its paired differences to the first."""
    found: dict[int, Found] = {version.pk: {} for version in versions}
    paired: dict[int, dict[tuple[str, str], Value]] = {version.pk: {} for version in versions}
    digests = {version.pk: version.artifact_digest for version in versions}
    beside = Q(against=None) | Q(version__in=found, against__in=found)
    for evidence in Evidence.objects.filter(beside, version__in=found).defer("detail").order_by("id"):
        if evidence.artifact_digest != digests[evidence.version_id]:
            continue
        part = ", ".join(filter(None, (evidence.kind if evidence.is_of_rollout else "", evidence.data_slice)))
        key, against = (evidence.metric, part), evidence.against_id
        if against is None:
            found[evidence.version_id][key] = evidence
        elif first and against == first.pk:
            paired[evidence.version_id][key] = _value(evidence)
        elif first and evidence.version_id == first.pk:
            paired[against].setdefault(key, _turned(_value(evidence)))
    return found, paired


def _value(evidence: Evidence) -> Value:
    return Value(evidence.value, evidence.ci_low, evidence.ci_high, evidence.data_digest)


def _turned(one: Value) -> Value:
    """Return the difference the other way round."""
    if one.low is None or one.high is None:
        return Value(-one.value, data=one.data)
    return Value(-one.value, -one.high, -one.low, one.data)


def _facts(column: Column, latest: Found, paired: dict[tuple[str, str], Value], logged: LoggedRun | None) -> Facts:
    version, run = column.version, column.run
    metrics = logged.metrics if logged else run.metrics if run else {}
    params: dict[str, Any] = dict(logged.params) if logged else {}
    if version is None:
        assert logged is not None  # noqa: S101  a column without a version is a run
        began = f"{logged.started_at:%d %b %Y, %H:%M} UTC" if logged.started_at else "unknown"
        about = {"Registered": "never", "By": logged.author, "Run": logged.name, "Started": began}
        return Facts(about, {}, params, logged=metrics)
    about = {
        "Registered": f"{version.created_at:%d %b %Y, %H:%M} UTC", "By": version.created_by.get_username(),
        "Format": version.format or "not read yet", "Artifact": version.artifact_digest[:19] or "not read yet",
        "Size, bytes": f"{sum(file.get('size', 0) for file in version.manifest):,}",
        "Aliases": ", ".join(sorted(alias.name for alias in version.aliases.all())) or "none",
    }  # fmt: skip
    data = {"Digest": version.data_digest[:19]} if version.data_digest else {}
    if run:
        rows = run.dataset_version
        data = {"Data set": str(rows), "Digest": rows.digest[:19], "Rows": f"{rows.rows:,}",
                "Until": f"{rows.ends_at:%d %b %Y}" if rows.ends_at else "no time"}  # fmt: skip
        title = PIPELINES[run.pipeline].title if run.pipeline in PIPELINES else run.pipeline
        params = {"Pipeline": title, **run.params}
    inputs = [str(found.get("name")) for found in version.signature.get("inputs", [])]
    measured = {key: _value(evidence) for key, evidence in latest.items()}
    return Facts(about, data, params, inputs, measured, paired, metrics)


def _directions(versions: Sequence[ModelVersion], metrics: set[str]) -> dict[str, bool]:
    """Return which way is good: as everybody knows of a metric, or else as the model's agreed criteria say."""
    known = {metric: WORDS[metric].higher_is_better for metric in metrics if metric in WORDS}
    asked = AcceptanceCriterion.objects.filter(
        criteria_set__state="agreed", criteria_set__model__in={v.model_id for v in versions}, metric__in=metrics
    )
    return {c.metric: c.direction == AcceptanceCriterion.Direction.AT_LEAST for c in asked} | known


def _named(text: str) -> tuple[str, int]:
    name, _, number = text.rpartition(":")
    if not name or not number.isascii() or not number.isdigit() or len(number) > 9:
        raise InvalidError(
            f"“{text[:80]}” names no version; write it as model:number, such as flight-delay:3.", field="version"
        )
    return name, int(number)


def _id(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise InvalidError(
            f"“{text[:80]}” is no run; runs are numbers here, and 32 digits and letters in MLflow.", field="run"
        )
    return int(text)
