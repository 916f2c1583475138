"""The guide to one's own first model, typed in as it stands: its commands reach a model that the gateway serves.

`test_product.py` collects this test, so that one process has the product.
"""

import json
import shutil
import subprocess
import sys

import pytest

from tests.docs import ROOT, blocks

GUIDE = "docs/guides/first-model.md"
# The product of the tests runs already, in an environment of its own.
DEMO, PYTHON = "make demo DETACH=1", ".venv/bin/python"


@pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("bash")), reason="types in what a person would, by bash and curl"
)
def test_guide_to_ones_own_first_model_leads_to_a_model_that_serves(stack, tmp_path):
    typed = [block.text for block in blocks(GUIDE) if block.language == "sh" and not block.unrun]
    script = "\n".join(["set -euo pipefail", *typed]).replace(DEMO, ":").replace(PYTHON, sys.executable)
    for name, place in (("var", stack.var), ("examples", ROOT / "examples")):
        (tmp_path / name).symlink_to(place)

    done = subprocess.run(
        [shutil.which("bash"), "-c", script], cwd=tmp_path, env=stack.environment, capture_output=True, text=True, check=False, timeout=420
    )  # fmt: skip

    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    [answer] = json.loads(done.stdout.splitlines()[-1])["predictions"]
    assert 0 < answer < 1
    _, champion = stack.api("viewer", "GET", "/models/loan-default/aliases/champion")
    assert champion["version"] == 1
