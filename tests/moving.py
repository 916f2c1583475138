"""A backup of the running product, restored elsewhere: the same champion serves, and the trail holds.

`test_product.py` collects this test, so that one process has the product.
"""

import subprocess
import sys

from controlplane.embedded import free_port
from controlplane.supervisor.config import REPOSITORY, VARIABLES
from tests.stack import Stack


def test_backup_of_the_running_product_restored_elsewhere_serves_the_same_champion(stack, tmp_path):
    kept = tmp_path / "kept"
    before = stack.api("engineer", "GET", "/models/flight-delay/versions")[1]
    told = stack.supervisor("backup", TO=str(kept))
    ports = {name: str(free_port()) for name in VARIABLES if name.endswith("_PORT")}
    elsewhere = Stack(tmp_path / "var", {**stack.environment, **ports, "VAR_DIR": str(tmp_path / "var")})

    restored = elsewhere.supervisor("restore", FROM=str(kept))
    again = elsewhere.supervisor("restore", FROM=str(kept), check=False)
    try:
        started = elsewhere.supervisor("demo", "--detach", check=False)
        elsewhere.until(lambda: elsewhere.infer()[0] == 200, seconds=120, what="the restored champion to serve")
        after = elsewhere.api("engineer", "GET", "/models/flight-delay/versions")[1]
        verified = subprocess.run(
            [sys.executable, "manage.py", "audit_verify"], cwd=REPOSITORY, capture_output=True, text=True, check=False,
            env={**elsewhere.environment},
        )  # fmt: skip
    finally:
        elsewhere.supervisor("reset", YES="1")

    assert "keys among them" in told.stdout
    assert "Restored what was backed up" in restored.stdout
    assert again.returncode == 1
    assert "Nothing was restored" in again.stdout
    assert started.returncode == 0, started.stdout
    assert {(v["number"], v["artifact_digest"]) for v in after["results"]} >= {
        (v["number"], v["artifact_digest"]) for v in before["results"]
    }
    assert verified.returncode == 0, verified.stderr
    assert "The chain holds" in verified.stdout
