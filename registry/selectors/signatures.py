"""Whether a version is signed, by which key, and whether that holds now."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from registry.models import Evidence, ModelVersion
from registry.signing import SigningError, verify_bundle

SIGNATURE = "signature"


@dataclass(frozen=True)
class SignatureState:
    """A version's latest signature, checked just now.

    Attributes:
        fault: why it does not hold; empty where it does, or where there is none.
    """

    evidence: Evidence | None = None
    fault: str = ""

    @property
    def is_valid(self) -> bool:
        """Whether there is a signature, and it holds."""
        return self.evidence is not None and not self.fault

    @property
    def key(self) -> str:
        """The id of the key: SHA-256 of its public half, as PEM."""
        return str(self.evidence.detail["key"]) if self.evidence else ""

    @property
    def signed_at(self) -> datetime | None:
        """When it was signed."""
        return self.evidence.measured_at if self.evidence else None


def signature_of(version: ModelVersion) -> SignatureState:
    """Return the version's latest signature after checking it against its manifest and the keys that are trusted now."""
    evidence = version.evidence.filter(metric=SIGNATURE, kind=Evidence.Kind.SIGNATURE).order_by("-id").first()
    if evidence is None:
        return SignatureState()
    try:
        verify_bundle(evidence.detail["bundle"], version.manifest)
    except SigningError as error:
        return SignatureState(evidence, str(error))
    return SignatureState(evidence)


def bundles_of(versions: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Return the latest signed bundle of each version that has one, unchecked."""
    latest = Evidence.objects.filter(version__in=versions, metric=SIGNATURE, kind=Evidence.Kind.SIGNATURE)
    rows = latest.order_by("version_id", "-id").distinct("version_id").values_list("version_id", "detail__bundle")
    return dict(rows)
