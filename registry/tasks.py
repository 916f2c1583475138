"""What the registry does by the clock; each is safe to run twice."""

from celery import shared_task
from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from jobs.tasks import Hint
from registry import services
from registry.converted import converted_path
from registry.models import AuditCheck, ModelVersion
from registry.selectors.audit_chain import chain_fault, chain_head
from registry.services import alert_watch
from registry.staging import stage
from registry.states import PromotionState

MOST_VERSIONS = 50  # in one turn; the next turn takes the rest


@shared_task
def stage_versions() -> None:
    """Copy from S3 what gateways load and this host lacks; where artifacts lie in a folder, all of it is there."""
    if not settings.ARTIFACT_STORE.startswith("s3://"):
        return
    loaded = Q(aliases__isnull=False) | Q(promotions__state__in=[s for s in PromotionState if s.is_open])
    held = ModelVersion.objects.filter(loaded, artifact_state="verified", archived_at=None, model__archived_at=None)
    for path in held.values_list("artifact_path", flat=True).distinct():
        stage(path)
    converted = held.filter(reading__conversion__has_key="file")
    for digest, sha256 in converted.values_list("artifact_digest", "reading__conversion__file__sha256").distinct():
        stage(converted_path(digest, sha256))


@shared_task
def read_versions() -> None:
    """Queue a job for each registered version whose files nobody reads yet."""
    unread = ModelVersion.objects.filter(
        artifact_state="unread", archived_at__isnull=True, reading=None, model__is_prompt=False
    ).order_by("id")
    for version_id in list(unread.values_list("pk", flat=True)[:MOST_VERSIONS]):
        services.version_read_start(version_id=version_id)


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
    head, fault = chain_head(), chain_fault()
    AuditCheck.objects.create(seq=head.seq, broken_at=fault.seq if fault else None)
    alert_watch.chain_watch(broken_at=fault.seq if fault else None)


@shared_task
def export_audit_head() -> None:
    """Keep the signed head of the chain outside the database, beside all those before."""
    services.audit_head_export(folder=settings.AUDIT_HEADS)


@shared_task
def watch_jobs() -> None:
    """Look for jobs that failed for good, and for queues that wait."""
    now = timezone.now()
    alert_watch.jobs_watch(now=now)
    alert_watch.queues_watch(now=now)


@shared_task
def watch_evidence() -> None:
    """Look for evidence that will soon be stale."""
    alert_watch.evidence_watch(now=timezone.now())


@shared_task(base=Hint)
def tell_alerts() -> None:
    """Silence, escalate and tell alerts."""
    services.alerts_tell()
