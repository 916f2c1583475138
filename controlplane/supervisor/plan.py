"""What the demo consists of: servers, then one-time steps, then the product's processes, then its visitors."""

import signal
import sys
from dataclasses import replace
from pathlib import Path

from controlplane.embedded import Postgres
from controlplane.supervisor.child import Spec
from controlplane.supervisor.config import HOST, VARIABLES, Config
from controlplane.supervisor.health import Check, accepts, answers, worker_answers

# Said at each start by libraries, of things that are right here: root, no collected assets, MLflow's own imports.
NOT_NEWS = "ignore:You're running the worker,ignore:No directory at,ignore:starlette.middleware.wsgi is deprecated"
SECRETS = ("SECRET_KEY", "DATABASE_URL", "BROKER_URL")


class Plan:
    """The processes of one demo, each with the least environment that it needs."""

    def __init__(self, config: Config, *, mark: dict[str, str]) -> None:
        self.config = config
        settings = config.settings()
        self._broker_url = settings["BROKER_URL"]
        self._bare = {
            **{key: value for key, value in config.inherited.items() if key not in SECRETS},
            **config.storage(),
            **mark,
            "PYTHONUNBUFFERED": "1",
        }
        self._django = {
            **self._bare, **settings, "DJANGO_SETTINGS_MODULE": "controlplane.settings", "PYTHONWARNINGS": NOT_NEWS,
        }  # fmt: skip

    def servers(self) -> list[Spec]:
        """Return the embedded servers that this demo uses, ready to be started."""
        specs = []
        if postgres := self.config.postgres:
            postgres.prepare()
            server = Spec("postgres", postgres.command(), self._bare, check=accepts(postgres.accepts))
            specs.append(replace(server, user=postgres.user, stop_signal=Postgres.STOP_SIGNAL, folder=Path("/")))
        if valkey := self.config.valkey:
            valkey.prepare()
            specs.append(Spec("broker", valkey.command(), self._bare, check=accepts(valkey.accepts)))
        return specs

    def provision(self) -> Spec:
        """Return the step that migrates as the schema's owner, the only one to hold that role's password."""
        step = self._step("provision", "-v0")
        return replace(step, environment={**step.environment, "DATABASE_OWNER_URL": self.config.owner_url})

    def seed(self) -> Spec:
        """Return the step that fills in the schedules, makes teams and people, and asks for the first model."""
        return self._step("seed_demo")

    def processes(self) -> list[Spec]:
        """Return the product's processes; none waits for another."""
        web, mlflow, gateway = (self.config.url(name) for name in ("web", "mlflow", "gateway"))
        return [
            Spec(
                "web",
                [sys.executable, "-m", "gunicorn", "controlplane.wsgi", "--bind", f"{HOST}:{self.config.ports['web']}",
                 "--worker-class", "gthread", "--workers", "2", "--threads", "8", "--preload",
                 "--graceful-timeout", "2", "--no-control-socket"],
                self._django, check=answers(f"{web}/health/"),
            ),
            self._manage("mlflow_server", name="mlflow", check=answers(f"{mlflow}/health")),
            self._worker("worker", node="jobs", queues="training,evaluation,monitoring,registry,demo", threads=5),
            self._worker("control", node="control", queues="control", threads=4),
            self._worker("watch", node="watch", queues="watch", threads=3, patient=True),
            # Told to stop, it first waits for the broker and the database, which an orphan has lost. It holds nothing: a turn of a
            # schedule is a row that is taken once.
            replace(self._celery("beat", "beat"), orphan_signal=signal.SIGKILL),
            Spec(
                "gateway", [sys.executable, "-m", "serving.gateway"],
                {"GATEWAY_AUTH": "optional", "LOG_HASH_KEY": self.config.log_hash_key(), **self._bare, "GATEWAY_HOST": HOST, "GATEWAY_PORT": str(self.config.ports["gateway"])},
                check=answers(f"{gateway}/v2/health/live"),
            ),
        ]  # fmt: skip

    def visitors(self) -> list[Spec]:
        """Return what brings the demo to life: the story of its first model, and callers of the gateway."""
        rate = self.config.inherited.get("DEMO_TRAFFIC_RATE") or VARIABLES["DEMO_TRAFFIC_RATE"][0]
        return [self._manage("demo_story", name="story", once=True), self._manage("traffic", "--rate", rate)]

    def _manage(self, command: str, *args: str, name: str = "", check: Check | None = None, once: bool = False) -> Spec:
        line = [sys.executable, "manage.py", command, *args]
        return Spec(name or command, line, self._django, check=check, once=once)

    def _step(self, command: str, *args: str) -> Spec:
        return replace(self._manage(command, *args, once=True), restarts=False)

    def _celery(self, name: str, *args: str, check: Check | None = None) -> Spec:
        line = [sys.executable, "-m", "celery", "--quiet", "-A", "controlplane", *args, "--loglevel", "INFO"]
        return Spec(name, line, self._django, check=check)

    def _worker(self, name: str, *, node: str, queues: str, threads: int, patient: bool = False) -> Spec:
        """Return a worker; a patient one leaves the processor to the others."""
        spec = self._celery(
            name, "worker", "--pool", "threads", "--concurrency", str(threads), "--queues", queues,
            "--hostname", f"{node}@%h", "--without-gossip", "--without-mingle",
            check=worker_answers(self._broker_url, node),
        )  # fmt: skip
        return replace(spec, command=["nice", "-n", "10", *spec.command]) if patient else spec
