"""Whose jobs a request may see and act on, and the record of it.

Both come from above, through the settings ``JOBS_ACCESS`` and ``JOBS_RECORD``: this app knows neither teams nor trails.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest
from django.utils.module_loading import import_string
from rest_framework.request import Request

from jobs import selectors, services
from jobs.models import Job

Act = Literal["cancel", "retry"]


@dataclass(frozen=True)
class Access:
    """The scopes whose jobs the caller may see, and those in which the caller may cancel and retry."""

    visible: list[str]
    acting: list[str]

    def job(self, pk: int) -> Job:
        """Return a visible job with its ``elapsed`` time.

        Raises:
            Http404: it does not exist for the caller.
        """
        job = selectors.jobs_filtered(self.visible).select_related("created_by").filter(pk=pk).first()
        if job is None:
            raise Http404
        return job

    def job_to_act_on(self, pk: int) -> Job:
        """Return a job that the caller may cancel and retry.

        Raises:
            Http404: it does not exist for the caller.
            PermissionDenied: the caller may only look at it.
        """
        job = self.job(pk)
        if not self.may_act_on(job):
            raise PermissionDenied(f"Your role in {job.scope} lets you look at its jobs, not cancel or retry them.")
        return job

    def may_act_on(self, job: Job) -> bool:
        """Tell whether the caller may cancel and retry ``job``."""
        return job.scope in self.acting


def job_act(request: HttpRequest | Request, act: Act, pk: int) -> Job:
    """Cancel or retry a job for the caller, on the record.

    Raises:
        Http404, PermissionDenied: as :meth:`Access.job_to_act_on`.
        IllegalMoveError, UnknownKindError: as the service; nothing was changed.
    """
    access_of(request).job_to_act_on(pk)
    service = {"cancel": services.job_cancel, "retry": services.job_retry}[act]
    record = cast(Callable[[HttpRequest | Request, Act, Job], None], import_string(settings.JOBS_RECORD))
    with transaction.atomic():
        changed = service(job_id=pk, by=request.user.get_username())
        record(request, act, changed)
    return changed


def access_of(request: HttpRequest | Request) -> Access:
    """Return what the caller of ``request`` may see and do."""
    scopes = cast(Callable[[HttpRequest | Request], tuple[list[str], list[str]]], import_string(settings.JOBS_ACCESS))
    return Access(*scopes(request))
