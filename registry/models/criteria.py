"""Acceptance criteria, and the evidence they are checked against."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from registry.criteria import metric_label
from registry.criteria_diff import Drafted
from registry.metric_words import Nouns
from registry.models.catalogue import ModelVersion, RegisteredModel
from registry.models.fields import DIGEST_HELP
from registry.plain_words.rules import Rule, target_words


class CriteriaSet(models.Model):
    """Numbered acceptance criteria of a model. Drafted by one person, agreed by another; a change is a new set."""

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        AGREED = "agreed", "Agreed"
        SUPERSEDED = "superseded", "Superseded"
        DECLINED = "declined", "Declined"

    model = models.ForeignKey(RegisteredModel, models.PROTECT, related_name="criteria_sets")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT)
    digest = models.CharField(max_length=71, help_text=f"{DIGEST_HELP} over its criteria")
    drafted_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    drafted_at = models.DateTimeField(auto_now_add=True)
    agreed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    agreed_at = models.DateTimeField(null=True, blank=True)
    declined_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    declined_at = models.DateTimeField(null=True, blank=True)
    answer = models.TextField(blank=True, help_text="of who agreed or declined")
    note = models.TextField(blank=True)
    cases = models.CharField(
        max_length=60,
        blank=True,
        help_text="what the model looks at, in the plural, such as flights; for plain sentences",
    )
    events = models.CharField(max_length=60, blank=True, help_text="those it is to find, such as late flights")

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["model", "number"], name="criteria_set_number_unique"),
            models.UniqueConstraint(fields=["model"], condition=Q(state="agreed"), name="one_agreed_criteria_set"),
            models.CheckConstraint(
                condition=Q(agreed_by__isnull=True) | ~Q(agreed_by=F("drafted_by")), name="drafter_cannot_agree"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["draft", "declined"]) | Q(agreed_by__isnull=False),
                name="agreed_set_names_who_agreed",
            ),
            models.CheckConstraint(
                condition=Q(state="declined", declined_by__isnull=False)
                & ~Q(declined_by=F("drafted_by"))
                & ~Q(answer="")
                | ~Q(state="declined") & Q(declined_by__isnull=True),
                name="declined_set_names_who_and_why",
            ),
        ]

    def __str__(self) -> str:
        return f"criteria set {self.number} of {self.model.name}"

    @property
    def drafted(self) -> list[Drafted]:
        """Its criteria as two sets are compared by them."""
        return [Drafted(c.label, c.rule, c.reason, c.phase) for c in self.criteria.all()]

    @property
    def nouns(self) -> Nouns:
        """What sentences about it call the model's cases."""
        usual = Nouns()
        return Nouns(self.cases or usual.cases, self.events or usual.events)


