"""What the inbox is made of."""

from dataclasses import dataclass
from datetime import datetime

from registry.models import RegisteredModel, Waiver


@dataclass(frozen=True)
class Item:
    """One row of the inbox: what is asked, of which model (None where it is of none), since when."""

    mark: str
    verb: str
    title: str
    why: str
    path: str
    model: RegisteredModel | None
    note: str
    since: datetime
    due: datetime | None = None
    actions: tuple[tuple[str, str], ...] = ()  # ways out, as label and path

    @property
    def can_wait(self) -> bool:
        """Whether it is a warning that nobody has to decide on."""
        return self.verb == "Alert" and self.mark == "warn" and not self.actions


def rule(waiver: Waiver) -> str:
    """Return what a waiver is of, as people say it."""
    return waiver.criterion.label if waiver.criterion else "Error budget"
