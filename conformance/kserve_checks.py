"""What KServe's client must get from the gateway; run by an interpreter that has ``kserve`` and knows nothing of this repository.

Reads the gateway's address, a token and inputs as JSON from standard input; prints what it got as one line of JSON.
"""

import asyncio
import json
import sys

import httpx
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig


async def main() -> None:
    """Ask for health and predictions."""
    told = json.load(sys.stdin)
    url, headers = told["url"], {"Authorization": f"Bearer {told['token']}"}
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    inputs = [InferInput(t["name"], t["shape"], t["datatype"], t["data"]) for t in told["inputs"]]
    answer = await client.infer(url, InferRequest("flight-delay", inputs), headers=headers, model_name="flight-delay")
    try:
        await client.infer(url, InferRequest("flight-delay", inputs[1:]), headers=headers, model_name="flight-delay")
        refused = 200
    except httpx.HTTPStatusError as error:
        refused = error.response.status_code
    found = {
        "live": await client.is_server_live(url),
        "ready": await client.is_server_ready(url),
        "model": await client.is_model_ready(url, "flight-delay", headers=headers),
        "other": await client.is_model_ready(url, "nobody", headers=headers),
        "data": list(answer.outputs[0].data),
        "refused": refused,
    }
    sys.stdout.write(f"{json.dumps(found)}\n")


asyncio.run(main())
