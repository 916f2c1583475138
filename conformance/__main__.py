"""`python -m conformance`: run every comparison, print what differs, end with 1 where something does.

Without options it starts this product's MLflow process on an empty database. With `--url` and `--token` it speaks to one that
runs: the token's team has to be one whose aliases and deletes are free, and loses what it holds.
"""

import argparse
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

from conformance import scenario
from conformance.clients import older, own
from conformance.differential import differences, record
from conformance.servers import ROOT, Address, mlflows_own, product

SUITES = ("tests/tracking/test_model_registry.py", "tests/tracking/test_client_webhooks.py")


def main() -> int:
    """Run all parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="of a server that runs already")
    parser.add_argument("--token", default="", help="for it")
    options = parser.parse_args()
    server = nullcontext(Address(options.url, options.token)) if options.url else product()
    with server as address:
        wrong = [f"calls: {line}" for line in _compared(address)]
        for client in [own(), *older()]:
            wrong += [f"{client.name}: {line}" for line in _checked(client.name, client.check(address))]
        wrong += _mlflows_tests(address)
    sys.stdout.write("\n".join(["", *wrong]) + f"\n{len(wrong)} faults\n")
    return 1 if wrong else 0


def _compared(address: Address) -> list[str]:
    """Make the same calls to both servers."""
    ours = record(address, scenario.everything)
    with mlflows_own() as theirs:
        found = differences(record(theirs, scenario.everything), ours)
    on_purpose = [one for one in found if one.reason]
    sys.stdout.write(
        f"{len(ours)} calls: {len(ours) - len(found)} answered alike, {len(on_purpose)} otherwise on purpose\n"
    )
    return [f"{one.call}\n  MLflow: {one.theirs[:500]}\n  here:   {one.ours[:500]}" for one in found if not one.reason]


def _checked(name: str, checks: dict[str, str]) -> list[str]:
    sys.stdout.write(f"{name}: {sum(not wrong for wrong in checks.values())} of {len(checks)} checks passed\n")
    return [f"{check}\n{wrong}" for check, wrong in checks.items() if wrong]


def _mlflows_tests(address: Address) -> list[str]:
    """Run MLflow's own tests, where ``MLFLOW_TESTS`` names a checkout of them."""
    checkout = os.environ.get("MLFLOW_TESTS")
    if not checkout:
        sys.stdout.write("MLflow's own tests: not run; MLFLOW_TESTS names no checkout\n")
        return []
    found = []
    for suite in SUITES:
        if not Path(checkout, suite).exists():
            found.append(
                f"{suite}: MLFLOW_TESTS ({checkout}) has no such file; it names a checkout of the server's release"
            )
            continue
        command = [
            sys.executable, "-m", "pytest", "-q", "--tb=short", "-c", os.devnull, "--rootdir", checkout,
            "-p", "no:cacheprovider", "-p", "no:django", "-p", "conformance.mlflow_tests", suite,
        ]  # fmt: skip
        path = {"PYTHONPATH": os.pathsep.join([checkout, str(ROOT)])}
        done = subprocess.run(command, cwd=checkout, env=os.environ | path | address.environment(), check=False)  # noqa: S603
        found += [f"{suite}: pytest ended with {done.returncode}"] if done.returncode else []
    return found


if __name__ == "__main__":
    sys.exit(main())
