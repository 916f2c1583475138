"""What waits for somebody to look after what serves: rollbacks, retirements, re-validations, alerts, webhooks."""

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta

from django.db.models import Q
from django.utils import timezone

from registry.access import Actor
from registry.alerting.kinds import KINDS, RUNNING
from registry.models import Alert, RegisteredModel, Retirement, Role, Rollback, StandingApproval, Webhook
from registry.selectors.alerts import Group, grouped, leading
from registry.selectors.inbox.items import Item
from registry.states import DUE_WITHIN, GRACE, RevalidationState, revalidation_state

ENDS_WITHIN = timedelta(days=7)


def rollbacks(actor: Actor, roles: dict[int, str]) -> list[Item]:
    """Return the rollbacks that another approver has to review."""
    teams = [team for team, role in roles.items() if role == Role.APPROVER]
    due = (
        Rollback.objects.filter(reviewed_by__isnull=True, model__team__in=teams)
        .exclude(requested_by=actor.user)
        .select_related("model", "to_version", "from_version")
    )
    return [
        Item(
            "fail", "Review", f"Rollback of {r.model.name} to v{r.to_version.number}",
            r.reason, f"{r.model.path}#rollback-{r.pk}", r.model, f"left v{r.from_version.number}", r.requested_at, r.review_due_at,
        )
        for r in due
    ]  # fmt: skip


def retirements(actor: Actor, roles: dict[int, str]) -> list[Item]:
    """Return the retirements to decide on."""
    teams = [team for team, role in roles.items() if role == Role.APPROVER]
    asked = Retirement.objects.filter(state="requested", model__team__in=teams).exclude(requested_by=actor.user)
    return [
        Item(
            "pending", "Retire", f"Retire {r.title}", r.reason, f"{r.model.path}lifecycle/", r.model,
            "never serves again", r.requested_at,
        )
        for r in asked.select_related("model", "version")
    ]  # fmt: skip


def revalidations(actor: Actor, roles: dict[int, str]) -> list[Item]:
    """Return the models that serve and are due, or overdue, for somebody who had no part in their champion."""
    teams = [team for team, role in roles.items() if role == Role.APPROVER]
    today = timezone.now().date()
    due = (
        RegisteredModel.objects.live()
        .filter(team__in=teams, retired_at__isnull=True, revalidate_by__lte=today + DUE_WITHIN)
        .filter(aliases__name="champion")
        .exclude(aliases__name="champion", aliases__version__created_by=actor.user)
        .exclude(aliases__name="champion", aliases__version__contributors=actor.user)
    )
    items = []
    for model in due:
        assert model.revalidate_by is not None  # noqa: S101  by the filter
        late = revalidation_state(model.revalidate_by, today) is RevalidationState.OVERDUE
        ahead = GRACE if model.revalidate_why else DUE_WITHIN
        asked = max(datetime.combine(model.revalidate_by - ahead, time(), UTC), model.created_at)
        items.append(Item(
            "fail" if late else "pending", "Overdue" if late else "Re-validate", f"Re-validate {model.name}",
            model.revalidate_why or "The calendar asks for it.", f"{model.path}lifecycle/", model,
            f"due {model.revalidate_by:%d %b %Y}", asked, datetime.combine(model.revalidate_by, time(), UTC),
        ))  # fmt: skip
    return items


def standing(actor: Actor) -> list[Item]:
    """Return the standing approvals of the actor that end soon; without one people approve each version again."""
    soon = timezone.now() + ENDS_WITHIN
    mine = StandingApproval.objects.holding().filter(
        approver=actor.user, expires_at__lte=soon, model__team__in=actor.teams()
    )
    return [
        Item(
            "pending", "Renew", f"Standing approval for {one.model.name}", "Give it anew, or let people approve each version again.",
            one.path, one.model, f"retraining policy {one.policy}", one.expires_at - ENDS_WITHIN, one.expires_at,
        )
        for one in mine.select_related("model")
    ]  # fmt: skip


def alerts(actor: Actor, roles: dict[int, str]) -> list[Item]:
    """Return the open alerts that nobody has taken on, one row for each group; what is silenced waits for nobody."""
    mine = Q(owner=actor.user)
    for name, kind in KINDS.items():
        mine |= Q(kind=name, owner__isnull=True, owner_role="", team__in=_teams(roles, kind.roles))
    mine |= ~Q(kind__in=KINDS) & Q(owner__isnull=True, owner_role="", team__in=_teams(roles, RUNNING))
    for role in set(roles.values()):
        mine |= Q(owner__isnull=True, owner_role=role, team__in=_teams(roles, (role,)))
    if Role.ADMIN in roles.values():
        mine |= Q(team__isnull=True, owner__isnull=True)
    waiting = Alert.objects.open().filter(mine, acknowledged_by__isnull=True, silence__isnull=True)
    rows = grouped(leading(waiting).select_related("model", "team"), waiting)
    return [_alert(group) for group in rows]


def _teams(roles: dict[int, str], asked: Iterable[str]) -> list[int]:
    return [team for team, role in roles.items() if role in asked]


def _alert(group: Group) -> Item:
    alert, more = group.first, len(group.alerts) - 1
    why = alert.next_step or "Nobody has taken it on yet."
    return Item(
        "fail" if alert.severity == Alert.Severity.CRITICAL else "warn", "Alert", alert.title, f"{alert.about}: {why}", alert.path,
        alert.model, f"{alert.kind_words.lower()}{f' and {more} more' if more else ''}", group.since,
        actions=tuple((action["title"], action["path"]) for action in alert.ways if alert.kind == "rollout"),
    )  # fmt: skip


def webhooks(roles: dict[int, str]) -> list[Item]:
    """Return the webhooks that were given up."""
    managing = [team for team, role in roles.items() if role in (Role.ENGINEER, Role.ADMIN)]
    given_up = Webhook.objects.filter(team__in=managing, status=Webhook.Status.DISABLED).exclude(status_reason="")
    return [
        Item(
            "fail",
            "Mend",
            f"Webhook {w.name} is told nothing any more",
            w.status_reason,
            w.path,
            None,
            "",
            w.updated_at,
        )
        for w in given_up
    ]
