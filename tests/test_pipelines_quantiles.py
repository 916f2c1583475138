"""Quantiles of forecasts: what they cover of errors that were not seen, that they never cross, and that they are served as measured."""

import msgspec
import numpy as np
import pytest

from experiments.pipelines.quantiles import calibrated, levels_of
from serving.contract import read_quantiles

LEVELS = levels_of(19)


def errors(n, steps, power, seed=1):
    """Origins of series of very different sizes, whose misses grow with the step, and with a power of the size."""
    random = np.random.default_rng(seed)
    size = 10 ** random.uniform(0, 3, n)
    lags = size * random.uniform(0.9, 1.1, (4, n))
    forecasts = np.repeat(size[:, None], steps, axis=1)
    misses = random.standard_normal((n, steps)) * np.sqrt(np.arange(1, steps + 1)) * (size**power)[:, None]
    return forecasts, forecasts + misses, lags


@pytest.mark.parametrize("power", [0.5, 1.0])
def test_new_errors_lie_inside_as_often_as_is_said_at_every_step_and_size(power):
    made = calibrated(*errors(4000, 3, power), levels=LEVELS)
    forecasts, came, lags = errors(4000, 3, power, seed=2)

    around = made.around(forecasts, made.scales(lags.tolist()))

    assert made.power == power
    inside = (around[:, :, 1] <= came) & (came <= around[:, :, -2])
    for part in (slice(None), (lags[0] > 2) & (lags[0] < 10), lags[0] > 300):
        assert inside[part].mean(axis=0) == pytest.approx(0.8, abs=0.05)
    assert (np.diff(around, axis=2) >= 0).all()
    widths = np.diff(around[:, :, [1, -2]], axis=2)[:, :, 0].mean(axis=0)
    assert widths / widths[0] == pytest.approx(np.sqrt([1, 2, 3]), rel=0.1)
    assert read_quantiles(msgspec.json.encode(made)) == made


def test_steps_with_too_few_errors_have_no_quantiles():
    forecasts, came, lags = errors(100, 3, 0.0)
    came[39:, 2] = np.nan  # 0.05 takes two errors beyond it: 40 in all

    made = calibrated(forecasts, came, lags, levels=LEVELS)

    assert made.steps == 2
    assert np.isnan(made.around(forecasts, made.scales(lags.tolist()))[:, 2]).all()
    assert calibrated(forecasts[:39], came[:39], lags[:, :39], levels=LEVELS) is None
    assert calibrated(forecasts, came, lags, levels=[]) is None


def test_what_is_never_negative_has_no_quantile_below_nothing():
    forecasts, came, lags = errors(500, 1, 1.0)

    made = calibrated(forecasts, np.abs(came), lags, levels=LEVELS, lowest=0.0)

    assert made.around(forecasts, made.scales(lags.tolist())).min() == 0.0


def test_rows_without_former_values_count_as_usual_and_none_as_smaller_than_the_smallest():
    made = calibrated(*errors(500, 1, 1.0), levels=LEVELS)

    scales = made.scales([[None, 0.0, 100.0], [None, 0.0, np.nan], [None, None, np.nan], [None, 0.0, np.nan]])

    assert scales.tolist() == pytest.approx([made.usual, made.least, 100.0])
