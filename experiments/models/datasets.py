"""Data sets and their numbered, immutable versions."""

from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth.models import User
from django.db import models

from experiments.rows.roles import BINARY, TARGET_KINDS
from registry.models import Team

if TYPE_CHECKING:
    from experiments.models.contracts import DataContract


HELD_OUT = "held_out"


class DatasetQuerySet(models.QuerySet["Dataset"]):
    """Reads that more than one caller needs."""

    def visible_to(self, user: User) -> "DatasetQuerySet":
        """Keep the data sets of the user's teams."""
        return self.filter(team__memberships__user=user)


class Dataset(models.Model):
    """A named collection of rows of one team; the rows lie in its numbered versions."""

    team = models.ForeignKey(Team, models.PROTECT, related_name="datasets")
    name = models.SlugField(max_length=100, unique=True, help_text="unique among all teams: it is in the address")
    description = models.TextField(blank=True)
    last_number = models.PositiveIntegerField(default=0, help_text="the highest version number ever given")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = DatasetQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def path(self) -> str:
        """Path of the data set's page, which also names it in the audit trail."""
        return f"/datasets/{self.name}/"

    def contract_in_force(self) -> "DataContract | None":
        """Return the contract that rows are held to; None: the standard rules alone."""
        return self.contracts.first()


class DatasetVersion(models.Model):
    """Immutable rows with their digest; ``number`` counts up from 1 within the data set."""

    dataset = models.ForeignKey(Dataset, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    digest = models.CharField(max_length=71, help_text="sha256:<64 hex digits> over the content, not the file")
    file = models.CharField(max_length=300, help_text="Parquet, relative to the data root")
    rows = models.PositiveBigIntegerField()
    columns = models.JSONField(
        help_text="[{name, type, role, meaning}], in order; role: target, time, key, feature, query, document, series, entity, split or ignored"
    )
    time_column = models.CharField(max_length=100, blank=True, help_text="empty: the rows have no time")
    target = models.CharField(max_length=100)
    target_kind = models.CharField(max_length=10, default=BINARY, choices=list(TARGET_KINDS.items()))
    key = models.CharField(max_length=100, help_text="column that names a row")
    starts_at = models.DateTimeField(null=True)
    ends_at = models.DateTimeField(null=True)
    splits = models.JSONField(
        help_text="{name: {rows, from, until, column, positives | counts | min, max, mean}}; until is exclusive, UTC; "
        "column: names the split of each row, else time does"
    )
    split_policy = models.JSONField(default=dict, help_text="{kind, column, cuts, shares, seed}; empty: by time")
    profile = models.JSONField(help_text="{column: {nulls, distinct, …}}")
    checks = models.JSONField(
        help_text="[{name, passed, detail, severity}]: what the rules found when it was made; without severity: blocking"
    )
    source = models.TextField(help_text="where the rows come from and on what terms")
    frozen = models.BooleanField(default=False, help_text="cut out of what goes on growing; never changed or deleted")
    query = models.JSONField(
        default=dict,
        help_text="what was asked for: window, predicate, versions of tables; file and its digest; watermark",
    )
    parent = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="children")
    made_from = models.ForeignKey(
        "experiments.DatasetSource",
        models.PROTECT,
        null=True,
        related_name="versions",
        help_text="null: a builder, or frozen",
    )
    job = models.ForeignKey("jobs.Job", models.PROTECT, null=True, related_name="+", help_text="that built it")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["dataset", "number"], name="dataset_version_number_unique"),
            models.UniqueConstraint(fields=["dataset", "digest"], name="dataset_version_content_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.dataset.name} v{self.number}"

    @property
    def path(self) -> str:
        """Path of the version's page, which also names it in the audit trail."""
        return f"{self.dataset.path}versions/{self.number}/"

    @property
    def parquet(self) -> Path:
        """Where its rows lie."""
        return settings.DATA_ROOT / self.file

    @property
    def is_golden(self) -> bool:
        """Whether it was confirmed to be golden: measured on, and never trained on."""
        mark = getattr(self, "golden", None)
        return mark is not None and mark.confirmed_by_id is not None

    @property
    def measured_split(self) -> str | None:
        """The split whose rows models are measured on: as its golden mark says, else what is held out; empty: all rows; None: there is none."""
        if self.is_golden:
            return str(self.golden.split)
        return HELD_OUT if HELD_OUT in self.splits else None

    @property
    def failed_checks(self) -> list[str]:
        """Names of the blocking checks that failed; data with any are not trained on."""
        return [check["name"] for check in self.checks if not check["passed"] and check.get("severity") != "advisory"]

    @property
    def noted_checks(self) -> list[str]:
        """Names of the advisory checks that failed."""
        return [check["name"] for check in self.checks if not check["passed"] and check.get("severity") == "advisory"]

    @property
    def split_kind(self) -> str:
        """How its rows were split, of ``experiments.rows.splitting.POLICIES``."""
        return str(self.split_policy.get("kind", "time"))

    def features(self) -> list[str]:
        """Return the names of the columns a model may see, in order."""
        return [column["name"] for column in self.columns if column["role"] == "feature"]

    def column_in(self, role: str) -> str | None:
        """Return the column that has a role of its own, if one has: ``query``, ``series`` or ``entity``.

        Rows of one query are ranked together, rows of one series follow each other in time, and rows of one entity are
        not independent of each other.
        """
        return next((column["name"] for column in self.columns if column["role"] == role), None)

    def roles(self) -> dict[str, str]:
        """Return, by role, the column that has it: ``key``, and of ``time``, ``query``, ``document``, ``series`` and ``entity`` those there are."""
        found = {role: self.column_in(role) for role in ("query", "document", "series", "entity")}
        return {role: name for role, name in ({"time": self.time_column, "key": self.key} | found).items() if name}

    def categorical(self) -> list[str]:
        """Return the names of the features that hold categories."""
        return [c["name"] for c in self.columns if c["role"] == "feature" and c["type"] == "string"]
