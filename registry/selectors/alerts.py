"""Alerts as people see them: whose they are, in groups, and what was told of each."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Case, QuerySet, When

from registry.access import WRITERS, Actor
from registry.alerting.kinds import kind_of
from registry.models import Alert, Role

SHOWN_OF_A_GROUP = 50


def keeps_installation(actor: Actor) -> bool:
    """Tell whether the actor looks after what is of no team: an admin of any."""
    return actor.user.memberships.filter(team__in=actor.teams(), role=Role.ADMIN).exists()


def alerts_seen(actor: Actor) -> QuerySet[Alert]:
    """Return the alerts that the actor may see."""
    seen = Alert.objects.seen_by(actor.teams(), keeps=keeps_installation(actor))
    return seen.select_related("model", "team", "acknowledged_by", "owner", "resolved_by", "silence")


def may_act(actor: Actor, alert: Alert) -> bool:
    """Tell whether the actor may take the alert on, comment on it or call it over."""
    return actor.role_in(alert.team) in WRITERS if alert.team else keeps_installation(actor)


def audience(alert: Alert) -> tuple[str, ...]:
    """Return the roles whose inbox the alert waits in."""
    return (alert.owner_role,) if alert.owner_role else kind_of(alert.kind).roles


@dataclass(frozen=True)
class Group:
    """Open alerts of one cause: the one that is shown first, and all of them."""

    first: Alert
    alerts: list[Alert]

    @property
    def others(self) -> list[Alert]:
        """Return the alerts behind the first one, as many as are shown."""
        return [alert for alert in self.alerts if alert.pk != self.first.pk][:SHOWN_OF_A_GROUP]

    @property
    def hidden(self) -> int:
        """How many more there are than are shown."""
        return len(self.alerts) - 1 - len(self.others)

    @property
    def since(self) -> datetime:
        """When the oldest of them was raised."""
        return min(alert.raised_at for alert in self.alerts)

    @property
    def untaken(self) -> int:
        """How many nobody has taken on."""
        return sum(alert.acknowledged_by_id is None for alert in self.alerts)

    @property
    def is_silent(self) -> bool:
        """Whether all of them are silenced."""
        return all(alert.silence_id for alert in self.alerts)


def leading(alerts: QuerySet[Alert]) -> QuerySet[Alert]:
    """Return the one alert of each group that stands for it, the most severe, of those the newest; the worst group first."""
    rank = Case(When(severity=Alert.Severity.CRITICAL, then=1), default=0)
    chosen = Alert.objects.filter(pk__in=alerts.order_by().values("pk")).annotate(rank=rank)
    first = chosen.order_by("group", "-rank", "-id").distinct("group").values("pk")
    return Alert.objects.filter(pk__in=first).annotate(rank=rank).order_by("-rank", "-id")


def grouped(leaders: Iterable[Alert], alerts: QuerySet[Alert]) -> list[Group]:
    """Return the groups of ``leaders``, filled from ``alerts``."""
    leaders = list(leaders)
    members: dict[str, list[Alert]] = defaultdict(list)
    found = alerts.filter(group__in=[leader.group for leader in leaders]).order_by("severity", "-id")  # critical first
    for alert in found:
        members[alert.group].append(alert)
    return [Group(leader, members.get(leader.group) or [leader]) for leader in leaders]
