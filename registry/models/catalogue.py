"""Registered models and their versions."""

from urllib.parse import quote

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.postgres.indexes import HashIndex
from django.db import models
from django.db.models import Q

from registry.models.fields import DIGEST_HELP
from registry.models.teams import Team
from serving.contract import FORMATS


class Task(models.TextChoices):
    """The families of models."""

    CLASSIFICATION = "classification", "Classification"
    ANOMALY = "anomaly", "Anomaly detection"
    RANKING = "ranking", "Ranking"
    FORECASTING = "forecasting", "Forecasting"
    RETRIEVAL = "retrieval", "Retrieval"
    REGRESSION = "regression", "Regression"


class RevalidationTrigger(models.TextChoices):
    """What is noticed by itself and may bring a model's re-validation forward."""

    DRIFT = "drift", "A drift report finds that the inputs have drifted"
    BUDGET = "budget", "An error budget is spent"
    ROLLBACK = "rollback", "The champion is rolled back"


def drift_alone() -> list[str]:
    """Return the triggers of a model for which nobody chose any."""
    return [RevalidationTrigger.DRIFT.value]


PROMPT_TAG = "mlflow.prompt.is_prompt"  # what makes a registered model a prompt, to MLflow's clients


class ModelQuerySet(models.QuerySet["RegisteredModel"]):
    """Reads that more than one caller needs."""

    def kept(self) -> "ModelQuerySet":
        """Keep what is not archived: models, and the prompts that MLflow's clients keep beside them."""
        return self.filter(archived_at__isnull=True)

    def live(self) -> "ModelQuerySet":
        """Keep the models that are not archived; a prompt is none: nothing evaluates, promotes or serves it."""
        return self.kept().filter(is_prompt=False)

    def prompts(self) -> "ModelQuerySet":
        """Keep the prompts that are not archived."""
        return self.kept().filter(is_prompt=True)

    def visible_to(self, user: User) -> "ModelQuerySet":
        """Keep the models of the user's teams."""
        return self.filter(team__memberships__user=user)

    def hold(self, pk: int) -> "RegisteredModel":
        """Lock a model's row for the rest of the transaction, and return it with its team.

        It is the first row that whatever changes a model locks, so that changes of one model queue here, in one order, and readers
        never see two champions. Rows that refer to the model may be written meanwhile: ``FOR UPDATE`` would make them wait.
        """
        return self.select_for_update(of=("self",), no_key=True).select_related("team").get(pk=pk)


