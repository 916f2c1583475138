"""MLflow's own tracking store, told who its caller is."""

import re
from typing import Any

from django.conf import settings
from mlflow.entities import Run, RunTag
from mlflow.store.tracking.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyStore
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE, MLFLOW_USER

from registry.mlflow.caller import get_caller
from registry.mlflow.errors import in_mlflows_words
from registry.models import ModelVersion, RegisteredModel
from registry.services import experiment_record

LINKS = 20  # versions that a run's description names


class TrackingStore(WorkspaceAwareSqlAlchemyStore):  # type: ignore[misc]  # MLflow has no types
    """Records which team owns an experiment, and takes a run's author from the caller instead of the client's word."""

    def create_experiment(self, name: str, artifact_location: str | None = None, tags: list[Any] | None = None) -> str:
        """Create an experiment of the caller's team."""
        experiment_id: str = super().create_experiment(name, artifact_location, tags)
        self._record(experiment_id, name)
        return experiment_id

    def rename_experiment(self, experiment_id: str, new_name: str) -> None:
        """Rename an experiment."""
        super().rename_experiment(experiment_id, new_name)
        self._record(experiment_id, new_name)

    def create_run(self, experiment_id: str, user_id: str, start_time: int, tags: list[RunTag], run_name: str) -> Run:
        """Start a run in the caller's name: its author counts as a contributor to what is registered from it."""
        author = get_caller().username
        others = [tag for tag in tags or [] if tag.key != MLFLOW_USER]
        return super().create_run(experiment_id, author, start_time, [*others, RunTag(MLFLOW_USER, author)], run_name)

    def get_run(self, run_id: str) -> Run:
        """Return a run; its description, which MLflow's pages show, ends with links to what was registered from it."""
        run = super().get_run(run_id)
        versions = ModelVersion.objects.filter(
            run_id=run_id, archived_at=None, model__in=RegisteredModel.objects.live().filter(team=get_caller().team)
        )
        links = [
            f"[{_plain(str(version))}]({settings.WEB_URL}{version.path})"
            for version in versions.select_related("model").order_by("model__name", "number")[:LINKS]
        ]
        if links:
            note = run.data.tags.get(MLFLOW_RUN_NOTE, "")
            registered = f"Registered as {', '.join(links)}"
            if registered not in note:
                run.data._add_tag(RunTag(MLFLOW_RUN_NOTE, f"{note}\n\n{registered}".strip()))
        return run

    def delete_dataset(self, dataset_id: str) -> None:
        """Delete an evaluation data set; unlike MLflow's own, say so where the caller's team has none such."""
        self.get_dataset(dataset_id)
        super().delete_dataset(dataset_id)

    def _record(self, experiment_id: str, name: str) -> None:
        caller = get_caller()
        with in_mlflows_words():
            experiment_record(actor=caller.actor, team=caller.team, experiment_id=experiment_id, name=name)


def _plain(text: str) -> str:
    """Return text that Markdown takes for nothing else."""
    return re.sub(r"([\\\[\]*_`<])", r"\\\1", text)
