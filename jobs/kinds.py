"""The kinds of work there are: who does it, on which queue, within which bounds.

An app declares its kinds in a module named ``job_kinds``; they are imported when a kind is first looked up, so that
a process which never runs a job does not pay for what the handlers import.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from django.apps import AppConfig
from django.apps import apps as installed
from django.conf import settings
from django.contrib.auth.models import User
from django.utils.module_loading import import_string, module_has_submodule

from jobs import leases
from jobs.models import Job

PROGRESS_EVERY_S = 0.2


class UnknownKindError(LookupError):
    """No app declares this kind of job."""


@dataclass
class JobContext:
    """What a handler knows of its job, and the only way it writes to it."""

    job_id: int
    attempt: int
    params: dict[str, Any]
    scope: str
    created_by: User | None
    _finished: bool = field(default=False, init=False)
    _phase: str = field(default="", init=False)
    _shown_at: float = field(default=0.0, init=False)

    @classmethod
    def of(cls, job: Job) -> "JobContext":
        """Return the context of the attempt that holds ``job``."""
        return cls(job.pk, job.attempt, job.params, job.scope, job.created_by)

    def progress(self, share: float, phase: str) -> None:
        """Show how far the work is, and stop where it is no longer wanted.

        It is cheap to call in a tight loop: within one phase it writes a few times a second at most.

        Raises:
            JobCancelledError: somebody asked to cancel; let it pass.
            LeaseLostError: another attempt holds the job; let it pass.
        """
        now = time.monotonic()
        if phase == self._phase and now - self._shown_at < PROGRESS_EVERY_S:
            return
        leases.job_progress(job_id=self.job_id, attempt=self.attempt, share=share, phase=phase)
        self._phase, self._shown_at = phase, now

    def log(self, text: str) -> None:
        """Append to the job's log.

        Raises:
            LeaseLostError: another attempt holds the job; let it pass.
        """
        leases.job_log(job_id=self.job_id, attempt=self.attempt, text=text)

    @contextmanager
    def finish(self, result: dict[str, Any]) -> Iterator[None]:
        """Commit the effects made in the body together with the job's success, or neither.

        Keep the body short, with rows alone: files and other systems cannot be rolled back, so write those before,
        under names that a second attempt may write again.

        Args:
            result: what came out, as JSON; a value that starts with ``/`` is shown as a link. It is read after the
                body, which may still add to it.

        Raises:
            JobCancelledError: somebody asked to cancel; let it pass.
            LeaseLostError: another attempt holds the job; let it pass.
        """
        with import_string(settings.JOB_TRANSACTION)():
            leases.job_hold(job_id=self.job_id, attempt=self.attempt)
            yield
            leases.job_finish(job_id=self.job_id, attempt=self.attempt, result=result)
        self._finished = True

    def ensure_finished(self) -> None:
        """Mark the job succeeded with an empty result, unless the handler did so itself."""
        if not self._finished:
            with self.finish({}):
                pass


Handler = Callable[[JobContext], None]


@dataclass(frozen=True)
class JobKind:
    """One declared kind of job.

    Attributes:
        queue: workers of this queue run it.
        timeout_s: the longest one attempt may take (s).
        memory_mb: the most resident memory that an attempt's processes may hold together (MB).
        max_attempts: how often it is tried before it counts as failed.
    """

    name: str
    queue: str
    handler: Handler
    timeout_s: float
    memory_mb: int
    max_attempts: int


_kinds: dict[str, JobKind] = {}


def job_kind(
    name: str, *, queue: str, timeout_s: float, memory_mb: int = 2048, max_attempts: int = 3
) -> Callable[[Handler], Handler]:
    """Declare the decorated function as the handler of the kind ``name``.

    Raises:
        ValueError: another handler has that name.
    """

    def declare(handler: Handler) -> Handler:
        if name in _kinds:
            raise ValueError(f"The job kind {name!r} is declared twice.")
        _kinds[name] = JobKind(name, queue, handler, timeout_s, memory_mb, max_attempts)
        return handler

    return declare


def _modules() -> list[str]:
    apps = [f"{app.name}.job_kinds" for app in installed.get_app_configs() if _declares(app)]
    return [*settings.JOB_KIND_MODULES, *apps]


def _declares(app: AppConfig) -> bool:
    return app.module is not None and module_has_submodule(app.module, "job_kinds")


def kind_named(name: str) -> JobKind:
    """Return the kind ``name``, importing no more modules than it takes to find it.

    Raises:
        UnknownKindError: no app declares it.
    """
    for module in _modules():
        if name in _kinds:
            break
        import_module(module)
    try:
        return _kinds[name]
    except KeyError:
        raise UnknownKindError(f"No app declares the job kind {name!r}.") from None
