"""Walking the audit chain: what was changed, removed or cut off after it was written."""

import json
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path

from django.core import signing
from django.db import connection
from django.utils import timezone

from registry.models import Approval, StandingApproval, Waiver

BATCH = 10_000
GENESIS = b"\x00"
_SIGNER = signing.Signer(salt="registry.audit.head")

_WALK = """
    SELECT seq, prev_hash, hash,
           registry_audit_hash(prev_hash, seq, at, actor, actor_id, via, team, action, subject, payload) = hash
    FROM registry_auditevent WHERE seq > %s ORDER BY seq LIMIT %s
"""
_HEAD = "SELECT seq, hash, (SELECT max(seq) FROM registry_auditevent) FROM registry_audithead"
_UNHEARD = """
    SELECT a.id FROM registry_approval a
    WHERE a.decision = 'approve' AND NOT EXISTS (
        SELECT FROM registry_auditevent e
        WHERE e.subject = '/promotions/' || a.promotion_id || '/' AND e.payload ->> 'binding' = a.binding_digest
          AND CASE WHEN a.standing_id IS NULL
              THEN e.action = 'promotion.approve' AND e.actor_id = a.approver_id
                   AND (e.via = 'session' OR e.via LIKE 'token:%')
              ELSE e.action = 'promotion.approve_standing' AND e.via = 'process'
                   AND e.payload ->> 'standing' = a.standing_id::text END)
    ORDER BY a.id
"""
_UNHEARD_STANDING = """
    SELECT s.id FROM registry_standingapproval s
    WHERE NOT EXISTS (
        SELECT FROM registry_auditevent e
        WHERE e.action = 'standing_approval.give' AND e.actor_id = s.approver_id
          AND e.payload ->> 'standing' = s.id::text AND e.payload ->> 'policy' = s.policy::text
          AND (e.via = 'session' OR e.via LIKE 'token:%'))
    ORDER BY s.id
"""
_UNHEARD_GRANTS = """
    SELECT w.id FROM registry_waiver w
    WHERE w.state IN ('granted', 'revoked') AND NOT EXISTS (
        SELECT FROM registry_auditevent e
        WHERE e.action = 'waiver.grant' AND e.subject = '/promotions/' || w.promotion_id || '/'
          AND e.actor_id = w.decided_by_id AND e.payload ->> 'waiver' = w.id::text
          AND (e.via = 'session' OR e.via LIKE 'token:%'))
    ORDER BY w.id
"""


@dataclass(frozen=True)
class Fault:
    """The first event that does not hold, and what is wrong with it."""

    seq: int
    what: str


@dataclass(frozen=True)
class Head:
    """Where the chain ended at some time, kept outside the database."""

    seq: int
    hash: str
    at: datetime

    def signed(self) -> str:
        """Return the head as JSON with a signature that needs ``SECRET_KEY`` to make."""
        told = {"seq": self.seq, "hash": self.hash, "at": self.at.isoformat()}
        return json.dumps(told | {"signature": _SIGNER.signature(_words(told))}, indent=2) + "\n"

    @classmethod
    def read(cls, text: str) -> "Head":
        """Return the head that :meth:`signed` wrote.

        Raises:
            ValueError: it is something else, or was altered.
        """
        try:
            told = json.loads(text)
            _SIGNER.unsign(f"{_words(told)}:{told['signature']}")
            return cls(told["seq"], told["hash"], datetime.fromisoformat(told["at"]))
        except (signing.BadSignature, KeyError, TypeError):
            raise ValueError("the exported head is not signed by this installation, or was altered") from None


def _words(told: dict[str, object]) -> str:
    return json.dumps([told["seq"], told["hash"], told["at"]])


def chain_head() -> Head:
    """Return where the chain ends now."""
    with connection.cursor() as cursor:
        cursor.execute(_HEAD)
        seq, digest, _ = cursor.fetchone()
    return Head(seq, bytes(digest).hex(), timezone.now())


def exported_heads(folder: Path) -> list[Head]:
    """Return the heads that were kept in ``folder``, oldest first.

    Raises:
        ValueError: one of them is not signed by this installation, or was altered; the message names it.
    """
    heads = []
    for path in sorted(folder.glob("*.json")):
        try:
            heads.append(Head.read(path.read_text()))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    return heads


def chain_fault(*exported: Head) -> Fault | None:
    """Return the first event that does not hold; None if the chain is whole.

    Checks that each hash is that of its event, that each event is chained to the one before, that no number is missing,
    that the last event is the head, and that each exported head lies on the chain. Events that are written meanwhile
    are left to the next walk.
    """
    kept = {seq: list(heads) for seq, heads in groupby(sorted(exported, key=_seq), key=_seq)}
    with connection.cursor() as cursor:
        cursor.execute(_HEAD)
        head_seq, head_hash, last = cursor.fetchone()
        seq, link = 0, GENESIS
        while seq < head_seq:
            cursor.execute(_WALK, [seq, min(BATCH, head_seq - seq)])
            rows = cursor.fetchall()
            for number, prev_hash, digest, intact in rows:
                if number != seq + 1:
                    return Fault(seq + 1, "it is missing")
                if bytes(prev_hash) != link:
                    return Fault(number, "it is not chained to the event before, one of the two was changed")
                if not intact:
                    return Fault(number, "its content is not what was hashed")
                seq, link = number, bytes(digest)
                for head in kept.get(seq, []):
                    if head.hash != link.hex():
                        return Fault(seq, f"it is not the event that was exported on {head.at:%Y-%m-%d %H:%M} UTC")
            if not rows:
                return Fault(seq + 1, "it is missing")
    if bytes(head_hash) != (link if head_seq else GENESIS):
        return Fault(head_seq, "it is not the head of the chain, it was replaced")
    if (last or 0) != head_seq:
        return Fault(head_seq + 1, "it lies beyond the head of the chain")
    if kept and (furthest := max(kept)) > head_seq:
        return Fault(head_seq + 1, f"it is missing; the chain reached {furthest} when its head was exported")
    return None


def _seq(head: Head) -> int:
    return head.seq


def unheard_approvals() -> list[Approval]:
    """Return the approvals without an audit event of the same person, promotion and binding by session or token.

    Of one that rests on a standing approval the event is the retraining's; who gave the standing approval was heard then.
    """
    with connection.cursor() as cursor:
        cursor.execute(_UNHEARD)
        ids = [row[0] for row in cursor.fetchall()]
    return list(Approval.objects.filter(pk__in=ids).select_related("approver", "promotion").order_by("pk"))


def unheard_standing() -> list[StandingApproval]:
    """Return the standing approvals without an audit event of the same person by session or token."""
    with connection.cursor() as cursor:
        cursor.execute(_UNHEARD_STANDING)
        ids = [row[0] for row in cursor.fetchall()]
    return list(StandingApproval.objects.filter(pk__in=ids).select_related("approver", "model").order_by("pk"))


def unheard_grants() -> list[Waiver]:
    """Return the granted waivers without an audit event of the same person by session or token."""
    with connection.cursor() as cursor:
        cursor.execute(_UNHEARD_GRANTS)
        ids = [row[0] for row in cursor.fetchall()]
    return list(Waiver.objects.filter(pk__in=ids).select_related("decided_by", "promotion").order_by("pk"))
