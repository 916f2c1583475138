"""What people do to jobs, on the record. Jobs themselves know no trail (``JOBS_RECORD``)."""

from django.http import HttpRequest
from rest_framework.request import Request

from jobs.models import Job
from registry.access import Actor, actor_of
from registry.audit_trail import audit, audited


def job_record(request: HttpRequest | Request, act: str, job: Job) -> None:
    """Record that the caller cancelled or retried ``job``, in the transaction that did so."""
    {"cancel": job_cancelled, "retry": job_retried}[act](actor=actor_of(request), job=job)


@audited()
def job_cancelled(*, actor: Actor, job: Job) -> None:
    """Record that a person cancelled a job, or asked a running one to stop."""
    audit(action="job.cancel", subject=job.path, actor=actor, team=job.scope, payload={"title": job.title})


@audited()
def job_retried(*, actor: Actor, job: Job) -> None:
    """Record that a person queued an ended job again."""
    audit(action="job.retry", subject=job.path, actor=actor, team=job.scope, payload={"title": job.title})
