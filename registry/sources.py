"""Where a version's artifact may lie, and what a model may be called. Pure checks, made before anything is opened."""

import re
from urllib.parse import unquote

from registry.errors import InvalidError

SCHEMES = ("mlflow-artifacts", "runs", "models")
_SCHEME = re.compile(r"^([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_NAME = re.compile(r"""[^\x00-\x1f/:;$`<>|&*?"'\\{}%#]{1,256}""")


def check_source(source: str) -> str:
    """Return ``source`` if it names a place in the artifact store; a relative one is an opaque string, never opened.

    Raises:
        InvalidError: another scheme, an absolute path, or one that climbs out, however it is encoded.
    """
    decoded = source
    for _ in range(5):  # "%252e" needs two rounds; what still changes after five is an attack
        decoded, before = unquote(decoded), decoded
        if decoded == before:
            break
    else:
        raise InvalidError("source is encoded too many times over.", field="source")
    scheme = _SCHEME.match(decoded)
    if scheme and scheme[1].lower() not in SCHEMES:
        raise InvalidError(
            f"source uses the scheme {scheme[1]!r}; log the artifact to this server and register it from its run "
            "(mlflow-artifacts:, runs: or models:).",
            field="source",
        )
    path = decoded[scheme.end() :] if scheme else decoded
    climbs = any(part.split(";")[0].strip() == ".." for part in re.split(r"[/\\]", path))
    if (
        climbs
        or "\x00" in decoded
        or "#" in decoded
        or "?" in decoded
        or (not scheme and decoded.startswith(("/", "\\")))
    ):
        raise InvalidError("source leaves the artifact store; register the artifact from its run.", field="source")
    return source


def check_name(name: str) -> str:
    """Return ``name`` if a model may be called so.

    Raises:
        InvalidError: it is empty, too long, or holds a character that shells, paths or URLs give a meaning.
    """
    if not _NAME.fullmatch(name) or name != name.strip() or name in {".", ".."}:
        raise InvalidError(
            "name must be 1 to 256 letters, digits, spaces or . _ - and the like, "
            "without any of / : ; $ ` < > | & * ? \" ' \\ { } % #",
            field="name",
        )
    return name
