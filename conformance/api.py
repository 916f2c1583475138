"""`python -m conformance.api`: whether the control plane keeps to its own OpenAPI document, whatever it is sent.

Starts a web process on one of everything that a team may own, and lets Schemathesis call every operation, as a member of each
role and as another team's engineer: no 5xx, and no status, content type or body that the document does not tell. What deletes
comes after the rest. Prints what is wrong, and ends with 1 where something is.
"""

import json
import re
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

from conformance.peers import schemathesis
from conformance.servers import control_plane

WORLD = "from conformance.world import make; make()"
SEED = "8"
# What fits the document seldom names what is there, so that its being refused is no fault; and texts may be sent as numbers.
UNCHECKED = "positive_data_acceptance,negative_data_rejection"
THOROUGH = ["--phases", "coverage,fuzzing", "--max-examples", "8"]
BRIEF = ["--phases", "fuzzing", "--max-examples", "2"]
# Who asks, and how much: what most roles are refused needs few examples.
ASKING = {"engineer": THOROUGH, "approver": BRIEF, "product": BRIEF, "admin": BRIEF, "viewer": BRIEF, "stranger": BRIEF}
METHODS = (["GET", "POST", "PUT", "PATCH"], ["DELETE"])


def main() -> int:
    """Fuzz as everybody."""
    wrong: list[str] = []
    with control_plane(WORLD) as (url, world, log), tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "openapi.json")
        path.write_text(json.dumps(_pointed(_document(url, world["tokens"]["viewer"]), world["known"])))
        for who in sys.argv[1:] or ASKING:
            header = f"Authorization: Bearer {world['tokens'][who]}"
            for methods in METHODS:
                only = [part for method in methods for part in ("--include-method", method)]
                wrong += _fuzzed(
                    f"{who}, {'/'.join(methods)}", path, "--url", url, "--header", header, *ASKING[who], *only
                )
        wrong += [f"web: {trace}" for trace in log.read_text().split("ERROR ")[1:]]
    sys.stdout.write("\n".join([*wrong, f"{len(wrong)} faults\n"]))
    return 1 if wrong else 0


def _document(url: str, token: str) -> dict[str, Any]:
    request = urllib.request.Request(f"{url}/api/schema/?format=json", headers={"Authorization": f"Bearer {token}"})  # noqa: S310
    with urllib.request.urlopen(request) as answer:  # noqa: S310  our own server on 127.0.0.1
        return dict(json.load(answer))


def _pointed(document: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """Lead every path to what is there, and leave out the key by which a second request gets the first one's answer."""
    for path, item in document["paths"].items():
        for operation in item.values():
            told = [one for one in operation.get("parameters", []) if one["name"] != "Idempotency-Key"]
            for parameter in told:
                if parameter["in"] == "path":
                    name = parameter["name"]
                    before = path.partition(f"/{{{name}}}")[0].rpartition("/")[2]
                    value = known[f"{before} {'pk' if name == 'id' else name}"]
                    parameter["schema"] = {"type": "integer" if isinstance(value, int) else "string", "enum": [value]}
            operation["parameters"] = told
    return document


def _fuzzed(name: str, document: Path, *options: str) -> list[str]:
    command = [
        str(schemathesis()), "run", str(document), *options, "--exclude-checks", UNCHECKED, "--seed", SEED,
        "--workers", "2", "--continue-on-failure", "--no-color", "--warnings", "off", "--generation-database", "none",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=document.parent)  # noqa: S603
    counted = re.findall(r"(?:Tested|Selected): .*|\d+ generated.*", done.stdout)
    sys.stdout.write(f"{name}: {'; '.join(counted)}\n")
    return [f"{name}: {done.stdout}{done.stderr[-2000:]}"] if done.returncode else []


if __name__ == "__main__":
    sys.exit(main())
