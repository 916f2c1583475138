"""The job table is the queue and the truth; the broker only nudges workers to look at it. So is the outbox."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse

from jobs.states import Delivery, Outcome, State

STATES = [(state.value, state.value.capitalize()) for state in State]
DELIVERIES = [(state.value, state.value.capitalize()) for state in Delivery]
OUTCOMES = [(outcome.value, outcome.value.capitalize()) for outcome in Outcome]


class JobQuerySet(models.QuerySet["Job"]):
    """Reads that more than one caller needs."""

    def in_scopes(self, scopes: list[str]) -> "JobQuerySet":
        """Keep the jobs whose scope the caller may see."""
        return self.filter(scope__in=scopes)

    def unfinished(self) -> "JobQuerySet":
        """Keep the jobs that wait or run."""
        return self.filter(state__in=[State.QUEUED, State.RUNNING])

    def waiting(self) -> "JobQuerySet":
        """Keep the jobs that a worker may claim now, by the database's clock."""
        return self.filter(Q(run_after__isnull=True) | Q(run_after__lte=Now()), state=State.QUEUED)

    def held_by(self, job_id: int, attempt: int) -> "JobQuerySet":
        """Keep the one job if ``attempt`` still holds it."""
        return self.filter(pk=job_id, attempt=attempt, state=State.RUNNING)


class Job(models.Model):
    """One piece of work of a declared kind; ``attempt`` is the fencing token of whoever runs it now."""

    kind = models.CharField(max_length=64)
    queue = models.CharField(max_length=32)
    scope = models.CharField(max_length=100, help_text="whose work it is, opaque here: callers filter by it")
    title = models.CharField(max_length=200)
    subject = models.CharField(max_length=200, blank=True, help_text="what it is about, as a path such as /models/x")
    params = models.JSONField(default=dict)
    state = models.CharField(max_length=12, choices=STATES, default=State.QUEUED)
    priority = models.SmallIntegerField(default=0, help_text="higher runs first")
    attempt = models.PositiveIntegerField(default=0, help_text="fencing token; grows with each claim")
    max_attempts = models.PositiveIntegerField(default=3)
    timeout_s = models.FloatField(default=3600, help_text="the longest one attempt may take")
    memory_mb = models.PositiveIntegerField(default=2048, help_text="the most an attempt's processes may hold")
    run_after = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=200, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True, help_text="by the database's clock")
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    progress = models.FloatField(default=0.0, help_text="share done, 0 to 1")
    phase = models.CharField(max_length=200, blank=True)
    result = models.JSONField(default=dict)
    error = models.TextField(blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["queue", "-priority", "id"], name="job_waiting", condition=Q(state="queued")),
            models.Index(fields=["lease_expires_at"], name="job_leases", condition=Q(state="running")),
            models.Index(fields=["scope", "-id"], name="job_by_scope"),
            models.Index(fields=["scope", "kind"], name="job_kinds_by_scope"),
            models.Index(fields=["subject", "-id"], name="job_by_subject"),
            models.Index(fields=["kind", "-id"], name="job_durations", condition=Q(state="succeeded")),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(progress__gte=0, progress__lte=1), name="job_progress_is_a_share"),
            models.CheckConstraint(
                condition=~Q(state="running") | Q(lease_expires_at__isnull=False), name="job_running_holds_a_lease"
            ),
        ]

    def __str__(self) -> str:
        return f"job {self.pk}"

    @property
    def path(self) -> str:
        """Address of the job's page."""
        return reverse("job", args=[self.pk])

    @property
    def is_final(self) -> bool:
        """Whether the job will not move by itself."""
        return State(self.state).is_final


class Attempt(models.Model):
    """One run of a job by one worker, kept so that a retry never hides what went wrong before."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField()
    worker = models.CharField(max_length=200)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=20, choices=OUTCOMES, blank=True)
    peak_memory_mb = models.PositiveIntegerField(null=True, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["job", "number"], name="attempt_number_unique_per_job")]

    def __str__(self) -> str:
        return f"attempt {self.number} of job {self.job_id}"


class LogLine(models.Model):
    """One line a job wrote; ``number`` counts up from 1 within the job, so a line has a stable link."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="log")
    number = models.PositiveIntegerField()
    attempt = models.PositiveIntegerField()
    at = models.DateTimeField()
    text = models.TextField()

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["job", "number"], name="log_number_unique_per_job")]

    def __str__(self) -> str:
        return self.text


class Slot(models.Model):
    """One turn of a periodic schedule, taken at most once by however many callers try."""

    schedule = models.CharField(max_length=100)
    slot = models.DateTimeField()
    job = models.ForeignKey(Job, models.CASCADE, null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["schedule", "slot"], name="slot_taken_once")]

    def __str__(self) -> str:
        return f"{self.schedule} at {self.slot:%Y-%m-%d %H:%M:%S}"


class OutboxQuerySet(models.QuerySet["OutboxMessage"]):
    """Reads that more than one caller needs."""

    def due(self) -> "OutboxQuerySet":
        """Keep the messages that may be sent now, by the database's clock."""
        return self.filter(state=Delivery.WAITING, next_attempt_at__lte=Now())

    def held_by(self, message: "OutboxMessage") -> "OutboxQuerySet":
        """Keep the one message if the attempt that ``message`` was read with still holds it."""
        return self.filter(pk=message.pk, attempt=message.attempt, state=Delivery.WAITING)


class OutboxMessage(models.Model):
    """Something to tell the outside, written in the transaction of what it tells; a relay sends it afterwards.

    ``message_id`` is the same in every attempt, so a receiver that gets it twice can tell.
    """

    message_id = models.UUIDField(default=uuid.uuid4)
    kind = models.CharField(max_length=32, help_text="who sends it, such as webhook")
    destination = models.CharField(max_length=64, help_text="where to, as the sender of its kind understands it")
    event = models.CharField(max_length=100, help_text="what it tells, in a word")
    payload = models.JSONField()
    state = models.CharField(max_length=8, choices=DELIVERIES, default=Delivery.WAITING)
    attempt = models.PositiveIntegerField(default=0, help_text="fencing token; grows with each claim")
    max_attempts = models.PositiveIntegerField()
    next_attempt_at = models.DateTimeField(null=True, help_text="by the database's clock; while it is sent, its lease")
    status = models.PositiveIntegerField(null=True, help_text="what the receiver answered last, where it did")
    error = models.CharField(max_length=500, blank=True, help_text="why the last attempt failed")
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    objects = OutboxQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["next_attempt_at"], name="outbox_due", condition=Q(state="waiting")),
            models.Index(fields=["kind", "destination", "-id"], name="outbox_by_destination"),
            models.Index(fields=["ended_at"], name="outbox_ended", condition=~Q(state="waiting")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["kind", "destination", "message_id"], name="outbox_tells_once"),
            models.CheckConstraint(
                condition=~Q(state="waiting") | Q(next_attempt_at__isnull=False), name="outbox_waiting_has_a_turn"
            ),
        ]

    def __str__(self) -> str:
        return f"message {self.message_id}"


class OutboxAttempt(models.Model):
    """One try to send a message, kept so that a later one hides nothing."""

    message = models.ForeignKey(OutboxMessage, models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField()
    at = models.DateTimeField(help_text="when it ended")
    latency_ms = models.PositiveIntegerField()
    status = models.PositiveIntegerField(null=True, help_text="what the receiver answered, where it did")
    error = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["message", "number"], name="outbox_attempt_once")]

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.message}"
