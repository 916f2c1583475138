"""What the registry remembers. Rules that SQL can say are repeated here as constraints and in migrations as triggers."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from django.conf import settings
from django.contrib.auth.models import User
from django.db import models
from django.db.models import F, Q

from registry.criteria import metric_label
from registry.states import PromotionState

DIGEST_HELP = "sha256:<64 hex digits>"
SERVABLE_FORMATS = ("lightgbm", "skops")


class Role(models.TextChoices):
    """What a person may do in one team. Admin confers no right to approve."""

    VIEWER = "viewer", "Viewer"
    ENGINEER = "engineer", "Engineer"
    PRODUCT = "product", "Product"
    APPROVER = "approver", "Approver"
    ADMIN = "admin", "Admin"


class Team(models.Model):
    """Owner of models, data sets and jobs. Every object belongs to one."""

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=100)
    governed = models.BooleanField(default=True, help_text="guarded aliases move by promotion or rollback alone")
    guarded_aliases = models.JSONField(default=list, help_text="beside champion, which a governed team always guards")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name

    def guards(self, alias: str) -> bool:
        """Tell whether ``alias`` moves only by a promotion or rollback here."""
        return self.governed and (alias == "champion" or alias in self.guarded_aliases)


class Membership(models.Model):
    """One person's one role in one team."""

    team = models.ForeignKey(Team, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "user"], name="one_role_per_team")]

    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.team}"


class ApiToken(models.Model):
    """A bearer token: one user, one team, some scopes. Only its digest is kept."""

    class Scope(models.TextChoices):
        READ = "read", "Read"
        WRITE = "write", "Write"
        DECIDE = "decide", "Decide on promotions and criteria"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_tokens")
    team = models.ForeignKey(Team, models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=12, help_text="the first characters, to tell tokens apart")
    digest = models.CharField(max_length=71, unique=True, help_text=DIGEST_HELP)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.prefix}… of {self.user}"


class LoginFailure(models.Model):
    """Failed log-ins in a row for one name, whether or not such a user exists (T35)."""

    username = models.CharField(max_length=150, unique=True)
    count = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField()
    locked_until = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.count} failures for {self.username}"


class Task(models.TextChoices):
    """The families of models."""

    CLASSIFICATION = "classification", "Classification"
    ANOMALY = "anomaly", "Anomaly detection"
    RANKING = "ranking", "Ranking"
    FORECASTING = "forecasting", "Forecasting"
    RETRIEVAL = "retrieval", "Retrieval"
    REGRESSION = "regression", "Regression"


class ModelQuerySet(models.QuerySet["RegisteredModel"]):
    """Reads that more than one caller needs."""

    def live(self) -> "ModelQuerySet":
        """Keep the models that are not archived."""
        return self.filter(archived_at__isnull=True)

    def visible_to(self, user: User) -> "ModelQuerySet":
        """Keep the models of the user's teams."""
        return self.filter(team__memberships__user=user)


class RegisteredModel(models.Model):
    """A named model of one team. A live name is unique; identity is the id, so a reused name inherits no history."""

    team = models.ForeignKey(Team, models.PROTECT, related_name="models")
    name = models.CharField(max_length=256)
    task = models.CharField(max_length=20, choices=Task, default=Task.CLASSIFICATION)
    risk_tier = models.PositiveSmallIntegerField(default=2, help_text="1 is the highest risk, 3 the lowest")
    purpose = models.TextField(blank=True, help_text="what decision it serves, in plain words")
    description = models.TextField(blank=True)
    revalidate_by = models.DateField(null=True, blank=True)
    last_number = models.PositiveIntegerField(default=0, help_text="the highest version number ever given")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    archived_at = models.DateTimeField(null=True, blank=True)

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
        return f"/models/{quote(self.name, safe='')}/"


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
    format = models.CharField(max_length=20, blank=True, help_text="lightgbm, skops or another; empty while unread")
    signature = models.JSONField(default=dict, help_text="{inputs: [{name, type, required}], outputs: […]}")
    refusal = models.TextField(blank=True, help_text="why the artifact was refused or cannot be served")
    data_digest = models.CharField(max_length=71, blank=True, help_text="of the training data set version")
    job = models.ForeignKey("jobs.Job", models.PROTECT, null=True, related_name="+", help_text="that trained it")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    contributors = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="+", help_text="who helped to make it")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["model", "number"], name="version_number_unique_per_model"),
            models.CheckConstraint(
                condition=~Q(artifact_state="verified") | Q(artifact_digest__startswith="sha256:"),
                name="verified_version_has_a_digest",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model.name} v{self.number}"

    @property
    def path(self) -> str:
        """The address of its page, which is also its subject in the audit trail."""
        return f"{self.model.path}versions/{self.number}/"

    @property
    def is_servable(self) -> bool:
        """Whether the gateway may load it: its files are verified and of a format on the allow-list."""
        return self.artifact_state == ArtifactState.VERIFIED and self.format in SERVABLE_FORMATS


