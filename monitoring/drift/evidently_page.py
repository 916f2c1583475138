"""Evidently's own page of two samples: ``python -m monitoring.drift.evidently_page REFERENCE.parquet CURRENT.parquet PAGE.html``.

A process of its own, because the library takes seconds to import, and memory and time in proportion to the rows: it sets its own limits. Its
standard input names the columns as JSON: {"numbers": [...], "categories": [...]}. It knows nothing of Django and of no secrets, and Python
opens no connection in it.
"""

import json
import os
import resource
import sys
from pathlib import Path

CPU_S = 300
ADDRESS_SPACE = 6 * 1024**3  # what its libraries map without using it included


def main() -> None:
    """Read both sides, write the page."""
    sys.addaudithook(_refuse_network)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    os.environ["DO_NOT_TRACK"] = "1"
    reference, current, page = map(Path, sys.argv[1:4])
    _draw(reference, current, page, json.load(sys.stdin))


def _draw(reference: Path, current: Path, page: Path, columns: dict[str, list[str]]) -> None:
    import numpy as np
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    definition = DataDefinition(numerical_columns=columns["numbers"], categorical_columns=columns["categories"])
    with np.errstate(invalid="ignore", divide="ignore"):  # a constant column has no correlation to draw
        snapshot = Report([DataDriftPreset()]).run(
            *(Dataset.from_pandas(pd.read_parquet(side), data_definition=definition) for side in (current, reference))
        )
    snapshot.save_html(str(page))


def _refuse_network(event: str, _: tuple[object, ...]) -> None:
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.sendmsg", "socket.bind"):
        raise PermissionError(f"{event}: what draws the page has no business in the network.")


if __name__ == "__main__":
    main()
