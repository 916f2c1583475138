"""MLflow's model registry, kept in our tables: its methods parse, call one service or query, and answer in its words."""

from registry.mlflow.models import ModelMethods
from registry.mlflow.versions import VersionMethods
from registry.mlflow.webhooks import WebhookMethods


class RegistryStore(ModelMethods, VersionMethods, WebhookMethods):
    """The caller's team's models. A method that MLflow has and this lacks would silently answer None, so none is."""

    @property
    def supports_workspaces(self) -> bool:
        """Whether models are kept apart by workspace: they are, by team."""
        return True
