from django.apps import AppConfig


class ControlplaneConfig(AppConfig):
    name = "controlplane"

    def ready(self) -> None:
        """Make our Celery application the one that tasks are sent by, in every process that runs Django."""
        import controlplane.celery  # noqa: F401