class ModelTag(models.Model):
    """A key and value on a model, as MLflow's clients set them."""

    model = models.ForeignKey(RegisteredModel, models.CASCADE, related_name="tags")
    key = models.CharField(max_length=250)
    value = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model", "key"], name="model_tag_key_unique")]

    def __str__(self) -> str:
        return f"{self.key}={self.value}"


class VersionTag(models.Model):
    """A key and value on a version, as MLflow's clients set them."""

    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="tags")
    key = models.CharField(max_length=250)
    value = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "key"], name="version_tag_key_unique")]

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


class CriteriaSet(models.Model):
    """Numbered acceptance criteria of a model. Drafted by one person, agreed by another; a change is a new set."""

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        AGREED = "agreed", "Agreed"
        SUPERSEDED = "superseded", "Superseded"

    model = models.ForeignKey(RegisteredModel, models.PROTECT, related_name="criteria_sets")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT)
    digest = models.CharField(max_length=71, help_text=f"{DIGEST_HELP} over its criteria")
    drafted_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    drafted_at = models.DateTimeField(auto_now_add=True)
    agreed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    agreed_at = models.DateTimeField(null=True, blank=True)
    note = models.TextField(blank=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["model", "number"], name="criteria_set_number_unique"),
            models.UniqueConstraint(fields=["model"], condition=Q(state="agreed"), name="one_agreed_criteria_set"),
            models.CheckConstraint(
                condition=Q(agreed_by__isnull=True) | ~Q(agreed_by=F("drafted_by")), name="drafter_cannot_agree"
            ),
            models.CheckConstraint(
                condition=Q(state="draft") | Q(agreed_by__isnull=False), name="agreed_set_names_who_agreed"
            ),
        ]

    def __str__(self) -> str:
        return f"criteria set {self.number} of {self.model.name}"


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


class Evidence(models.Model):
    """One measured value: of what, on which data, by which job, and what it is evidence of. Never changed."""

    class Kind(models.TextChoices):
        OFFLINE = "offline", "Offline evaluation"
        SHADOW = "shadow", "Shadow"
        CANARY = "canary", "Canary"
        SCAN = "scan", "Scan"
        SIGNATURE = "signature", "Digital signature"
        DOCUMENT = "document", "Document"

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
    job = models.ForeignKey("jobs.Job", models.PROTECT, null=True, related_name="+")
    measured_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["version", "metric", "-id"], name="evidence_latest")]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "metric", "data_digest", "data_slice", "against", "job"],
                name="evidence_once_per_job",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"E-{self.pk}"


@dataclass(frozen=True)
class Binding:
    """What an approval is bound to; if one of the three changes, the approval lapses."""

    artifact: str
    criteria: str
    evidence: tuple[int, ...]

    @property
    def digest(self) -> str:
        """Return ``sha256:…`` over the three."""
        text = json.dumps([self.artifact, self.criteria, list(self.evidence)], separators=(",", ":"))
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


class PromotionPolicy(models.Model):
    """How many approvals a risk tier asks for; ``required`` maps a role to a count."""

    risk_tier = models.PositiveSmallIntegerField(unique=True)
    required = models.JSONField(help_text='such as {"approver": 2}')
    rollback_review_hours = models.PositiveIntegerField(default=24)

    def __str__(self) -> str:
        return f"policy of tier {self.risk_tier}"


class Promotion(models.Model):
    """Asks that a version take an alias; bound to one artifact and one criteria set."""

    model = models.ForeignKey(RegisteredModel, models.PROTECT, related_name="promotions")
    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="promotions")
    alias = models.CharField(max_length=100, default="champion")
    replaces = models.ForeignKey(ModelVersion, models.PROTECT, null=True, blank=True, related_name="+")
    criteria_set = models.ForeignKey(CriteriaSet, models.PROTECT, related_name="promotions")
    state = models.CharField(
        max_length=12, choices=[(s.value, s.value.replace("_", " ")) for s in PromotionState], default="requested"
    )
    description = models.TextField(blank=True)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(auto_now_add=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["model", "alias"],
                condition=Q(state__in=["requested", "approved", "rolling_out"]),
                name="one_open_promotion_per_alias",
            )
        ]

    def __str__(self) -> str:
        return f"promotion {self.pk}"

    @property
    def path(self) -> str:
        """The address of its page, which is also its subject in the audit trail."""
        return f"/promotions/{self.pk}/"


class Approval(models.Model):
    """One person's decision on a promotion, bound to what that person was shown. Rows are only ever added."""

    class Decision(models.TextChoices):
        APPROVE = "approve", "Approved"
        REJECT = "reject", "Rejected"

    promotion = models.ForeignKey(Promotion, models.PROTECT, related_name="approvals")
    approver = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    role = models.CharField(max_length=10, choices=Role)
    decision = models.CharField(max_length=10, choices=Decision)
    reason = models.TextField()
    binding = models.JSONField(help_text="{artifact, criteria, evidence}")
    binding_digest = models.CharField(max_length=71, help_text=DIGEST_HELP)
    decided_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["promotion", "approver", "binding_digest"], name="one_decision_per_person_and_binding"
            )
        ]

    def __str__(self) -> str:
        return f"{self.decision} by {self.approver} on promotion {self.promotion_id}"


