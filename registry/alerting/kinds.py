"""The kinds of alerts: what each is about, who it is for, and the rule that comes with the product."""

from dataclasses import dataclass, field

from registry.alerting.rules import Rule

RUNNING = ("engineer", "approver")  # who runs the model
GOVERNING = ("approver", "admin")  # who decides on it
KEEPING = ("admin",)  # who looks after the installation


@dataclass(frozen=True)
class Kind:
    """One kind of alert.

    Attributes:
        name: stable, as looks say it.
        words: as people read it.
        roles: whose inbox it waits in.
        cause: kinds of one cause form one group.
        rule: what holds unless a team says otherwise.
        fixed: nobody switches it off.
        go_back: a former champion may be the remedy, so its alerts link there.
    """

    name: str
    words: str
    roles: tuple[str, ...] = RUNNING
    cause: str = ""
    rule: Rule = field(default_factory=Rule)
    fixed: bool = False
    go_back: bool = False

    @property
    def of_installation(self) -> bool:
        """Whether it is about no team, so that no team has a rule for it."""
        return self.roles == KEEPING


_KINDS = [
    Kind("burn", "Error budget burns", cause="slo", go_back=True, rule=Rule(escalate_minutes=60)),
    Kind("budget", "Error budget spent", cause="slo", go_back=True, fixed=True),
    Kind("drift", "Drift", cause="drift", go_back=True, rule=Rule(notify_minutes=240)),
    Kind("data_break", "Inputs broke", cause="drift", rule=Rule(notify_minutes=60)),
    Kind("data_quality", "Data quality", cause="data_quality", rule=Rule(notify_minutes=60)),
    Kind("quality", "Quality", cause="quality", go_back=True, rule=Rule(notify_minutes=120, escalate_minutes=240)),
    Kind("rollout", "Rollout", cause="rollout", rule=Rule(flap_minutes=0, notify_minutes=5, escalate_minutes=60)),
    Kind("retraining", "Retraining", cause="retraining", rule=Rule(notify_minutes=60)),
    Kind("jobs", "Jobs that failed", cause="jobs", rule=Rule(notify_minutes=60)),
    Kind("evidence_expiry", "Evidence expires", GOVERNING, cause="governance", rule=Rule(notify_minutes=1440)),
    Kind("revalidation_overdue", "Re-validation overdue", GOVERNING, cause="governance", fixed=True),
    Kind("review_overdue", "Review overdue", GOVERNING, cause="governance", fixed=True, rule=Rule(flap_minutes=0)),
    Kind("waiver_ended", "Waiver ended", GOVERNING, cause="governance", fixed=True),
    Kind("unknown_version", "Unknown version in a gateway", cause="gateways", fixed=True),
    Kind("gateway_stale", "Gateway behind or silent", KEEPING, cause="gateways", rule=Rule(breaches=2, escalate_minutes=30)),
    Kind("queue_waits", "Jobs wait", KEEPING, cause="workers", rule=Rule(breaches=2, escalate_minutes=30)),
    Kind("audit_chain", "Audit chain broken", KEEPING, cause="audit", fixed=True),
]  # fmt: skip
KINDS = {kind.name: kind for kind in _KINDS}
GROUP_LONGEST = 80


def kind_of(name: str) -> Kind:
    """Return a kind; one that the catalogue does not know goes to who runs the model."""
    return KINDS.get(name) or Kind(name, name.replace("_", " ").capitalize(), cause=name)


def group_of(name: str, rule: Rule, *, key: str, group: str = "") -> str:
    """Return what an alert is grouped under, within its model or team.

    Args:
        group: what the look says is the cause, such as a rollout; empty: the kind's.
    """
    if rule.group_by == "model":
        return "*"
    cause = key if rule.group_by == "alert" else group or kind_of(name).cause
    return cause[:GROUP_LONGEST]
