"""Teams, memberships and tokens."""

from django.conf import settings
from django.db import models

from registry.models.fields import DIGEST_HELP


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

    @property
    def path(self) -> str:
        """The address of its page, which is also its subject in the audit trail."""
        return f"/settings/teams/{self.slug}/"

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
        PREDICT = "predict", "Ask the gateway for predictions"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_tokens")
    team = models.ForeignKey(Team, models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=12, help_text="the first characters, to tell tokens apart")
    digest = models.CharField(max_length=71, unique=True, help_text=DIGEST_HELP)
    scopes = models.JSONField(default=list)
    only_models = models.ManyToManyField(
        "registry.RegisteredModel",
        blank=True,
        help_text="what it may call with the scope predict; none: all of its team",
    )
    requests_per_s = models.FloatField(null=True, blank=True, help_text="at the gateway; null: as the gateway allows")
    burst = models.PositiveIntegerField(null=True, blank=True, help_text="requests at once after a pause")
    in_flight = models.PositiveIntegerField(null=True, blank=True, help_text="requests at the same time")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    role: str = ""  # of the person in the team, where the token was found by its secret

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
