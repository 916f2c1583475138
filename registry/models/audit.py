"""The audit trail, and answers kept for repeated requests."""

from collections.abc import Iterator, Mapping

from django.conf import settings
from django.db import models


def _flat(value: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from _flat(inner, f"{prefix}{name}.")
            continue
        if isinstance(inner, list):
            inner = ", ".join(str(one) for one in inner if one is not None)
        if inner not in (None, ""):
            yield f"{prefix}{name}", inner


class AuditEvent(models.Model):
    """One line of the append-only, hash-chained trail; sequence, time and hashes are set by a trigger."""

    seq = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    actor = models.CharField(max_length=150, help_text="user name, or a process such as gateway")
    actor_id = models.BigIntegerField(null=True)
    via = models.CharField(max_length=40, help_text="session, token:<prefix>, job:<id> or process")
    team = models.CharField(max_length=50, blank=True, help_text="slug")
    action = models.CharField(max_length=100)
    subject = models.CharField(max_length=300)
    payload = models.JSONField(default=dict, help_text="{before, after, reason, …}")
    prev_hash = models.BinaryField(max_length=32)
    hash = models.BinaryField(max_length=32)

    class Meta:
        ordering = ["-seq"]
        indexes = [
            models.Index(fields=["team", "-seq"], name="audit_by_team"),
            models.Index(fields=["subject", "-seq"], name="audit_by_subject"),
            models.Index(fields=["action", "-seq"], name="audit_by_action"),
            models.Index(fields=["actor", "-seq"], name="audit_by_actor"),
            models.Index(fields=["-at"], name="audit_by_time"),
        ]

    def __str__(self) -> str:
        return f"#{self.seq} {self.action}"

    @property
    def changes(self) -> list[tuple[str, object, object]]:
        """What changed: (name, before, after), None where there was or is nothing; the name may be empty."""
        before, after = (
            dict(_flat(value if isinstance(value, dict) else {"": value}))
            for value in (self.payload.get("before"), self.payload.get("after"))
        )
        names = dict.fromkeys([*before, *after])
        return [(name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)]

    @property
    def details(self) -> list[tuple[str, object]]:
        """What else the payload says, flat: (name, value), nested names joined by a dot and nothings left out."""
        return list(_flat({name: value for name, value in self.payload.items() if name not in ("before", "after")}))

    @property
    def hash_hex(self) -> str:
        """The event's hash as people compare it."""
        return bytes(self.hash).hex()


class AuditCheck(models.Model):
    """One walk along the audit chain: up to where, and what was found."""

    at = models.DateTimeField(auto_now_add=True)
    seq = models.BigIntegerField(help_text="the last event walked")
    broken_at = models.BigIntegerField(null=True, help_text="the first broken event; null where the chain is whole")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"chain to {self.seq}: {'whole' if self.broken_at is None else f'broken at {self.broken_at}'}"


class IdempotencyKey(models.Model):
    """The answer given to a POST that carried an Idempotency-Key, so that a repeat gets the same one (T33, T34)."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    request_digest = models.CharField(max_length=71)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="idempotency_key_once")]

    def __str__(self) -> str:
        return self.key
