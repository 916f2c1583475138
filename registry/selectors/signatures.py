"""Whether a version is signed, by which key, and whether that holds now."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from registry.models import AuditEvent, Evidence, ModelVersion, VersionReading
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
        if converted := converted_file(version):
            verify_bundle(evidence.detail.get("converted", {}), [converted])
    except SigningError as error:
        return SignatureState(evidence, str(error))
    return SignatureState(evidence)


def converted_file(version: ModelVersion) -> dict[str, Any] | None:
    """Return the version's converted file as {path, size, sha256}; None where it is served as it is."""
    found = VersionReading.objects.filter(version=version).values_list("conversion__file", flat=True).first()
    return found or None


def signature_record(version: ModelVersion) -> dict[str, Any]:
    """Return what people are told of the version's signature, checked just now.

    Returns: ``state`` is ``holds``, ``broken`` or ``none``; ``said`` is all of it in plain words.
    """
    found = signature_of(version)
    files = len(version.manifest)
    over = f"{files} file{'' if files == 1 else 's'} of version {version.number}"
    told: dict[str, Any] = {"artifact_digest": version.artifact_digest, "files": files}
    if found.evidence is None:
        governed = (
            f"The last approval of a promotion signs the {over}; until then no gateway answers callers with it."
            if version.model.team.governed
            else f"{version.model.team.name} is not governed, so nothing asks for a signature."
        )
        return told | {"state": "none", "said": f"Not signed. {governed}"}
    promotion = found.evidence.detail.get("promotion")
    event = (
        AuditEvent.objects.filter(subject=version.path, action="version.sign", payload__key=found.key)
        .order_by("-seq").first()
    )  # fmt: skip
    by = event.actor if event else "somebody not on record"
    occasion = f"when {by} approved promotion {promotion}" if promotion else f"by {by}, outside a promotion"
    if promotion and event and event.via == "process":
        occasion = f"by {by}, when a standing approval approved promotion {promotion}"
    holds = (
        f"It is over the {over}, each by its SHA-256, and it holds: these are the files that were signed, and the key is "
        "trusted here. A gateway checks the same before it loads them."
        if found.is_valid
        else f"It does not hold for the {over}. {found.fault} Gateways do not load the version."
    )
    return told | {
        "state": "holds" if found.is_valid else "broken",
        "said": f"Signed {occasion}, with the key {found.key[:16]}. {holds}",
        "fault": found.fault, "key": found.key, "signed_at": found.signed_at, "signed_by": by,
        "promotion": promotion, "evidence": found.evidence.pk,
    }  # fmt: skip


def bundles_of(versions: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Return the latest signature of each version that has one, unchecked: {bundle, converted}."""
    latest = Evidence.objects.filter(version__in=versions, metric=SIGNATURE, kind=Evidence.Kind.SIGNATURE)
    rows = latest.order_by("version_id", "-id").distinct("version_id").values_list("version_id", "detail")
    return dict(rows)


def conversions_of(versions: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Return the converted file of each version that has one: {path, size, sha256}."""
    found = VersionReading.objects.filter(version__in=versions, conversion__has_key="file")
    return dict(found.values_list("version_id", "conversion__file"))
