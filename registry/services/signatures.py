"""Signing versions: at their approval, and again when the key is renewed."""

from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError
from registry.models import Evidence, ModelVersion, Promotion
from registry.selectors.signatures import SIGNATURE, converted_file, signature_of
from registry.services.evidence import evidence_record
from registry.signing import SigningError, current_key_id, sign_manifest


@audited()
def version_sign(
    *, version: ModelVersion, actor: Actor | None, promotion: Promotion | None = None, process: str = ""
) -> Evidence | None:
    """Sign the version's manifest with the key in force, and record the signature as evidence.

    Args:
        promotion: whose approval this is; None where a signature is renewed.

    Returns: the evidence; None where the present key has signed it before.

    Raises:
        ConflictError: there is no key that can be used; says who can help.
    """
    try:
        before = signature_of(version)
        converted = converted_file(version)
        if before.is_valid and before.key == current_key_id():
            return None
        name = f"{version.model.name}-v{version.number}"
        bundle, key = sign_manifest(name, version.manifest)
        beside = {"converted": sign_manifest(f"{name}-converted", [converted])[0]} if converted else {}
    except SigningError as error:
        raise ConflictError(
            f"The version could not be signed, so nothing was changed. {error}",
            unmet=[{"rule": "a signature over the approved files", "who": "an operator, who sets SIGNING_KEY_FILE"}],
        ) from error
    evidence = evidence_record(
        version=version, kind=Evidence.Kind.SIGNATURE, metric=SIGNATURE, value=1.0, data_slice=f"key {key[:16]}",
        detail={"key": key, "bundle": bundle, "promotion": promotion.pk if promotion else None} | beside,
    )  # fmt: skip
    audit(
        action="version.sign", subject=version.path, actor=actor, process=process, team=version.model.team.slug,
        payload={"key": key, "digest": version.artifact_digest, "promotion": promotion.pk if promotion else None},
    )  # fmt: skip
    return evidence
