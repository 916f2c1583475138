"""What the control plane holds while it is fuzzed: one of everything that a team may own, and who asks."""

import json
import sys

from registry.models import Role
from tests.factories import make_team, make_token
from tests.test_access import one_of_everything


def make() -> None:
    """Print the ids as ``known``, by the part of an address before each and its name there, and a token of everybody."""
    team = make_team("fuzzed")
    known = {f"{key[0]} {key[1]}": value for key, value in one_of_everything(team).items() if isinstance(key, tuple)}
    tokens = {role: make_token(team, role)[1] for role in Role.values}
    tokens["stranger"] = make_token(make_team("others"))[1]
    sys.stdout.write(json.dumps({"known": known, "tokens": tokens}) + "\n")
