"""Saved views: a list page's filters and order under a name."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from registry.models.teams import Team


class ListPage(models.TextChoices):
    """The list pages whose filters can be saved; the values are names of addresses, some of them of higher apps."""

    MODELS = "models", "Models"
    PROMOTIONS = "promotions", "Promotions"
    RUNS = "runs", "Runs"
    DATA_SETS = "datasets", "Data sets"
    JOBS = "jobs", "Jobs"
    ALERTS = "alerts", "Alerts"
    DRIFT = "drift", "Drift"
    SLOS = "slos", "SLOs"
    AUDIT = "audit", "Audit"
    PROMPTS = "prompts", "Prompts"
    WEBHOOKS = "webhooks", "Webhooks"


class SavedView(models.Model):
    """The filters and the order of one list page, kept by one person, or by a team for all its members."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", help_text="who saved it")
    team = models.ForeignKey(
        Team, models.CASCADE, null=True, blank=True, related_name="saved_views", help_text="null: the owner's alone"
    )
    page = models.CharField(max_length=20, choices=ListPage)
    name = models.CharField(max_length=80)
    query = models.CharField(max_length=1000, help_text="of the address, without the place in the list")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["team", "page", "name"], condition=Q(team__isnull=False), name="saved_view_once_per_team"
            ),
            models.UniqueConstraint(
                fields=["owner", "page", "name"], condition=Q(team__isnull=True), name="saved_view_once_per_person"
            ),
            models.CheckConstraint(condition=~Q(name="") & ~Q(query=""), name="saved_view_says_something"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def path(self) -> str:
        """The address that opens it, which is also its subject in the audit trail."""
        return f"/views/{self.pk}/"
