"""Service level objectives."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from registry.access import Actor
from registry.models import RegisteredModel


class SloQuerySet(models.QuerySet["Slo"]):
    """Reads that more than one caller needs."""

    def visible_to(self, actor: Actor) -> "SloQuerySet":
        """Keep the objectives of live models in the actor's teams."""
        rows = self.filter(model__team__in=actor.teams(), model__archived_at__isnull=True)
        return rows.select_related("model__team", "created_by")


class Slo(models.Model):
    """A promise about a model's answers over a rolling window."""

    class Kind(models.TextChoices):
        AVAILABILITY = "availability", "Availability"
        LATENCY = "latency", "Latency"

    model = models.ForeignKey(RegisteredModel, models.PROTECT, related_name="slos")
    kind = models.CharField(max_length=12, choices=Kind)
    objective = models.DecimalField(max_digits=6, decimal_places=5, help_text="promised good share, such as 0.999")
    window_days = models.PositiveSmallIntegerField(default=30)
    threshold_us = models.PositiveIntegerField(null=True, help_text="latency that still counts as good; an edge")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = SloQuerySet.as_manager()

    class Meta:
        ordering = ["model__name", "kind", "threshold_us", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["model", "kind", "threshold_us", "window_days"], nulls_distinct=False, name="slo_said_once"
            ),
            models.CheckConstraint(condition=Q(objective__gt=0, objective__lt=1), name="slo_objective_is_a_share"),
            models.CheckConstraint(
                condition=Q(kind="latency", threshold_us__isnull=False)
                | Q(kind="availability", threshold_us__isnull=True),
                name="slo_latency_has_a_threshold",
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
