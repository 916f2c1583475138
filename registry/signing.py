"""Digital signatures over manifests, by model-signing with a key, offline.

A signature is a bundle in the OpenSSF model signing format: anybody who has the artifact's folder and the public key checks it
with `model_signing verify key`. It covers the manifest as it was read and approved, so nothing is hashed again to sign.
The library takes a second to import, so it is imported where it is used.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings


class SigningError(Exception):
    """Nothing could be signed, or a signature does not hold; the message says why and what to do."""


def sign_manifest(name: str, manifest: Iterable[dict[str, Any]]) -> tuple[dict[str, Any], str]:
    """Return the signed bundle over a manifest, and the id of the key.

    Args:
        name: what is signed, for readers; it is not part of what is checked.
        manifest: [{path, size, sha256}].

    Raises:
        SigningError: the private key is missing or no elliptic curve key.
    """
    from model_signing._signing import sign_ec_key, signing

    path = _private_key()
    try:
        signed = sign_ec_key.Signer(path).sign(signing.Payload(_manifest(name, manifest)))
    except (OSError, ValueError, TypeError) as error:
        raise SigningError(
            f"The signing key cannot be used ({error}). An operator sets SIGNING_KEY_FILE to a PEM file with an "
            "unencrypted EC private key (P-256, P-384 or P-521)."
        ) from error
    bundle: dict[str, Any] = json.loads(signed.bundle.to_json())
    return bundle, str(bundle["verificationMaterial"]["publicKey"]["hint"])


def verify_bundle(bundle: dict[str, Any], manifest: Iterable[dict[str, Any]]) -> str:
    """Return the id of the trusted key that signed exactly this manifest.

    Raises:
        SigningError: the key is not trusted (any more), or the signature is not one over this manifest.
    """
    from model_signing._signing import sign_ec_key, sign_sigstore_pb
    from sigstore_models.bundle import v1

    try:
        signature = sign_sigstore_pb.Signature(v1.Bundle.from_dict(bundle))
        key = str(bundle["verificationMaterial"]["publicKey"]["hint"])
    except Exception as error:  # the library's own errors have no common base
        raise SigningError("The signature cannot be read.") from error
    trusted = trusted_keys()
    if key not in trusted:
        raise SigningError(f"Key {key[:16]} is not trusted here. An operator adds it to SIGNING_TRUSTED_KEYS.")
    try:
        signed = sign_ec_key.Verifier(trusted[key]).verify(signature)
    except Exception as error:
        raise SigningError("The signature does not hold.") from error
    if signed != _manifest("", manifest):
        raise SigningError("The signature is over other files than those of the manifest.")
    return key


def trusted_keys() -> dict[str, Path]:
    """Return the files of the public keys that are trusted, by key id; one that cannot be read is not."""
    found = {}
    for path in settings.SIGNING_TRUSTED_KEYS or [public_key_file(settings.SIGNING_KEY_FILE)]:
        try:
            key = serialization.load_pem_public_key(Path(path).read_bytes())
        except (OSError, ValueError):
            continue
        found[_key_id(key)] = Path(path)
    return found


def current_key_id() -> str:
    """Return the id of the key that signs now.

    Raises:
        SigningError: there is none that can be used.
    """
    try:
        key = serialization.load_pem_private_key(_private_key().read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise SigningError(f"The signing key cannot be used ({error}).") from error
    return _key_id(key.public_key())


def public_key_file(private: Path) -> Path:
    """Return where the public half of a private key lies, unless SIGNING_TRUSTED_KEYS says otherwise: beside it."""
    return private.with_suffix(".pub")


def make_key_pair(private: Path) -> None:
    """Write a new key pair; the private half may be read by its owner alone. An existing one is left as it is."""
    private.parent.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )  # fmt: skip
    handle, partial = tempfile.mkstemp(dir=private.parent)  # made with mode 0600
    with os.fdopen(handle, "wb") as file:
        file.write(pem)
    try:
        os.link(partial, private)  # fails where another process was first
        public_key_file(private).write_bytes(_public_pem(key.public_key()))
    except FileExistsError:
        pass
    finally:
        Path(partial).unlink()


def _private_key() -> Path:
    path: Path = settings.SIGNING_KEY_FILE
    if not path.exists() and not settings.PRODUCTION:
        make_key_pair(path)
    return path


def _manifest(name: str, files: Iterable[dict[str, Any]]) -> Any:
    from model_signing import manifest
    from model_signing._hashing import hashing

    items = [
        manifest.FileManifestItem(
            path=PurePosixPath(file["path"]), digest=hashing.Digest("sha256", bytes.fromhex(file["sha256"]))
        )
        for file in files
    ]
    return manifest.Manifest(name, items, manifest._FileSerialization("sha256"))


def _key_id(key: Any) -> str:
    return hashlib.sha256(_public_pem(key)).hexdigest()


def _public_pem(key: Any) -> bytes:
    pem: bytes = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return pem