class RegisteredModel(models.Model):
    """A named model of one team. A live name is unique; identity is the id, so a reused name inherits no history."""

    team = models.ForeignKey(Team, models.PROTECT, related_name="models")
    name = models.CharField(max_length=256)
    task = models.CharField(max_length=20, choices=Task, default=Task.CLASSIFICATION)
    risk_tier = models.PositiveSmallIntegerField(default=2, help_text="1 is the highest risk, 3 the lowest")
    purpose = models.TextField(blank=True, help_text="what decision it serves, in plain words")
    description = models.TextField(blank=True)
    revalidate_by = models.DateField(null=True, blank=True)
    is_prompt = models.BooleanField(default=False, editable=False, help_text="a prompt of MLflow's, not a model")
    revalidate_why = models.TextField(blank=True, help_text="what brought the date forward; empty: the calendar")
    revalidation_triggers = models.JSONField(default=drift_alone, help_text="what brings the date forward by itself")
    rolls_out = models.BooleanField(
        default=False, editable=False, help_text="as told: a plan of its own says how versions become champion"
    )
    last_number = models.PositiveIntegerField(default=0, help_text="the highest version number ever given")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    archived_at = models.DateTimeField(null=True, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True, help_text="none of its versions serves again")
    archived_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")

    objects = ModelQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["name"], condition=Q(archived_at__isnull=True), name="live_name_unique"),
            models.CheckConstraint(condition=Q(risk_tier__in=[1, 2, 3]), name="risk_tier_1_to_3"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def path(self) -> str:
        """The address of its page, which is also its subject in the audit trail."""
        return f"/{'prompts' if self.is_prompt else 'models'}/{quote(self.name, safe='')}/"


class ArtifactState(models.TextChoices):
    """What is known of a version's files; only verified ones are evaluated, promoted or served."""

    UNREAD = "unread", "Not read yet"
    VERIFIED = "verified", "Verified"
    REFUSED = "refused", "Refused"


class ModelVersion(models.Model):
    """One immutable artifact of a registered model; ``number`` counts up from 1 within it."""

    model = models.ForeignKey(RegisteredModel, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    source = models.CharField(max_length=2000, help_text="where the artifact lies, as MLflow knows it")
    run_id = models.CharField(max_length=64, blank=True, db_index=True)
    run_link = models.CharField(max_length=2000, blank=True)
    logged_model_id = models.CharField(max_length=64, blank=True, help_text="MLflow's logged model, if any")
    stage = models.CharField(max_length=20, default="None", help_text="MLflow's stage, kept for its clients")
    description = models.TextField(blank=True)
    artifact_state = models.CharField(max_length=10, choices=ArtifactState, default=ArtifactState.UNREAD)
    artifact_digest = models.CharField(max_length=71, blank=True, help_text=DIGEST_HELP)
    artifact_path = models.CharField(max_length=2000, blank=True, help_text="relative to the artifact root")
    manifest = models.JSONField(default=list, help_text="[{path, size, sha256}], sorted by path")
    format = models.CharField(
        max_length=20, blank=True, help_text="one that gateways load, or what else the files are; empty while unread"
    )
    signature = models.JSONField(default=dict, help_text="{inputs: [{name, type, required}], outputs: […]}")
    refusal = models.TextField(blank=True, help_text="why the artifact was refused or cannot be served")
    data_digest = models.CharField(max_length=71, blank=True, help_text="of the training data set version")
    job = models.ForeignKey("jobs.Job", models.PROTECT, null=True, related_name="+", help_text="that trained it")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    contributors = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="+", help_text="who helped to make it")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    archived_at = models.DateTimeField(null=True, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True, help_text="it never serves again")
    archived_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["model", "number"], name="version_number_unique_per_model"),
            models.CheckConstraint(
                condition=~Q(artifact_state="verified") | Q(artifact_digest__startswith="sha256:"),
                name="verified_version_has_a_digest",
            ),
        ]
        indexes = [
            models.Index(fields=["model", "stage", "-number"], name="version_latest_by_stage"),
            models.Index(fields=["artifact_path"], opclasses=["varchar_pattern_ops"], name="version_by_artifact_path"),
            models.Index(fields=["id"], condition=Q(artifact_state="unread"), name="version_unread"),
            models.Index(fields=["-updated_at"], condition=Q(archived_at__isnull=True), name="live_version_by_change"),
        ]

    def __str__(self) -> str:
        return f"{self.model.name} v{self.number}"

    @property
    def path(self) -> str:
        """The address of its page, which is also its subject in the audit trail."""
        return f"{self.model.path}versions/{self.number}/"

    @property
    def is_servable(self) -> bool:
        """Whether the gateway may load it: its files are verified, of a format on the allow-list, and fit its signature."""
        return self.artifact_state == ArtifactState.VERIFIED and self.format in FORMATS and not self.refusal


class ModelTag(models.Model):
    """A key and value on a model, as MLflow's clients set them."""

    model = models.ForeignKey(RegisteredModel, models.CASCADE, related_name="tags")
    key = models.CharField(max_length=250)
    value = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model", "key"], name="model_tag_key_unique")]
        indexes = [HashIndex(fields=["value"], name="model_tag_by_value")]

    def __str__(self) -> str:
        return f"{self.key}={self.value}"


class VersionTag(models.Model):
    """A key and value on a version, as MLflow's clients set them."""

    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="tags")
    key = models.CharField(max_length=250)
    value = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "key"], name="version_tag_key_unique")]
        indexes = [HashIndex(fields=["value"], name="version_tag_by_value")]  # a B-tree refuses long values

    def __str__(self) -> str:
        return f"{self.key}={self.value}"


class ExperimentOwner(models.Model):
    """Which team owns an MLflow experiment; its runs, traces and artifacts inherit it."""

    experiment_id = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=500)
    team = models.ForeignKey(Team, models.PROTECT, related_name="experiments")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name
