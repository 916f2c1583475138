"""What the benchmarks of the gateway serve: LightGBM, 200 trees, 63 leaves, 30 features, and who may ask for it."""

import hashlib
from pathlib import Path

import lightgbm
import numpy as np

from serving.contract import Caller, CallerList, Column, File, Version, callers_path, manifest_digest, write_callers

FEATURES, TREES, LEAVES = 30, 200, 63
COLUMNS = [Column(f"x{i}", "double") for i in range(FEATURES)]
MODEL_ID = 1
AT = "2026-01-01T00:00:00+00:00"


def train(home: Path, number: int, trees: int = TREES) -> Version:
    """Train one version on random rows, and write it to a folder below ``home``."""
    random = np.random.default_rng(number)
    rows = random.normal(size=(20_000, FEATURES))
    noise = random.normal(size=len(rows))
    target = rows[:, 0] + rows[:, 1] * rows[:, 2] + np.sin(rows[:, 3]) + noise > 0
    settings = {"objective": "binary", "num_leaves": LEAVES, "verbose": -1, "seed": number, "num_threads": 2}
    names = [column.name for column in COLUMNS]
    booster = lightgbm.train(settings, lightgbm.Dataset(rows, target, feature_name=names), trees)
    folder = home / f"v{number}"
    folder.mkdir()
    booster.save_model(folder / "model.lgb")
    data = (folder / "model.lgb").read_bytes()
    manifest = [File("model.lgb", len(data), hashlib.sha256(data).hexdigest())]
    return Version(number, "lightgbm", str(folder), "model.lgb", manifest_digest(manifest), manifest, COLUMNS)


def admit(table: Path, version: int, *secrets: str) -> None:
    """Publish, beside the table, who may ask: the owners of ``secrets``, numbered from 1."""
    callers = [
        Caller(i, f"sha256:{hashlib.sha256(secret.encode()).hexdigest()}", [MODEL_ID])
        for i, secret in enumerate(secrets, 1)
    ]
    write_callers(CallerList(version, AT, callers), callers_path(table))