class Comment(models.Model):
    """A remark on a promotion's timeline."""

    promotion = models.ForeignKey(Promotion, models.PROTECT, related_name="comments")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    body = models.TextField()
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"comment {self.pk}"


class Rollback(models.Model):
    """A return of an alias to a version that held it before, done by one person and reviewed by another afterwards."""

    model = models.ForeignKey(RegisteredModel, models.PROTECT, related_name="rollbacks")
    alias = models.CharField(max_length=100, default="champion")
    from_version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="+")
    to_version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="+")
    reason = models.TextField()
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(auto_now_add=True)
    review_due_at = models.DateTimeField()
    reviewed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    reviewed_at = models.DateTimeField(null=True, blank=True)
    review_note = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(reviewed_by__isnull=True) | ~Q(reviewed_by=F("requested_by")),
                name="rollback_reviewed_by_another",
            )
        ]

    def __str__(self) -> str:
        return f"rollback {self.pk}"


class Alias(models.Model):
    """A name that points at a version; a guarded one names the promotion or rollback that moved it."""

    model = models.ForeignKey(RegisteredModel, models.CASCADE, related_name="aliases")
    name = models.CharField(max_length=255)
    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="aliases")
    promotion = models.ForeignKey(Promotion, models.PROTECT, null=True, blank=True, related_name="+")
    rollback = models.ForeignKey(Rollback, models.PROTECT, null=True, blank=True, related_name="+")
    set_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    set_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["model", "name"], name="alias_unique_per_model")]

    def __str__(self) -> str:
        return f"{self.model.name}@{self.name}"


class AliasMove(models.Model):
    """The history of an alias; written by a trigger on ``Alias`` alone."""

    model = models.ForeignKey(RegisteredModel, models.CASCADE, related_name="alias_moves")
    name = models.CharField(max_length=255)
    version = models.ForeignKey(ModelVersion, models.PROTECT, null=True, related_name="+", help_text="null: removed")
    promotion = models.ForeignKey(Promotion, models.PROTECT, null=True, related_name="+")
    rollback = models.ForeignKey(Rollback, models.PROTECT, null=True, related_name="+")
    set_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["model", "name", "-id"], name="alias_history")]

    def __str__(self) -> str:
        return f"{self.name} moved at {self.at}"


def _flat(value: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from _flat(inner, f"{prefix}{name}.")
        elif inner not in (None, "", []):
            yield f"{prefix}{name}", ", ".join(map(str, inner)) if isinstance(inner, list) else inner


class AuditEvent(models.Model):
    """One line of the append-only, hash-chained trail; sequence, time and hashes are set by a trigger."""

    seq = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    actor = models.CharField(max_length=150, help_text="user name, or a process such as gateway")
    actor_id = models.BigIntegerField(null=True)
    via = models.CharField(max_length=40, help_text="session, token:<prefix>, job:<id> or process")
    team = models.CharField(max_length=50, blank=True, help_text="slug")
    action = models.CharField(max_length=100)
    subject = models.CharField(max_length=300)
    payload = models.JSONField(default=dict, help_text="{before, after, reason, …}")
    prev_hash = models.BinaryField(max_length=32)
    hash = models.BinaryField(max_length=32)

    class Meta:
        ordering = ["-seq"]
        indexes = [
            models.Index(fields=["team", "-seq"], name="audit_by_team"),
            models.Index(fields=["subject", "-seq"], name="audit_by_subject"),
            models.Index(fields=["action", "-seq"], name="audit_by_action"),
        ]

    def __str__(self) -> str:
        return f"#{self.seq} {self.action}"

    @property
    def details(self) -> list[tuple[str, object]]:
        """What the payload says, flat: (name, value), with nested names joined by a dot and nothings left out."""
        return list(_flat(self.payload))

    @property
    def hash_hex(self) -> str:
        """The event's hash as people compare it."""
        return bytes(self.hash).hex()


class AuditCheck(models.Model):
    """One walk along the audit chain: up to where, and what was found."""

    at = models.DateTimeField(auto_now_add=True)
    seq = models.BigIntegerField(help_text="the last event walked")
    broken_at = models.BigIntegerField(null=True, help_text="the first broken event; null where the chain is whole")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"chain to {self.seq}: {'whole' if self.broken_at is None else f'broken at {self.broken_at}'}"


class IdempotencyKey(models.Model):
    """The answer given to a POST that carried an Idempotency-Key, so that a repeat gets the same one (T33, T34)."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    request_digest = models.CharField(max_length=71)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="idempotency_key_once")]

    def __str__(self) -> str:
        return self.key
