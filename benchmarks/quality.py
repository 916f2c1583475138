"""What it takes to join predictions with their labels in the lake, and to find out what a late label has changed.

A day of one model's predictions with random ids, each with a label that came a day later; the product counts its quality as it
does by the clock. Then ten labels are corrected. Memory is the peak of the process above what it held before.
"""

import re
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.catalogue import installation
from benchmarks.report import Row, arguments, finish

DAY = datetime(2026, 11, 20, tzinfo=UTC)
NOW = DAY + timedelta(days=2)
HOURS = 24


def main() -> None:
    """Fill a day, count it, correct a few labels, and count what that changed."""
    options = arguments(__doc__ or "")
    total = 100_000 if options.quick else 1_000_000
    with installation():
        from monitoring.models import QualityWindow
        from monitoring.quality import counting as quality_counting

        model_id = _model(total)
        first, *_ = [_fill(model_id, hour, total // HOURS) for hour in range(HOURS)]
        quality_counting.TURN_S = 3600.0
        counting_s, memory = _measured(quality_counting.count_quality)
        labelled = sum(QualityWindow.objects.filter(span=3600).values_list("labelled", flat=True))
        if labelled != total // HOURS * HOURS:
            raise RuntimeError(f"{labelled} of {total // HOURS * HOURS} labels were found")
        _label(model_id, first, NOW)
        again_s, _ = _measured(quality_counting.count_quality)
        idle_s, _ = _measured(quality_counting.count_quality)
        stored = sum(
            len(bytes(cells)) for cells in QualityWindow.objects.filter(span=3600).values_list("cells", flat=True)
        )
    rows = [
        Row("quality.predictions", total),
        Row("quality.join_s", counting_s, "s"),
        Row("quality.join_mb", memory / 1e6, "MB", ("≤", 1000.0)),
        Row("quality.late_labels_s", again_s, "s"),
        Row("quality.nothing_new_ms", idle_s * 1000, "ms"),
        Row("quality.bytes_per_hour", stored / HOURS, "B"),
    ]
    finish(rows, options.json)


def _model(total: int) -> int:
    from django.contrib.auth.models import User

    from monitoring.models import TelemetryHour
    from registry import services
    from registry.access import Actor
    from registry.models import Membership, Role, Team

    user = User.objects.create_user("engineer")
    team = Team.objects.create(slug="bench", name="Bench")
    Membership.objects.create(team=team, user=user, role=Role.ENGINEER)
    actor = Actor(user, "session")
    model = services.model_create(actor=actor, team=team, name="flight-delay")
    version = services.version_create(actor=actor, model=model, source="runs:/abc/model", run_id="abc")
    TelemetryHour.objects.bulk_create(
        TelemetryHour(version=version, arm="champion", started_at=DAY + timedelta(hours=hour), rows=total // HOURS)
        for hour in range(HOURS)
    )
    return model.pk


def _fill(model_id: int, hour: int, rows: int) -> list[str]:
    """Write an hour of predictions and their labels, and return ten of the ids."""
    from deltalake import CommitProperties

    from monitoring.predictions.lake import PREDICTIONS, SCHEMA, write

    draw = np.random.default_rng(hour)
    ids = [uuid.UUID(bytes=draw.bytes(16)).hex for _ in range(rows)]
    at = DAY + timedelta(hours=hour, minutes=30)
    scores = draw.beta(1, 4, rows)
    given = {
        "model": ["flight-delay"] * rows, "day": [DAY.date()] * rows, "request_id": ids, "row": [0] * rows, "at": [at] * rows,
        "model_id": [model_id] * rows, "version": [1] * rows, "arm": ["champion"] * rows, "pinned": [False] * rows,
        "status": [200] * rows, "score": scores, "inputs": ['{"carrier":"AA","distance":200.5}'] * rows,
        "outputs": [f'{{"probability":{score:.6f}}}' for score in scores],
    }  # fmt: skip
    columns = [given.get(field.name, pa.nulls(rows, field.type)) for field in SCHEMA]
    write(PREDICTIONS, pa.table(columns, schema=SCHEMA), CommitProperties())
    _label(model_id, ids, DAY + timedelta(days=1, hours=hour), happened=draw.random(rows) < scores)
    return ids[:10]


def _label(model_id: int, ids: list[str], received: datetime, happened: np.ndarray | None = None) -> None:
    from deltalake import CommitProperties

    from monitoring.labelling.labels import SCHEMA, TABLE
    from monitoring.predictions import lake

    n = len(ids)
    given = {
        "model": ["flight-delay"] * n, "day": [received.date()] * n, "request_id": ids, "row": [0] * n, "time": [received] * n,
        "number": np.ones(n) if happened is None else happened.astype(float), "model_id": [model_id] * n,
        "received_at": [received] * n,
    }  # fmt: skip
    columns = [given.get(field.name, pa.nulls(n, field.type)) for field in SCHEMA]
    lake.write(TABLE, pa.table(columns, schema=SCHEMA), CommitProperties())


def _measured(count: object) -> tuple[float, int]:
    """Return how long a turn took, and by how many bytes memory rose above what was held."""
    from monitoring.models import QualityCursor

    QualityCursor.objects.update(looked_at=None)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    held, began = _status("VmRSS"), time.perf_counter()
    count(now=NOW)  # type: ignore[operator]
    return time.perf_counter() - began, _status("VmHWM") - held


def _status(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found.group(1)) * 1024 if found else 0


if __name__ == "__main__":
    main()
