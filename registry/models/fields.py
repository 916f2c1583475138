"""Words that several models share."""

DIGEST_HELP = "sha256:<64 hex digits>"
