"""Searches for good parameters, and their trials."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse

from experiments.models.datasets import DatasetVersion
from registry.models import ModelVersion, RegisteredModel


class SearchState(models.TextChoices):
    """Where a search stands; only one that runs makes trials."""

    RUNNING = "running", "Running"
    FINISHED = "finished", "Finished"
    CANCELLED = "cancelled", "Cancelled"
    FAILED = "failed", "Failed"


class TrialState(models.TextChoices):
    """Where a trial stands."""

    WAITING = "waiting", "Waiting"
    RUNNING = "running", "Running"
    COMPLETE = "complete", "Complete"
    PRUNED = "pruned", "Pruned"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


UNFINISHED = (TrialState.WAITING, TrialState.RUNNING)


class Search(models.Model):
    """One search: which parameters of a pipeline do best for a model on these rows."""

    class Sampler(models.TextChoices):
        TPE = "tpe", "TPE: from what did well so far"
        RANDOM = "random", "Random"

    class Pruner(models.TextChoices):
        MEDIAN = "median", "Median: stops what does worse than half of the others"
        HYPERBAND = "hyperband", "Hyperband: a third goes on at each rung"
        NONE = "none", "None: every trial ends by itself"

    model = models.ForeignKey(RegisteredModel, models.PROTECT, related_name="searches")
    dataset_version = models.ForeignKey(DatasetVersion, models.PROTECT, related_name="searches")
    pipeline = models.CharField(max_length=50)
    params = models.JSONField(default=dict, help_text="what is not searched; {name: value}")
    space = models.JSONField(help_text="{name: {low, high, log} or {choices}}")
    metric = models.CharField(
        max_length=50, help_text="the objective, on validation rows or folds of the training rows"
    )
    direction = models.CharField(max_length=10, choices=[("maximize", "maximize"), ("minimize", "minimize")])
    sampler = models.CharField(max_length=10, choices=Sampler, default=Sampler.TPE)
    pruner = models.CharField(max_length=10, choices=Pruner, default=Pruner.MEDIAN)
    seed = models.PositiveIntegerField(default=7)
    size = models.PositiveIntegerField(help_text="trials that it may make")
    parallel = models.PositiveIntegerField(help_text="trials that may run at once")
    folds = models.PositiveIntegerField(default=0, help_text="of the training rows; 0: measured on the validation rows")
    time_limit_s = models.PositiveIntegerField(null=True, help_text="no trial begins later than this after the start")
    register_best = models.BooleanField(default=False, help_text="train and register the best once it is found")
    state = models.CharField(max_length=10, choices=SearchState, default=SearchState.RUNNING)
    ended_because = models.CharField(max_length=300, blank=True)
    ended_at = models.DateTimeField(null=True)
    opening = models.OneToOneField("jobs.Job", models.PROTECT, related_name="search_opened")
    closing = models.OneToOneField("jobs.Job", models.PROTECT, null=True, related_name="search_closed")
    run_id = models.CharField(max_length=64, blank=True, help_text="of the run in MLflow above those of the trials")
    experiment_id = models.CharField(max_length=64, blank=True)
    importances = models.JSONField(default=dict, help_text="{parameter: share}, once ten trials are complete")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["id"], name="search_running", condition=Q(state="running"))]
        constraints = [
            models.CheckConstraint(condition=Q(size__gte=1, parallel__gte=1), name="search_makes_trials"),
            models.CheckConstraint(
                condition=Q(state="running") | Q(ended_at__isnull=False), name="search_that_ended_says_when"
            ),
        ]

    def __str__(self) -> str:
        return f"search {self.pk}"

    @property
    def path(self) -> str:
        """Address of the search's page."""
        return reverse("search_page", args=[self.pk])

    @property
    def is_final(self) -> bool:
        """Whether it makes no more trials."""
        return self.state != SearchState.RUNNING

    @property
    def best_first(self) -> str:
        """The order of its complete trials, best first; of equals the earlier."""
        return "-value" if self.direction == "maximize" else "value"


class SearchTrial(models.Model):
    """One try of a search, with parameters of its own; numbered from 0 within it."""

    search = models.ForeignKey(Search, models.PROTECT, related_name="trials")
    number = models.PositiveIntegerField()
    job = models.OneToOneField("jobs.Job", models.PROTECT, related_name="search_trial")
    attempt = models.PositiveIntegerField(default=0, help_text="of the job, whose holder alone may write here")
    state = models.CharField(max_length=10, choices=TrialState, default=TrialState.WAITING)
    params = models.JSONField(
        default=dict, help_text="those that are searched; chosen when it begins, kept when it is tried again"
    )
    value = models.FloatField(null=True, help_text="of the objective")
    curve = models.JSONField(default=list, help_text="[[round, value]]: where it was judged")
    rungs = models.JSONField(default=dict, help_text="where Hyperband has seen it")
    metrics = models.JSONField(default=dict)
    run_id = models.CharField(max_length=64, blank=True)
    training = models.OneToOneField(
        "jobs.Job", models.PROTECT, null=True, related_name="trained_of_trial", help_text="trains a version of it"
    )
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["search", "number"], name="trial_number_unique_per_search"),
            models.CheckConstraint(
                condition=Q(state="complete", value__isnull=False) | (~Q(state="complete") & Q(value__isnull=True)),
                name="trial_is_complete_with_a_value",
            ),
        ]

    def __str__(self) -> str:
        return f"trial {self.number} of search {self.search_id}"

    @property
    def all_params(self) -> dict[str, Any]:
        """All parameters, the searched and the others."""
        return {**self.search.params, **self.params}

    @property
    def version(self) -> ModelVersion | None:
        """The version that was trained of it, once there is one."""
        run = self.runs.select_related("version__model").first()
        return run.version if run else None