class AcceptanceCriterion(models.Model):
    """One rule a version must meet, in numbers and in plain words."""

    class Direction(models.TextChoices):
        AT_LEAST = "at_least", "at least"
        AT_MOST = "at_most", "at most"

    class Basis(models.TextChoices):
        VALUE = "value", "the measured value"
        INTERVAL = "interval", "the worse end of the 95% interval"

    class Phase(models.TextChoices):
        BEFORE_APPROVAL = "before_approval", "Before approval"
        SHADOW = "shadow", "Shadow"
        CANARY = "canary", "Canary"

    criteria_set = models.ForeignKey(CriteriaSet, models.CASCADE, related_name="criteria")
    position = models.PositiveSmallIntegerField()
    metric = models.CharField(max_length=100)
    direction = models.CharField(max_length=10, choices=Direction)
    threshold = models.FloatField(help_text="in the metric's unit; a margin where it is against the champion")
    against_champion = models.BooleanField(default=False, help_text="the threshold is a margin over the champion")
    basis = models.CharField(max_length=10, choices=Basis, default=Basis.VALUE)
    data_set = models.CharField(max_length=200, blank=True, help_text="name of the data set; empty means any")
    data_slice = models.CharField(max_length=200, blank=True, help_text="such as carrier=AA; empty means all rows")
    phase = models.CharField(max_length=20, choices=Phase, default=Phase.BEFORE_APPROVAL)
    blocking = models.BooleanField(default=True)
    reason = models.TextField(help_text="why it matters, in plain words")

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["criteria_set", "position"], name="criterion_position_unique")]

    def __str__(self) -> str:
        return f"C{self.position} {self.metric}"

    @property
    def label(self) -> str:
        """Its place and metric as people read them, such as ``C1 Average precision``."""
        return f"C{self.position} {metric_label(self.metric)}"

    @property
    def rule(self) -> Rule:
        """What plain sentences about it need."""
        return Rule(
            metric=self.metric, at_least=self.direction == self.Direction.AT_LEAST, threshold=self.threshold,
            by_interval=self.basis == self.Basis.INTERVAL, against_champion=self.against_champion,
            data_set=self.data_set, data_slice=self.data_slice, blocking=self.blocking,
        )  # fmt: skip

    @property
    def sentence(self) -> str:
        """What it asks for, in plain words."""
        return target_words(self.rule, self.criteria_set.nouns)


class Evidence(models.Model):
    """One measured value: of what, on which data, by which job, and what it is evidence of. Never changed."""

    class Kind(models.TextChoices):
        OFFLINE = "offline", "Offline evaluation"
        SHADOW = "shadow", "Shadow"
        CANARY = "canary", "Canary"
        SCAN = "scan", "Scan"
        SIGNATURE = "signature", "Digital signature"
        DOCUMENT = "document", "Document"

    OF_ROLLOUTS = (Kind.SHADOW, Kind.CANARY)

    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="evidence")
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.OFFLINE)
    metric = models.CharField(max_length=100)
    value = models.FloatField()
    ci_low = models.FloatField(null=True)
    ci_high = models.FloatField(null=True)
    sample_size = models.PositiveIntegerField(null=True)
    against = models.ForeignKey(
        ModelVersion, models.PROTECT, null=True, related_name="+", help_text="the champion of a paired difference"
    )
    artifact_digest = models.CharField(max_length=71, help_text="of the version when measured")
    data_set = models.CharField(max_length=200, blank=True)
    data_digest = models.CharField(max_length=71, blank=True)
    data_slice = models.CharField(max_length=200, blank=True)
    detail = models.JSONField(default=dict, help_text="method, curves and whatever explains the value")
    suite = models.CharField(
        max_length=50, blank=True, help_text="of measurements that it belongs to, with its version"
    )
    undecided = models.CharField(
        max_length=200, blank=True, help_text="why it decides no criterion; empty where it does"
    )
    job = models.ForeignKey("jobs.Job", models.PROTECT, null=True, related_name="+")
    measured_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["version", "metric", "-id"], name="evidence_latest")]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "metric", "data_digest", "data_slice", "against", "job"],
                name="evidence_once_per_job",
                condition=Q(job__isnull=False),
                nulls_distinct=False,
            ),
            models.UniqueConstraint(
                fields=["version", "metric", "data_digest", "data_slice", "against", "suite"],
                name="evidence_once_per_suite",
                condition=~Q(suite=""),
                nulls_distinct=False,
            ),
        ]

    def __str__(self) -> str:
        return f"E-{self.pk}"

    @property
    def metric_label(self) -> str:
        """The metric as people read it."""
        return metric_label(self.metric)

    @property
    def plan_number(self) -> int | None:
        """The number of the model's evaluation plan that it was measured under; None: as usual."""
        number = self.suite.partition("+plan-")[2]
        return int(number) if number.isdecimal() else None

    @property
    def is_of_rollout(self) -> bool:
        """Whether a rollout measured it on real requests: nothing to be held beside what was measured on a data set."""
        return self.kind in self.OF_ROLLOUTS
