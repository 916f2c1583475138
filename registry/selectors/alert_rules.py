"""The rule that holds for a kind of alert: the product's, changed by the installation's, the team's and the model's."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from registry.alerting import rules
from registry.alerting.kinds import KINDS, kind_of
from registry.models import Alert, AlertRule


@dataclass(frozen=True)
class RuleBook:
    """The rules of some teams, read at once."""

    changes: dict[tuple[int, int, str], dict[str, Any]]

    def of(self, kind: str, team_id: int | None, model_id: int | None) -> rules.Rule:
        """Return what holds for alerts of ``kind``."""
        owners = dict.fromkeys([(0, 0), (team_id or 0, 0), (team_id or 0, model_id or 0)])
        layers = [self.changes.get((*owner, kind), {}) for owner in owners]
        return rules.changed(kind_of(kind).rule, *layers)


def rule_book(team_ids: Iterable[int], kind: str = "") -> RuleBook:
    """Return the rules of the installation and of teams, of one kind or of all."""
    rows = AlertRule.objects.filter(Q(team__isnull=True) | Q(team__in=set(team_ids)))
    rows = rows.filter(kind=kind) if kind else rows
    return RuleBook({(row.team_id or 0, row.model_id or 0, row.kind): row.changes for row in rows})


def runbook_of(alert: Alert, book: RuleBook) -> str:
    """Return the runbook that an alert links to: the rule's, or the chapter of its kind; empty where there is none."""
    ours = f"/alerts/runbooks/?kind={alert.kind}" if alert.kind in KINDS else ""
    return book.of(alert.kind, alert.team_id, alert.model_id).runbook or ours
