"""Service level objectives: what is promised, and what was counted of it."""

from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from monitoring.slo.windows import Window, calendar, rolling
from registry.access import Actor
from registry.criteria import metric_label
from registry.models import ModelVersion, RegisteredModel


class SloQuerySet(models.QuerySet["Slo"]):
    """Reads that more than one caller needs."""

    def visible_to(self, actor: Actor) -> "SloQuerySet":
        """Keep the objectives of live models in the actor's teams."""
        rows = self.filter(model__team__in=actor.teams(), model__archived_at__isnull=True)
        return rows.select_related("model__team", "created_by")

    def watched(self) -> "SloQuerySet":
        """Keep those of models that are live and not retired."""
        rows = self.filter(model__archived_at__isnull=True, model__retired_at__isnull=True)
        return rows.select_related("model__team")


class Slo(models.Model):
    """A promise about a model's answers over a window. What counts as good depends on its kind.

    Events are requests, or predictions with a label (``occurrences``), or spans of time (``timeslices``): a slice is good if its
    SLI meets ``slice_target``, and neither good nor bad where nothing was counted in it.
    """

    class Kind(models.TextChoices):
        AVAILABILITY = "availability", "Availability"
        LATENCY = "latency", "Latency"
        QUALITY = "quality", "Quality"
        FRESHNESS = "freshness", "Freshness"
        COST = "cost", "Cost"

    class Budgeting(models.TextChoices):
        OCCURRENCES = "occurrences", "Occurrences"
        TIMESLICES = "timeslices", "Time slices"

    class Unit(models.TextChoices):
        DAY = "day", "Day"
        WEEK = "week", "Week"
        MONTH = "month", "Month"
        QUARTER = "quarter", "Quarter"

    class Holds(models.TextChoices):
        INSTANT = "instant", "An instant"
        AGE = "age", "An age in seconds"

    model = models.ForeignKey(RegisteredModel, models.PROTECT, related_name="slos")
    name = models.SlugField(max_length=63, help_text="unique within the model")
    description = models.TextField(blank=True)
    kind = models.CharField(max_length=12, choices=Kind)
    objective = models.DecimalField(max_digits=6, decimal_places=5, help_text="promised good share, such as 0.999")
    window_days = models.PositiveSmallIntegerField(null=True, default=30, help_text="of a rolling window")
    calendar = models.CharField(max_length=7, choices=Unit, blank=True, help_text="empty: the window is rolling")
    time_zone = models.CharField(max_length=50, default="UTC", help_text="whose calendar; IANA name")
    budgeting = models.CharField(max_length=11, choices=Budgeting, default=Budgeting.OCCURRENCES)
    slice_s = models.PositiveIntegerField(null=True, help_text="length of a time slice, or of a span of quality")
    slice_target = models.FloatField(null=True, help_text="the SLI from which on a slice is good")
    threshold_us = models.PositiveIntegerField(null=True, help_text="latency that still counts as good; an edge")
    metric = models.CharField(max_length=60, blank=True, help_text="quality: an evaluation metric")
    maturity_s = models.PositiveIntegerField(null=True, help_text="quality: by when labels have come")
    min_coverage = models.FloatField(null=True, help_text="quality: share of predictions that need a label")
    column = models.CharField(max_length=255, blank=True, help_text="freshness: the input that tells")
    column_holds = models.CharField(max_length=7, choices=Holds, blank=True)
    max_age_s = models.PositiveIntegerField(null=True, help_text="freshness: older values are stale")
    input_slice = models.JSONField(default=dict, help_text="{input column: value} of the requests it is about")
    standing = models.CharField(
        max_length=10, default="no data", help_text="as last looked at; see monitoring.slo.arithmetic"
    )
    counted_since = models.DateTimeField(db_default=Now(), help_text="when what is counted last changed")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = SloQuerySet.as_manager()

    class Meta:
        ordering = ["model__name", "kind", "threshold_us", "id"]
        constraints = [
            models.UniqueConstraint(fields=["model", "name"], name="slo_name_unique_per_model"),
            models.CheckConstraint(condition=Q(objective__gt=0, objective__lt=1), name="slo_objective_is_a_share"),
            models.CheckConstraint(
                condition=Q(calendar="", window_days__isnull=False) | (~Q(calendar="") & Q(window_days__isnull=True)),
                name="slo_window_is_rolling_or_the_calendars",
            ),
            models.CheckConstraint(
                condition=Q(budgeting="occurrences", slice_target__isnull=True)
                | Q(budgeting="timeslices", slice_s__isnull=False, slice_target__isnull=False),
                name="slo_slices_have_length_and_target",
            ),
            models.CheckConstraint(
                condition=(Q(kind="latency") & Q(threshold_us__isnull=False))
                | (~Q(kind="latency") & Q(threshold_us__isnull=True)),
                name="slo_latency_has_a_threshold",
            ),
            models.CheckConstraint(
                condition=(~Q(metric="") & Q(kind="quality", slice_s__isnull=False, maturity_s__isnull=False))
                | (Q(metric="") & ~Q(kind="quality")),
                name="slo_quality_has_a_metric",
            ),
            models.CheckConstraint(
                condition=(~Q(column="") & ~Q(column_holds="") & Q(kind="freshness", max_age_s__isnull=False))
                | (Q(column="") & ~Q(kind="freshness")),
                name="slo_freshness_has_a_column",
            ),
            models.CheckConstraint(
                condition=~Q(kind="cost") | Q(budgeting="timeslices"), name="slo_cost_is_judged_by_slices"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.model.name}"

    @property
    def path(self) -> str:
        """Path of the objective's page."""
        return f"/slos/{self.pk}/"

    @property
    def threshold_ms(self) -> float | None:
        """The latency threshold in milliseconds."""
        return None if self.threshold_us is None else self.threshold_us / 1000

    @property
    def metric_words(self) -> str:
        """The metric of quality as people read it."""
        return metric_label(self.metric)

    @property
    def by_slices(self) -> bool:
        """Whether its budget is one of time slices, else one of events."""
        return self.budgeting == self.Budgeting.TIMESLICES

    @property
    def is_plain(self) -> bool:
        """Whether telemetry of all requests tells it: then what was counted before it was set counts too."""
        return self.kind in (self.Kind.AVAILABILITY, self.Kind.LATENCY) and not self.input_slice

    def window(self, now: datetime) -> Window:
        """Return the window that it is measured over now."""
        if self.calendar:
            return calendar(self.calendar, zone=self.time_zone, now=now)
        assert self.window_days is not None  # noqa: S101  a constraint
        return rolling(self.window_days, now=now, zone=self.time_zone)


class SloCount(models.Model):
    """What was counted for one objective of one version in one arm, in five minutes: integers that add up.

    After ten days the rows of an hour are joined into its first one, unless the objective asks for shorter slices.
    """

    slo = models.ForeignKey(Slo, models.CASCADE, related_name="counts")
    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="+")
    arm = models.CharField(max_length=20)
    started_at = models.DateTimeField(help_text="a multiple of five minutes")
    total = models.BigIntegerField(default=0, help_text="requests that count")
    bad = models.BigIntegerField(default=0, help_text="those that are not good")
    rows = models.BigIntegerField(default=0, help_text="cost: predictions made")
    busy_us = models.BigIntegerField(default=0, help_text="cost: time that requests took in the gateway")

    class Meta:
        indexes = [models.Index(fields=["started_at"], name="slo_count_age")]
        constraints = [
            models.UniqueConstraint(fields=["slo", "started_at", "version", "arm"], name="slo_count_key"),
            models.CheckConstraint(condition=Q(bad__lte=F("total")), name="slo_bad_are_of_total"),
        ]

    def __str__(self) -> str:
        return f"slo {self.slo_id} from {self.started_at:%Y-%m-%d %H:%M}: {self.bad} of {self.total}"


