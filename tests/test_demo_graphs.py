"""The demo's faulty candidates: sound files that answer as their trees do, except for rows of a kind that no evaluation saw."""

import lightgbm
import numpy as np
import pandas as pd
import pytest

from controlplane.demo.graphs import FREEZING, TABLE_TO, graph_of, with_dear_term, with_short_table
from serving.contract import Column
from serving.probe import probe
from serving.runtimes import load_runtime

NAMES = ["pressure", "temperature", "delay"]
COLUMNS = [Column(name, "double") for name in NAMES]


def made_rows(count, *, missing=("pressure", "temperature")):
    chance = np.random.default_rng(11)
    rows = pd.DataFrame(
        {
            "pressure": chance.normal(1018, 8, count),
            "temperature": chance.normal(50, 15, count),
            "delay": chance.normal(10, 30, count),
        }
    )
    for name in missing:
        rows.loc[chance.uniform(size=count) < 0.1, name] = np.nan
    return rows


@pytest.fixture(scope="module")
def booster():
    rows = made_rows(3000)
    late = (rows["delay"] + rows["pressure"].fillna(1000) - 1015 > 20).astype(int)
    params = {"objective": "binary", "num_leaves": 7, "seed": 3, "num_threads": 1, "verbose": -1, "deterministic": True}
    return lightgbm.train(params, lightgbm.Dataset(rows, late), 20)


def served(model):
    return load_runtime("onnx", model.SerializeToString(), COLUMNS)


def values(rows):
    """Return the rows by column as a gateway reads them: None is missing."""
    return [[None if np.isnan(value) else value for value in rows[name].tolist()] for name in rows]


@pytest.mark.parametrize("build", [graph_of, with_short_table, with_dear_term])
def test_each_graph_answers_as_its_trees_do(booster, build):
    rows = made_rows(500, missing=NAMES)  # also where training saw every value
    rows["pressure"] = rows["pressure"].clip(upper=TABLE_TO)

    runtime = served(build(booster))

    assert (runtime.output.name, runtime.output.width) == ("probability", 1)
    np.testing.assert_allclose(runtime.predict(values(rows), 500), booster.predict(rows), atol=1e-6)
    assert probe("onnx", build(booster).SerializeToString(), COLUMNS) >= 0


def test_the_short_table_fails_for_high_pressure_alone(booster):
    runtime = served(with_short_table(booster))

    for pressure in (0.0, 950.0, float(TABLE_TO), TABLE_TO + 0.9, None):
        assert len(runtime.predict_row([pressure, 40.0, 5.0])) == 1
    for pressure in (TABLE_TO + 1.0, 1041.0):
        with pytest.raises(Exception, match="out of data bounds"):
            runtime.predict_row([pressure, 40.0, 5.0])


def test_the_dear_term_runs_where_it_freezes_alone(booster):
    """Judged by the answer, whose last digits it changes: how long it takes is the machine's affair."""
    dear, plain = with_dear_term(booster), served(graph_of(booster))
    (tiny,) = (t for t in dear.graph.initializer if t.name == "tiny")
    tiny.float_data[:] = []
    tiny.raw_data = np.float32(1.0).tobytes()
    loud = served(dear)

    for temperature in (FREEZING, 60.0, None):
        assert loud.predict_row([1015.0, temperature, 5.0]) == plain.predict_row([1015.0, temperature, 5.0])
    assert loud.predict_row([1015.0, FREEZING - 1, 5.0]) != plain.predict_row([1015.0, FREEZING - 1, 5.0])


def test_the_dear_graph_is_known_to_be_slow(booster):
    """So the gateway asks it off its event loop, where it holds up nobody else."""
    assert served(with_dear_term(booster)).slow
