"""One-click links of alerts and messages: signed, bound to what they are about, and short-lived. They save the way, not the log-in.

A link says which choice is meant on which rollout as it stood. Whoever follows it still logs in, still needs the role, and still
gives a reason; the link alone does nothing. So a link that is forwarded or logged gives nobody anything that they could not do.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.core.signing import BadSignature, SignatureExpired, TimestampSigner
from django.urls import reverse

from rollouts.models import Rollout
from rollouts.states import Ask, State

SALT = "rollouts.links"
LASTS = timedelta(hours=24)
LABELS = {"continue": "Let it go on", "promote": "Promote", "roll_back": "Roll back"}


class LinkError(Exception):
    """The link is forged or garbled; ``expired`` where it was good once."""

    def __init__(self, *, expired: bool) -> None:
        super().__init__("The link is too old." if expired else "The link is not one of ours.")
        self.expired = expired


@dataclass(frozen=True)
class Meant:
    """What a link means: a choice on a rollout as it stood."""

    rollout_id: int
    choice: str
    seen: str


def seen(rollout: Rollout) -> str:
    """Return what a person saw of a rollout's state: an act on another one is refused."""
    paused = "paused" if rollout.paused_at else "runs"
    return f"{rollout.state}.{rollout.step}.{rollout.weight_bp}.{paused}.{rollout.asks}"


def link_for(rollout: Rollout, choice: str, *, as_seen: str = "") -> str:
    """Return the whole address that asks a person to take ``choice`` on a rollout as it stands now, or as ``as_seen`` says."""
    token = TimestampSigner(salt=SALT).sign_object([rollout.pk, choice, as_seen or seen(rollout)])
    return f"{settings.WEB_URL}{reverse('rollout_link', args=[token])}"


def links_for(rollout: Rollout, ask: Ask) -> dict[str, str]:
    """Return the links of a rollout that is about to await ``ask``, by choice; whoever is told by a webhook is handed them."""
    then = f"{State.AWAITING}.{rollout.step}.{rollout.weight_bp}.runs.{ask}"
    choices = (
        (["continue"] if ask is not Ask.PROMOTE else []) + (["promote"] if rollout.weight_bp else []) + ["roll_back"]
    )
    return {choice: link_for(rollout, choice, as_seen=then) for choice in choices}


def ways(links: dict[str, str], *, now: datetime) -> list[dict[str, str]]:
    """Return links as an alert shows them: what each means, its path, and until when it holds."""
    until = (now + LASTS).isoformat(timespec="seconds")
    return [
        {"title": LABELS[choice], "path": link.removeprefix(settings.WEB_URL), "until": until} for choice, link in links.items()
    ]  # fmt: skip


def read_link(token: str) -> Meant:
    """Return what a link means.

    Raises:
        LinkError: it was not signed here, or longer ago than it lasts.
    """
    try:
        pk, choice, then = TimestampSigner(salt=SALT).unsign_object(token, max_age=LASTS)
    except SignatureExpired:
        raise LinkError(expired=True) from None
    except (BadSignature, ValueError, TypeError):
        raise LinkError(expired=False) from None
    return Meant(int(pk), str(choice), str(then))