class SloSpan(models.Model):
    """What was last stated of one span of predictions for an objective on quality."""

    class State(models.TextChoices):
        PROVISIONAL = "provisional", "Provisional"
        FINAL = "final", "Final"

    slo = models.ForeignKey(Slo, models.CASCADE, related_name="spans")
    started_at = models.DateTimeField(help_text="when its predictions began to be made")
    state = models.CharField(max_length=11, choices=State)
    bad = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0, help_text="0: no data, see why")
    value = models.FloatField(null=True, help_text="the metric")
    labelled = models.BigIntegerField(default=0)
    predictions = models.BigIntegerField(default=0)
    why = models.CharField(max_length=200, blank=True, help_text="why there is no data")
    stated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["slo", "started_at"], name="slo_span_key"),
            models.CheckConstraint(condition=Q(bad__lte=F("total")), name="span_bad_are_of_total"),
        ]

    def __str__(self) -> str:
        return f"slo {self.slo_id} from {self.started_at:%Y-%m-%d %H:%M}: {self.bad} of {self.total}, {self.state}"


class ModelPrice(models.Model):
    """What a model, or one version of it, costs from an instant on. Rows are only ever added."""

    model = models.ForeignKey(RegisteredModel, models.PROTECT, related_name="prices")
    version = models.ForeignKey(ModelVersion, models.PROTECT, null=True, related_name="+", help_text="null: all others")
    per_1000 = models.DecimalField(max_digits=12, decimal_places=6, default=Decimal(0), help_text="predictions")
    per_cpu_hour = models.DecimalField(max_digits=12, decimal_places=6, default=Decimal(0))
    currency = models.CharField(max_length=3, help_text="ISO 4217")
    starts_at = models.DateTimeField()
    reason = models.TextField()
    declared_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    declared_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-starts_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(per_1000__gte=0, per_cpu_hour__gte=0) & (Q(per_1000__gt=0) | Q(per_cpu_hour__gt=0)),
                name="price_is_one",
            )
        ]

    def __str__(self) -> str:
        return f"price of {self.version or self.model} from {self.starts_at:%Y-%m-%d}"


SLICES = {300: "5 minutes", 900: "15 minutes", 3600: "1 hour", 86_400: "1 day"}
FIVE_MINUTES = timedelta(minutes=5)
