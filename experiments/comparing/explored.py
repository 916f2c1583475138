"""Reading the runs of one experiment with what came of them; the number of queries does not grow with them."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from experiments.comparing.exploring import RunRow
from experiments.comparing.logged_runs import LoggedRun, count_by_experiment, runs_of_experiment
from experiments.drawing.plots import as_number
from experiments.suites import suite_for
from registry.access import Actor
from registry.models import Evidence, ExperimentOwner, ModelVersion
from serving.contract import CHAMPION

MOST_RUNS = 1_000


@dataclass(frozen=True)
class Experiment:
    """An experiment that has runs."""

    experiment_id: str
    name: str
    runs: int


def experiments_of(actor: Actor) -> list[Experiment]:
    """Return the experiments of the actor's teams that have runs, by name."""
    owned: QuerySet[ExperimentOwner] = ExperimentOwner.objects.filter(team__in=actor.teams()).order_by("name")
    names = dict(owned.values_list("experiment_id", "name"))
    counts = count_by_experiment(names)
    return [Experiment(one, name, counts[one]) for one, name in names.items() if one in counts]


def rows_of(actor: Actor, experiment_id: str) -> tuple[list[RunRow], list[str]]:
    """Return the newest runs of an experiment, and the metrics that what came of them is told apart by, the main one first."""
    logged = runs_of_experiment(experiment_id, MOST_RUNS)
    versions = {
        version.run_id: version
        for version in ModelVersion.objects.filter(
            run_id__in=[run.run_id for run in logged], model__team__in=actor.teams(), model__archived_at=None, archived_at=None
        ).select_related("model").order_by("id")
    }  # fmt: skip
    found = {version.pk for version in versions.values()}
    champions = set(
        ModelVersion.objects.filter(pk__in=found, aliases__name=CHAMPION).values_list("pk", flat=True)
    )  # fmt: skip
    measured: dict[int, dict[str, float]] = {}
    evidence = Evidence.objects.filter(version__in=found, against=None, data_slice="").exclude(
        kind__in=Evidence.OF_ROLLOUTS
    )
    for version_id, metric, value in evidence.order_by("id").values_list("version_id", "metric", "value"):
        measured.setdefault(version_id, {})[metric] = value
    rows = [_row(run, versions.get(run.run_id), measured, champions) for run in logged]
    return rows, _main(list(versions.values()))


def _row(
    run: LoggedRun, version: ModelVersion | None, measured: dict[int, dict[str, float]], champions: set[int]
) -> RunRow:
    values = {f"p:{name}": value if (n := as_number(value)) is None else n for name, value in run.params.items()}
    values |= {f"m:{name}": value for name, value in run.metrics.items()}
    if version:
        values |= {f"e:{name}": value for name, value in measured.get(version.pk, {}).items()}
    return RunRow(
        run.run_id, run.name, run.author, run.status, run.started_at, run.seconds,
        (version.path, str(version)) if version else None, bool(version and version.pk in champions), values,
    )  # fmt: skip


def _main(versions: Sequence[ModelVersion]) -> list[str]:
    """Return what the suites of the versions' tasks compare, each once; of all tasks where there is no version."""
    return list(dict.fromkeys(name for version in versions[-1:] for name in suite_for(version.model.task).compared))
