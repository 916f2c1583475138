"""`manage.py sign_versions`: sign what was approved and lacks a signature by the key in force."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q

from registry.errors import ConflictError
from registry.models import ModelVersion
from registry.services import version_sign


class Command(BaseCommand):
    """Renew signatures after the key was rotated, and sign champions that were approved before signatures were asked for."""

    help = "Sign every version that was promoted or holds a guarded alias with the key in force; safe to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        """Sign; exits with 1 if the key cannot be used."""
        approved = Q(promotions__state="completed") | Q(aliases__name="champion")
        versions = ModelVersion.objects.filter(approved, artifact_state="verified", archived_at=None).distinct()
        signed = 0
        for version in versions.select_related("model__team").order_by("id"):
            try:
                signed += version_sign(version=version, actor=None, process="sign_versions") is not None
            except ConflictError as error:
                raise CommandError(str(error)) from None
        self.stdout.write(f"Signed {signed} versions.")
