"""What was published to gateways, by which credential they ask, and what they would not load."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from registry.models import DIGEST_HELP, ModelVersion


class RoutingTable(models.Model):
    """One published routing table, kept as published: telemetry names the table that was in force by its version."""

    version = models.PositiveBigIntegerField(unique=True, help_text="only grows")
    digest = models.CharField(max_length=71, help_text=f"{DIGEST_HELP} over its routes")
    document = models.JSONField(help_text="as the gateway reads it")
    reason = models.TextField(help_text="what changed, in words")
    published_at = models.DateTimeField()

    class Meta:
        ordering = ["-version"]

    def __str__(self) -> str:
        return f"routing table {self.version}"


class RoutingDue(models.Model):
    """Something that a route is made of changed; written by triggers, and gone in the transaction that composes it anew."""

    model_id = models.BigIntegerField(null=True, help_text="whose route it is; null: of all models")

    def __str__(self) -> str:
        return f"the route of model {self.model_id}"


class PublishedCallers(models.Model):
    """Who may call gateways, as published last: one row. The tokens are the history; see ADR 0010."""

    version = models.PositiveBigIntegerField(help_text="only grows")
    digest = models.CharField(max_length=71, help_text=f"{DIGEST_HELP} over its callers")
    document = models.JSONField(help_text="as the gateway reads it: digests of tokens, never a secret")
    published_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="one_list_of_callers")]

    def __str__(self) -> str:
        return f"callers {self.version}"


class GatewayToken(models.Model):
    """What gateways of another host show to the control plane: of the installation, no person's and no team's."""

    name = models.CharField(max_length=100, help_text="which gateways use it, such as a host")
    prefix = models.CharField(max_length=12, help_text="the first characters, to tell tokens apart")
    digest = models.CharField(max_length=71, unique=True, help_text=DIGEST_HELP)
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["name"], condition=Q(revoked_at__isnull=True), name="one_token_per_name")
        ]

    def __str__(self) -> str:
        return f"{self.prefix}… of {self.name}"

    # What Django and the API ask of whoever makes a request.
    is_authenticated = True
    is_anonymous = False
    is_active = True


class GatewayProcess(models.Model):
    """One gateway process as it last told of itself, alive or gone."""

    token = models.ForeignKey(
        GatewayToken,
        models.PROTECT,
        null=True,
        related_name="processes",
        help_text="whose host told it; null: this host's disk",
    )
    spool_id = models.CharField(max_length=200, help_text="<host>-<process>-<life>")
    state = models.JSONField(help_text="as the gateway tells it")
    first_seen_at = models.DateTimeField(db_default=Now())
    last_seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["spool_id"]
        constraints = [
            models.UniqueConstraint(fields=["token", "spool_id"], nulls_distinct=False, name="one_row_per_gateway")
        ]

    def __str__(self) -> str:
        return self.spool_id


class LoadRefusal(models.Model):
    """A version that a gateway would not load: changed bytes, a format it does not allow, a model that is not sound."""

    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="load_refusals")
    reason = models.TextField()
    noticed_at = models.DateTimeField()
    cleared_at = models.DateTimeField(null=True, help_text="when no gateway reported it any more")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "reason"], condition=Q(cleared_at__isnull=True), name="one_open_load_refusal"
            )
        ]

    def __str__(self) -> str:
        return f"{self.version}: {self.reason}"
