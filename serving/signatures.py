"""Checking that a version was signed by a trusted key, before it is loaded.

A signature is a bundle in the OpenSSF model signing format: a DSSE envelope around an in-toto statement that lists each
file with its SHA-256. The library that makes it takes a second and 50 MB to import; checking it takes the lines below.
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from serving.artifacts import ArtifactError
from serving.contract import File, Version
from serving.settings import Required

PAYLOAD = "application/vnd.in-toto+json"
PREDICATE = "https://model_signing/signature/v1.0"
METHOD = {"method": "files", "hash_type": "sha256", "allow_symlinks": False}
HASHES: dict[int, hashes.HashAlgorithm] = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}  # by curve


@dataclass(frozen=True)
class Trust:
    """Whose signatures count, and for what they are needed.

    Attributes:
        keys: files of public keys, PEM.
        required: ``governed``: what answers for a governed team, as the routing table says; ``all``: whatever answers.
    """

    keys: Sequence[Path] = ()
    required: Required = "governed"

    def check(self, version: Version, *, answers: bool) -> None:
        """Return if the version may be used: its signature holds, or it needs none; likewise that of its converted file.

        Args:
            answers: requests are routed to it, rather than that it is kept warm.

        Raises:
            ArtifactError: says what is wrong with the signature.
        """
        needed = answers and (self.required == "all" or version.governed)
        self._check(version.signature, version.manifest, needed=needed)
        if version.converted:
            try:
                self._check(version.converted.signature, [version.converted.file], needed=needed)
            except ArtifactError as error:
                raise ArtifactError(f"its converted file: {error}") from error

    def _check(self, signed: str, files: list[File], *, needed: bool) -> None:
        if signed:
            self._verify(signed, files)
        elif needed:
            raise ArtifactError("it is not signed, and what answers has to be")

    def _verify(self, signed: str, files: list[File]) -> None:
        try:
            bundle: Any = msgspec.json.decode(signed)
            key = self._key(bundle["verificationMaterial"]["publicKey"]["hint"])
            envelope = bundle["dsseEnvelope"]
            payload = base64.b64decode(envelope["payload"], validate=True)
            signature = base64.b64decode(envelope["signatures"][0]["sig"], validate=True)
            framed = b"DSSEv1 %d %s %d %s" % (len(PAYLOAD), PAYLOAD.encode(), len(payload), payload)
            key.verify(signature, framed, ec.ECDSA(HASHES[key.key_size]))
            statement: Any = msgspec.json.decode(payload)
            named = {file["name"]: (file["algorithm"], file["digest"]) for file in statement["predicate"]["resources"]}
            kind = (envelope["payloadType"], statement["predicateType"], statement["predicate"]["serialization"])
        except InvalidSignature:
            raise ArtifactError("its signature does not hold") from None
        except (msgspec.DecodeError, binascii.Error, LookupError, TypeError, ValueError, RecursionError) as error:
            raise ArtifactError(f"its signature cannot be read: {error}") from error
        if kind != (PAYLOAD, PREDICATE, METHOD) or named != {f.path: ("sha256", f.sha256) for f in files}:
            raise ArtifactError("its signature is over other files")

    def _key(self, wanted: str) -> ec.EllipticCurvePublicKey:
        for path in self.keys:
            try:
                key = serialization.load_pem_public_key(path.read_bytes())
            except (OSError, ValueError):
                continue  # the others may do
            pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            if hashlib.sha256(pem).hexdigest() == wanted and isinstance(key, ec.EllipticCurvePublicKey):
                return key
        raise ArtifactError(f"key {wanted[:16]!s} that signed it is not trusted here; see SIGNING_TRUSTED_KEYS")
