"""What the registry does by the clock; each is safe to run twice."""

from celery import shared_task
from django.utils import timezone

from jobs.tasks import nudge
from registry import services
from registry.models import AuditCheck, ModelVersion
from registry.selectors.audit_chain import chain_fault, chain_head

MOST_VERSIONS = 50  # in one turn; the next turn takes the rest


@shared_task
def read_versions() -> None:
    """Queue a job for each registered version whose files nobody reads yet."""
    unread = ModelVersion.objects.filter(
        artifact_state="unread", archived_at__isnull=True, reading=None, model__is_prompt=False
    ).order_by("id")
    for version_id in list(unread.values_list("pk", flat=True)[:MOST_VERSIONS]):
        if job := services.version_read_start(version_id=version_id):
            nudge.delay(job.queue)


@shared_task
def watch_deadlines() -> None:
    """Raise an alert for each late review, ended waiver and overdue re-validation."""
    now = timezone.now()
    services.rollback_overdue(now=now)
    services.waivers_watch(now=now)
    services.revalidations_watch(now=now)


@shared_task
def verify_audit_chain() -> None:
    """Walk the audit chain; the audit page shows up to where it holds."""
    head, fault = chain_head(), chain_fault(None)
    AuditCheck.objects.create(seq=head.seq, broken_at=fault.seq if fault else None)
