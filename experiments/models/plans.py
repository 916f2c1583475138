"""What a team declares about measuring a model."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from experiments.suites.plan import Plan, read_plan
from registry.models import RegisteredModel


class EvaluationPlan(models.Model):
    """One numbered plan of a model's measuring. Rows are only ever added; the highest number is in force."""

    model = models.ForeignKey(RegisteredModel, models.PROTECT, related_name="evaluation_plans")
    number = models.PositiveIntegerField()
    document = models.JSONField(help_text="as experiments.suites.Plan; what is as usual is left out")
    reason = models.TextField(help_text="why it was changed")
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    made_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["model", "number"], name="evaluation_plan_number_unique"),
            models.CheckConstraint(condition=~Q(reason=""), name="evaluation_plan_says_why"),
        ]

    def __str__(self) -> str:
        return f"evaluation plan {self.number} of {self.model.name}"

    @property
    def plan(self) -> Plan:
        """What it declares."""
        return read_plan(self.document)


def plan_in_force(model: RegisteredModel) -> EvaluationPlan | None:
    """Return the plan that versions of ``model`` are measured by; None: as is usual."""
    return EvaluationPlan.objects.filter(model=model).first()
