"""LitServe, as its guide says: one worker, no batching. ``litserve_app.py MODEL PORT``."""
# Runs in the peer's environment.
# mypy: ignore-errors

import sys

import lightgbm
import litserve
import numpy as np


class Model(litserve.LitAPI):
    """The booster behind ``/predict``."""

    def setup(self, device):
        """Load the model."""
        self.booster = lightgbm.Booster(model_file=sys.argv[1])

    def decode_request(self, request):
        """Return the rows."""
        return np.asarray(request["input"], dtype=np.float64)

    def predict(self, rows):
        """Answer the rows."""
        return self.booster.predict(rows, num_threads=1)

    def encode_response(self, output):
        """Return what becomes JSON."""
        return {"output": output.tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Model(), accelerator="cpu", workers_per_device=1)
    server.run(
        host="127.0.0.1", port=int(sys.argv[2]), num_api_servers=1, log_level="error", generate_client_file=False
    )
