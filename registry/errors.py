"""Refusals: what is not allowed, and who can clear it. Edges turn them into pages, problem documents or MLflow errors."""


class RefusedError(Exception):
    """A rule refused the action; nothing was changed.

    Attributes:
        code: short stable name, for programs.
        status: the HTTP status that fits.
        unmet: each unmet rule as {"rule", "who"}: what is missing, and who can clear it.
    """

    code = "refused"
    status = 403

    def __init__(self, message: str, *, unmet: list[dict[str, str]] | None = None) -> None:
        super().__init__(message)
        self.unmet = unmet or []


class RoleError(RefusedError):
    """The person's role in the team does not allow this."""

    code = "role"


class FourEyesError(RefusedError):
    """Who requested, made or contributed to a version cannot approve it."""

    code = "four-eyes"


class FreshLoginError(RefusedError):
    """The policy asks for a newer log-in before a decision."""

    code = "fresh-login"


class GuardedAliasError(RefusedError):
    """A guarded alias moves by an approved promotion or a rollback alone."""

    code = "guarded-alias"


class StaleBindingError(RefusedError):
    """The artifact, criteria or evidence changed since the person looked."""

    code = "stale-binding"
    status = 409


class ConflictError(RefusedError):
    """The present state does not allow this."""

    code = "conflict"
    status = 409


class CriteriaError(RefusedError):
    """Blocking criteria, or rules beside them such as the error budget, are not met."""

    code = "criteria"
    status = 409


class InvalidError(RefusedError):
    """A value is not acceptable; names the field and the way out."""

    code = "invalid"
    status = 400

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field
