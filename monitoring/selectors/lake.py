"""Which parts of the lake are due for care, by the team that owns them."""

from datetime import date

from monitoring.models import DEFAULT_KEEP_DAYS, LogPolicy
from monitoring.predictions.tidying import Partition, partitions
from registry.models import RegisteredModel


def scattered(*, today: date) -> dict[str, list[Partition]]:
    """Return, by team, the partitions whose small files should be joined."""
    return _by_team([partition for partition in partitions() if partition.is_scattered(today)])


def surplus(*, today: date) -> dict[str, list[Partition]]:
    """Return, by team, the partitions that are kept no longer."""
    kept = dict(LogPolicy.objects.in_force().values_list("model_id", "keep_days"))
    return _by_team([p for p in partitions() if p.is_past(kept, DEFAULT_KEEP_DAYS, today)])


def _by_team(found: list[Partition]) -> dict[str, list[Partition]]:
    models = RegisteredModel.objects.filter(pk__in={pk for partition in found for pk in partition.model_ids})
    teams = dict(models.values_list("pk", "team__slug"))
    by_team: dict[str, list[Partition]] = {}
    for partition in found:
        owner = next((teams[pk] for pk in sorted(partition.model_ids) if pk in teams), None)
        if owner:
            by_team.setdefault(owner, []).append(partition)
    return by_team
