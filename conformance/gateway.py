"""`python -m conformance.gateway`: whether clients and a fuzzer that know the protocol alone get along with the gateway.

Starts a gateway that asks for tokens, with one small model. Each peer is installed into an environment of its own below
``.venvs`` at the first run. Prints what is wrong, and ends with 1 where something is.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import triton_to_np_dtype

from conformance.peers import kserve, schemathesis
from serving.contract import Caller
from tests.gateways import RunningGateway, infer_body, make_boosted, make_route, make_table, probability

SECRET = "cp_of-the-conformance-run"
# Bodies that fit the document seldom fit one model's signature, so that their being refused is no fault.
UNCHECKED = "positive_data_acceptance"


def main() -> int:
    """Run all parts."""
    with tempfile.TemporaryDirectory() as folder:
        gateway = RunningGateway(Path(folder), GATEWAY_AUTH="required")
        gateway.admit(Caller(1, f"sha256:{hashlib.sha256(SECRET.encode()).hexdigest()}", [1]))
        gateway.publish(make_table(make_route(make_boosted(Path(folder)))), wait=False)
        gateway.start()
        try:
            wrong = [*_fuzzed(gateway, Path(folder)), *_kserve(gateway), *_triton(gateway)]
        finally:
            gateway.stop()
    sys.stdout.write("\n".join([*wrong, f"{len(wrong)} faults\n"]))
    return 1 if wrong else 0


def _fuzzed(gateway: RunningGateway, folder: Path) -> list[str]:
    """Let Schemathesis try whatever the document allows and forbids, mostly for the model that is there."""
    document = gateway.client.get("/openapi.json").json()
    for item in document["paths"].values():
        for parameter in item.get("parameters", []):
            known = {"model_name": ["flight-delay", "flight-delay@champion"], "model_version": ["1"]}
            parameter["schema"] = {"type": "string", "enum": known[parameter["name"]]}
    path = folder / "openapi.json"
    path.write_text(json.dumps(document))
    command = [
        str(schemathesis()), "run", str(path), "--url", gateway.url,
        "--header", f"Authorization: Bearer {SECRET}", "--exclude-checks", UNCHECKED, "--max-examples", "200",
        "--no-color",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)  # noqa: S603
    sys.stdout.write(done.stdout[done.stdout.find("Test cases:") :].split("Seed")[0].strip() + "\n")
    return [f"schemathesis: {done.stdout[-6000:]}{done.stderr[-2000:]}"] if done.returncode else []


def _kserve(gateway: RunningGateway) -> list[str]:
    """Ask with KServe's own client, unmodified."""
    told = json.dumps({"url": gateway.url, "token": SECRET, "inputs": infer_body()["inputs"]})
    checks = Path(__file__).with_name("kserve_checks.py")
    done = subprocess.run(  # noqa: S603
        [str(kserve()), str(checks)], input=told, capture_output=True, text=True, check=False
    )
    if done.returncode:
        return [f"kserve: {done.stderr[-2000:]}"]
    found = json.loads(done.stdout.splitlines()[-1])
    wanted = {"live": True, "ready": True, "model": True, "other": False, "data": [probability()], "refused": 400}
    sys.stdout.write(f"kserve: {found}\n")
    return [] if found == wanted else [f"kserve: {found} instead of {wanted}"]


def _triton(gateway: RunningGateway) -> list[str]:
    """Ask with Triton's client, whose default are binary tensors."""
    client = triton.InferenceServerClient(f"127.0.0.1:{gateway.port}")
    inputs = []
    for tensor in infer_body()["inputs"]:
        inputs.append(triton.InferInput(tensor["name"], tensor["shape"], tensor["datatype"]))
        inputs[-1].set_data_from_numpy(np.array(tensor["data"], triton_to_np_dtype(tensor["datatype"])))
    answer = client.infer("flight-delay", inputs, headers={"Authorization": f"Bearer {SECRET}"})
    found = answer.as_numpy("probability").tolist()
    sys.stdout.write(f"tritonclient: {found}\n")
    return [] if found == [probability()] else [f"tritonclient: {found}"]


if __name__ == "__main__":
    sys.exit(main())
