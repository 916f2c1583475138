"""Facts that higher apps hand down: budgets, traffic, data. Each call says the latest; nothing here asks upward."""

from datetime import datetime

from registry.audit_trail import audit, audited
from registry.models import (
    DataSetHead,
    ErrorBudget,
    ModelVersion,
    RegisteredModel,
    RevalidationTrigger,
    Team,
    VersionTraffic,
)
from registry.services.alerts import alert_clear, alert_raise
from registry.services.revalidation import revalidation_trigger


@audited()
def budget_record(
    *, model: RegisteredModel, objective: str, remaining: float | None, at: datetime, link: str = ""
) -> ErrorBudget:
    """Note what is left of an objective's error budget; a spent one raises an alert, a refilled one clears it.

    Args:
        remaining: share left, below 0 where overspent; None without traffic.
        link: path of the objective's page.
    """
    budget, _ = ErrorBudget.objects.update_or_create(
        model=model, objective=objective, defaults={"remaining": remaining, "at": at}
    )
    key = f"budget:{objective}"
    if remaining is not None and remaining <= 0:
        title = f"The error budget of {objective} is spent"
        alert = alert_raise(model=model, kind="budget", key=key, title=title, link=link, process="monitoring")
        revalidation_trigger(
            model=model, trigger=RevalidationTrigger.BUDGET, why=f"{title}.", since=alert.raised_at,
            process="monitoring",
        )  # fmt: skip
    else:
        alert_clear(model=model, key=key, process="monitoring")
    return budget


@audited()
def budgets_keep(*, model: RegisteredModel, objectives: list[str]) -> None:
    """Forget the budgets of objectives that the model no longer has."""
    for gone in model.budgets.exclude(objective__in=objectives):
        alert_clear(model=model, key=f"budget:{gone.objective}", process="monitoring")
        gone.delete()


def traffic_record(*, version: ModelVersion, last_request_at: datetime, requests: int) -> None:
    """Note when a version last answered, and how many requests came lately."""
    VersionTraffic.objects.update_or_create(
        version=version, defaults={"last_request_at": last_request_at, "requests": requests}
    )


@audited()
def data_set_record(*, team: Team, name: str, digest: str) -> None:
    """Note which data a data set holds now; evidence measured on what it held before becomes stale."""
    head, new = DataSetHead.objects.get_or_create(team=team, name=name, defaults={"digest": digest})
    if new or head.digest != digest:
        DataSetHead.objects.filter(pk=head.pk).update(digest=digest)
        audit(
            action="data_set.record", subject=f"/datasets/{name}/", actor=None, process="experiments", team=team.slug,
            payload={"before": None if new else head.digest, "after": digest},
        )  # fmt: skip
