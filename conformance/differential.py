"""The same calls to both servers, and whether a caller could tell the answers apart."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from unittest import mock

from mlflow import MlflowClient

from conformance.recorder import Recorded, Recorder
from conformance.servers import Address

# Where this product answers otherwise on purpose: what the call looks like, and why.
ON_PURPOSE = {
    r"create_run\(": "a run carries its author, and lies in its team's folder",
    r"_registered_model\(.*…259": "MLflow's SQLite takes what its PostgreSQL refuses with a fault",
    r"_registered_model\(.*\\x00": "PostgreSQL holds no NUL",
    r"\('source-\d+', ('s3|'dbfs|.*a#b)": "artifacts lie in this product's own store, or are not registered",
    r"get_model_version_download_uri\('source-(5|6|21)'": "artifacts lie in this product's own store, or are not registered",
    r"search_registered_models\(max_results=(0|-1)\)": "MLflow's own server answers with empty pages without end",
    r"search_.*(page_token='garbage'|page_token='bm9uZQ==')": "a token points behind a row, so it is refused in other words",
    r"order_by=\[('name', 'name|'timestamp', 'last)": "MLflow's own server answers with a fault (500) instead of a refusal",
    r"search_prompt_versions": "aliases come back in searches",
    r"archive_existing_versions=True": "MLflow's own server answers with a fault (500) instead of a refusal",
}


@dataclass(frozen=True)
class Difference:
    """A call that was not answered alike."""

    call: str
    theirs: str
    ours: str

    @property
    def reason(self) -> str:
        """Why it differs, where that is on purpose."""
        return next((reason for pattern, reason in ON_PURPOSE.items() if re.search(pattern, self.call)), "")


def record(address: Address, calls: Callable[[Recorder], None]) -> list[Recorded]:
    """Make ``calls`` as a client of ``address``."""
    recorder = Recorder(MlflowClient(address.url))
    with mock.patch.dict(os.environ, address.environment()):
        if not address.token:
            del os.environ["MLFLOW_TRACKING_TOKEN"]
        calls(recorder)
    return recorder.recorded


def differences(theirs: list[Recorded], ours: list[Recorded]) -> list[Difference]:
    """Return the calls that were answered differently, in their order."""
    return [
        Difference(their.call, their.answer, our.answer if our.call == their.call else f"to {our.call}: {our.answer}")
        for their, our in zip(theirs, ours, strict=True)
        if their != our
    ]
