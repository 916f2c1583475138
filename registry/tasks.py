"""What the registry does by the clock; each is safe to run twice."""

from celery import shared_task

from registry import services
from registry.models import AuditCheck, ModelVersion
from registry.selectors.audit_chain import chain_fault, chain_head

MOST_VERSIONS = 20  # read in one turn; the next turn takes the rest


@shared_task
def verify_versions() -> None:
    """Read the files of versions that clients registered."""
    unread = ModelVersion.objects.filter(artifact_state="unread", archived_at__isnull=True).order_by("id")
    for version_id in list(unread.values_list("pk", flat=True)[:MOST_VERSIONS]):
        services.version_verify(version_id=version_id)


@shared_task
def verify_audit_chain() -> None:
    """Walk the audit chain; the audit page shows up to where it holds."""
    head, fault = chain_head(), chain_fault(None)
    AuditCheck.objects.create(seq=head.seq, broken_at=fault.seq if fault else None)
