"""What the reference page says that no OpenAPI document holds: problems, changes, and realistic values."""

from dataclasses import dataclass

from registry import errors

CHANGES = [
    (
        "2026-11",
        "First version, `/api/v1/`. Fields and operations are added without notice; a field is removed or changes its "
        "meaning only under a new prefix.",
    ),
]

# What an example sends for a field of this name; other fields get a value of their type.
EXAMPLES: dict[str, object] = {
    "name": "flight-delay",
    "model": "flight-delay",
    "alias": "champion",
    "version": 2,
    "number": 2,
    "to_version": 1,
    "purpose": "Whom to offer another connection before a flight is badly late.",
    "source": "runs:/0a1b2c3d/model",
    "metric": "average_precision",
    "threshold": 0.02,
    "reason": "Better on every month since July; errors and latency unchanged.",
    "seen": "sha256:…",
    "note": "Right call; the feed of weather data was late.",
    "body": "How does it do on small airports?",
    "url": "https://hooks.example.com/control-plane",
    "events": ["promotion.*", "alias.rollback"],
    "expires_at": "2027-12-31T00:00:00Z",
    "revalidate_by": "2027-12-31",
    "from": "2027-01-01T00:00:00Z",
    "to": "2027-02-01T00:00:00Z",
}


@dataclass(frozen=True)
class Problem:
    """A kind of problem: its `type`, status and meaning."""

    kind: str
    status: str
    meaning: str


def problems() -> list[Problem]:
    """Return every kind of problem that the API answers with, named ones first."""
    named = [
        Problem(f"urn:problem:{error.code}", str(error.status), (error.__doc__ or "").partition("\n")[0])
        for error in errors.RefusedError.__subclasses__()
    ]
    query = Problem("urn:problem:query", "400", "A query parameter is unknown, repeated or not acceptable.")
    plain = [
        ("401", "The token is missing, unknown, expired or revoked."),
        ("403", "A session wrote without its CSRF token."),
        ("404", "There is no such object, or it belongs to a team that you or your token are not in."),
        ("409", "A request with the same `Idempotency-Key` is being answered at this moment."),
        ("413, 415", "The body is too large, or not JSON."),
        ("422", "The `Idempotency-Key` was used for another request."),
        ("428", "An approval has to say what it approves: send `seen` or `If-Match`."),
    ]
    return [*named, query, *(Problem("about:blank", status, meaning) for status, meaning in plain)]
