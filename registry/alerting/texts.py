"""What a message about alerts says: what, since when, how bad, what to do next, and where."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

SHOWN = 20  # alerts in one message; the page has the rest
WORDS = {"raised": "", "returned": "back: ", "escalated": "escalated: ", "cleared": "over: "}


@dataclass(frozen=True)
class Told:
    """One alert as a message tells it; paths are those of the product.

    Attributes:
        what: raised, returned, escalated or cleared.
        actions: ways out as (label, path, until when as ISO 8601, or nothing).
    """

    what: str
    about: str
    title: str
    severity: str
    raised_at: datetime
    path: str
    next_step: str = ""
    link: str = ""
    runbook: str = ""
    count: int = 1
    returned: int = 0
    actions: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class Message:
    """A message, ready to be sent."""

    subject: str
    body: str
    severe: bool


def message(alerts: Sequence[Told], *, home: str, digest: bool = False) -> Message:
    """Return what is told of alerts of one group, or of many in a digest.

    Args:
        home: address of the product, before each path.
    """
    worst = sorted(alerts, key=lambda told: (told.what == "cleared", told.severity != "critical"))
    first = worst[0]
    severe = any(told.severity == "critical" and told.what != "cleared" for told in alerts)
    if digest:
        subject = f"{len(alerts)} alerts in a short time, among them: {first.title}"
    else:
        more = f" and {len(alerts) - 1} more" if len(alerts) > 1 else ""
        subject = f"{WORDS.get(first.what, '')}{first.about}: {first.title}{more}"
    parts = [_paragraph(told, home) for told in worst[:SHOWN]]
    if len(worst) > SHOWN:
        parts.append(f"… and {len(worst) - SHOWN} more: {home}/alerts/")
    if digest:
        parts.insert(0, "So much came up that it is told at once. What is worst comes first.")
    mark = "[critical] " if severe else ""
    return Message(_line(f"{mark}{subject}")[:200], "\n\n".join(parts) + "\n", severe)


def _paragraph(told: Told, home: str) -> str:
    state = {"cleared": "Over", "returned": "It came back"}.get(told.what, told.severity.capitalize())
    seen = f", seen {told.count} times" if told.count > 1 else ""
    back = f", {told.returned} times over and back" if told.returned else ""
    lines = [
        _line(told.title),
        f"{state}; {told.about}, since {told.raised_at.astimezone(UTC):%d %b %Y %H:%M} UTC{seen}{back}.",
    ]
    if told.what != "cleared":
        if told.next_step:
            lines.append(f"Next: {_line(told.next_step)}")
        for label, path, until in told.actions:
            ends = f" (until {datetime.fromisoformat(until).astimezone(UTC):%d %b %H:%M} UTC)" if until else ""
            lines.append(f"{label}{ends}: {home}{path}")
        if told.link:
            lines.append(f"Cause: {home}{told.link}")
        if told.runbook:
            lines.append(f"Runbook: {told.runbook if told.runbook.startswith('https://') else home + told.runbook}")
    lines.append(f"Alert: {home}{told.path}")
    return "\n".join(lines)


def _line(text: str) -> str:
    """Return a text without line breaks: a title is no place for a header or a forged line."""
    return " ".join(text.split())
