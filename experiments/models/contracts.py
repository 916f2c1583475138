"""What a data set's rows have to be like, and what was found when they were held to it."""

from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from experiments.contracts.document import Contract, read_contract
from experiments.models.datasets import Dataset, DatasetVersion


class DataContractQuerySet(models.QuerySet["DataContract"]):
    """Contracts of data sets."""

    def in_force(self) -> Self:
        """Return the latest one of each data set."""
        return self.order_by("dataset_id", "-number").distinct("dataset_id")


class DataContract(models.Model):
    """One numbered set of rules of a data set. Rows are only ever added; the highest number is in force."""

    dataset = models.ForeignKey(Dataset, models.PROTECT, related_name="contracts")
    number = models.PositiveIntegerField()
    document = models.JSONField(help_text="as experiments.contracts.Contract")
    reason = models.TextField(help_text="why it was changed")
    reference = models.ForeignKey(
        DatasetVersion,
        models.PROTECT,
        null=True,
        related_name="+",
        help_text="the version that its limits were read off",
    )
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    made_at = models.DateTimeField(db_default=Now())

    objects = DataContractQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["dataset", "number"], name="data_contract_number_unique"),
            models.CheckConstraint(condition=~Q(reason=""), name="data_contract_says_why"),
        ]

    def __str__(self) -> str:
        return f"contract {self.number} of {self.dataset.name}"

    @property
    def path(self) -> str:
        """Path of its page."""
        return f"{self.dataset.path}contract/?number={self.number}"

    @property
    def contract(self) -> Contract:
        """Its rules."""
        return read_contract(self.document)


class ContractDraft(models.Model):
    """The next contract of a data set while it is worked on; nothing is held to it before a person accepts it."""

    dataset = models.OneToOneField(Dataset, models.CASCADE, related_name="contract_draft")
    document = models.JSONField(help_text="as experiments.contracts.Contract")
    reference = models.ForeignKey(
        DatasetVersion,
        models.PROTECT,
        null=True,
        related_name="+",
        help_text="the version that its limits were read off",
    )
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    changed_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"draft of a contract of {self.dataset.name}"

    @property
    def contract(self) -> Contract:
        """Its rules."""
        return read_contract(self.document)


class ContractCheck(models.Model):
    """What was found when rows were held to the rules; kept also of rows that became no version."""

    class Occasion(models.TextChoices):
        BUILD = "build", "when it was built"
        FREEZE = "freeze", "when it was frozen"
        ASKED = "asked", "on demand"

    dataset = models.ForeignKey(Dataset, models.PROTECT, related_name="contract_checks")
    version = models.ForeignKey(
        DatasetVersion, models.PROTECT, null=True, related_name="contract_checks", help_text="null: it became none"
    )
    contract = models.ForeignKey(
        DataContract, models.PROTECT, null=True, related_name="checks", help_text="null: the standard rules alone"
    )
    occasion = models.CharField(max_length=10, choices=Occasion)
    digest = models.CharField(max_length=71, help_text="of the rows")
    rows = models.PositiveBigIntegerField()
    broken = models.PositiveIntegerField(help_text="blocking rules that do not hold")
    noted = models.PositiveIntegerField(help_text="advisory rules that do not hold")
    held = models.PositiveIntegerField(help_text="rules that hold")
    results = models.JSONField(help_text="[experiments.contracts.CheckResult], failures first")
    job = models.ForeignKey("jobs.Job", models.PROTECT, null=True, related_name="contract_checks")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"check {self.pk} of {self.version or self.dataset}"

    @property
    def path(self) -> str:
        """Path of its page."""
        return f"{self.dataset.path}checks/{self.pk}/"

    @property
    def failures(self) -> list[dict[str, Any]]:
        """What does not hold, blocking rules first."""
        return [result for result in self.results if not result["passed"]]
