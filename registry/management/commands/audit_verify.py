"""`manage.py audit_verify`: walk the audit chain and name the first event that does not hold."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from registry.models import AuditCheck
from registry.selectors.audit_chain import (
    Head,
    chain_fault,
    chain_head,
    exported_heads,
    unheard_approvals,
    unheard_grants,
    unheard_standing,
)


class Command(BaseCommand):
    """Verify the audit trail; the result is shown on the audit page."""

    help = "Walk the audit chain, name the first broken event, and list approvals that nobody was heard giving."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--head", type=Path, metavar="PATH", help="also compare with a head exported before")
        parser.add_argument(
            "--heads", type=Path, metavar="DIR", help="also compare with every head kept there, such as AUDIT_HEADS"
        )
        parser.add_argument("--export", type=Path, metavar="PATH", help="write the signed head of a chain that holds")

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify; exits with 1 if anything does not hold."""
        exported = [*_read(options["head"]), *_read(options["heads"])]
        head = chain_head()
        fault = chain_fault(*exported)
        AuditCheck.objects.create(seq=head.seq, broken_at=fault.seq if fault else None)
        if fault:
            raise CommandError(f"The chain is broken at event {fault.seq}: {fault.what}.")
        self.stdout.write(f"The chain holds: {head.seq:,} events, head {head.hash}.")
        if exported:
            self.stdout.write(f"{len(exported):,} exported heads lie on it.")
        if options["export"]:
            options["export"].write_text(head.signed())
            self.stdout.write(f"Its signed head is in {options['export']}; keep it away from this database.")
        if unheard := unheard_approvals():
            for approval in unheard:
                self.stderr.write(
                    f"{approval.promotion.path} approval {approval.pk} by {approval.approver.get_username()} "
                    f"at {approval.decided_at:%Y-%m-%d %H:%M:%S} UTC"
                )
        for waiver in (grants := unheard_grants()):
            by = waiver.decided_by.get_username() if waiver.decided_by else "nobody"
            self.stderr.write(f"{waiver.path} waiver {waiver.pk} granted by {by}")
        for word in (standing := unheard_standing()):
            self.stderr.write(f"{word.path} {word} by {word.approver.get_username()}")
        if unheard:
            raise CommandError(f"{len(unheard)} approvals have no audit event of their approver by session or token.")
        if grants:
            raise CommandError(f"{len(grants)} waivers have no audit event of who granted them by session or token.")
        if standing:
            raise CommandError(
                f"{len(standing)} standing approvals have no audit event of who gave them by session or token."
            )


def _read(path: Path | None) -> list[Head]:
    """Return the head in a file, or all those in a folder.

    Raises:
        CommandError: there is none, or one was altered.
    """
    if path is None:
        return []
    try:
        heads = exported_heads(path) if path.is_dir() else [Head.read(path.read_text())]
    except (OSError, ValueError) as error:
        raise CommandError(f"{error}." if str(path) in str(error) else f"{path}: {error}.") from None
    if not heads:
        raise CommandError(f"{path} holds no exported head.")
    return heads
