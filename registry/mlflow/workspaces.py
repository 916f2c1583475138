"""Teams as MLflow's workspaces, so that MLflow scopes experiments, runs, traces and artifacts itself."""

from collections.abc import Iterable
from typing import NoReturn

from mlflow.entities import Workspace
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST
from mlflow.store.workspace.abstract_store import AbstractStore

from registry.adapters import workspace_of
from registry.mlflow.caller import get_caller
from registry.models import Team


class WorkspaceStore(AbstractStore):  # type: ignore[misc]  # MLflow has no types
    """The caller's teams; they are made and changed in the control plane alone."""

    def __init__(self, workspace_uri: str) -> None:
        """MLflow hands over the address that the store was registered under; it carries nothing."""

    def list_workspaces(self) -> Iterable[Workspace]:
        """Return the caller's teams."""
        return [_workspace(team) for team in get_caller().actor.teams().order_by("slug")]

    def get_workspace(self, workspace_name: str) -> Workspace:
        """Return the team that the present request is about.

        MLflow asks on its event loop, where the database must not be touched, so this answers from memory alone.
        """
        caller = get_caller()
        if workspace_name != caller.workspace:
            raise MlflowException(f"Workspace '{workspace_name}' not found", RESOURCE_DOES_NOT_EXIST)
        return _workspace(caller.team)

    def get_default_workspace(self) -> NoReturn:
        """Refuse: every request names its team, so no experiment belongs to everybody."""
        raise NotImplementedError


def _workspace(team: Team) -> Workspace:
    return Workspace(name=workspace_of(team), description=team.name)
