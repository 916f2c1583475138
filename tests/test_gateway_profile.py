"""The benchmark that says where a request's time goes still finds the stages it names, and gets an answer from each."""

import json
import subprocess
import sys

from tests.gateways import ROOT


def test_profile_names_the_stages_of_a_request(tmp_path):
    command = [sys.executable, "-m", "benchmarks.gateway_profile", "--quick", "--json", str(tmp_path / "figures.json")]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)

    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())["figures"]
    assert {"us.request", "us.http", "us.model", "us.record", "us.disk", "us.between"} <= set(figures)
