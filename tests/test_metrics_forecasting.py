"""The measures of forecasts are those of utilsforecast and scoringrules, and of series whose answers are known."""

import numpy as np
import pandas as pd
import pytest
import scoringrules
import utilsforecast.losses as theirs

from experiments.metrics import forecasting, regression
from experiments.metrics.forecasting import Forecasts

SEASON = 4
LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)


@pytest.fixture(scope="module")
def world():
    """Three series of different length and size: what came before, what was forecast in two origins, and what came."""
    random = np.random.default_rng(9)
    history, rows = [], []
    for code, (length, size) in enumerate([(40, 10.0), (24, 300.0), (60, 0.5)]):
        season = np.tile([1.0, 1.3, 0.8, 1.1], 20)[: length + 8]
        values = size * season * random.lognormal(0, 0.2, length + 8)
        history += [{"unique_id": code, "ds": i, "y": y} for i, y in enumerate(values[:length])]
        for origin in range(2):
            for step in range(1, 4 + code % 2):  # a longer one counts no more
                at = length + 4 * origin + step - 1
                guess = values[at] * random.lognormal(0, 0.3)
                spread = {f"q{level}": guess * (1 + level - 0.5) for level in LEVELS}
                rows.append({"unique_id": code, "origin": origin, "step": step, "y": values[at], "f": guess, **spread})
    return pd.DataFrame(history), pd.DataFrame(rows)


def forecasts(history, rows, **more) -> Forecasts:
    scale = {
        code: forecasting.seasonal_scale(of_one["y"], SEASON) for code, of_one in history.groupby("unique_id")
    }  # fmt: skip
    return Forecasts(
        rows["unique_id"].to_numpy(), rows["origin"].to_numpy(), rows["step"].to_numpy(), rows["y"].to_numpy(),
        rows["f"].to_numpy(), rows["unique_id"].map(scale).to_numpy(),
        {level: rows[f"q{level}"].to_numpy() for level in LEVELS}, **more,
    )  # fmt: skip


def measured(rows: Forecasts) -> dict[str, float]:
    sums = forecasting.sums(rows, rows.series)
    whole = {name: values.sum() for name, values in sums.items()}
    return {name: float(of(whole)) for name, of in forecasting.statistics(sums).items()}


def test_measures_are_those_of_utilsforecast(world):
    history, rows = world

    ours = measured(forecasts(history, rows))

    def mean(found):
        return found["f"].mean()

    assert ours["mase"] == pytest.approx(mean(theirs.mase(rows, ["f"], seasonality=SEASON, train_df=history)))
    assert ours["smape"] == pytest.approx(2 * mean(theirs.smape(rows, ["f"])))  # theirs ends at 1, M4's at 2
    assert ours["wape"] == pytest.approx(mean(theirs.nd(rows.assign(unique_id=0), ["f"])))
    one = rows.assign(unique_id=0)
    assert ours["mean_absolute_error"] == pytest.approx(mean(theirs.mae(one, ["f"])))
    assert ours["root_mean_squared_error"] == pytest.approx(mean(theirs.rmse(one, ["f"])))
    assert ours["pinball_loss"] == pytest.approx(
        mean(theirs.mqloss(one, {"f": [f"q{level}" for level in LEVELS]}, np.array(LEVELS)))
    )
    in_80 = one.assign(**{"f-lo-80": one["q0.1"], "f-hi-80": one["q0.9"]})
    assert ours["coverage_80pct"] == pytest.approx(mean(theirs.coverage(in_80, ["f"], level=80)))
    assert ours["coverage_50pct"] <= ours["coverage_80pct"]


def test_known_answers_by_the_definitions_of_m4():
    # The history steps by 1 each quarter of the same kind, so the scale is 1; forecasts are 2 off.
    scale = forecasting.seasonal_scale([1.0, 5, 9, 2, 2, 6, 10, 3], 4)
    code, two = np.zeros(2, dtype=int), np.array([1, 2])

    found = measured(Forecasts(code, code, two, np.array([10.0, 30.0]), np.array([12.0, 28.0]), np.full(2, scale)))

    assert scale == 1.0
    assert found["mase"] == 2.0
    assert found["smape"] == pytest.approx((2 * 2 / 22 + 2 * 2 / 58) / 2)
    assert found["wape"] == pytest.approx(4 / 40)
    assert found["forecast_bias"] == 0.0


def test_a_seasonal_naive_forecast_of_its_own_history_has_a_mase_of_one(world):
    history, _ = world
    series = history[history["unique_id"] == 0]["y"].to_numpy()
    n = len(series) - SEASON
    zero, scale = np.zeros(n, dtype=int), forecasting.seasonal_scale(series, SEASON)

    rows = Forecasts(zero, np.arange(n), np.ones(n, dtype=int), series[SEASON:], series[:-SEASON], np.full(n, scale))

    assert measured(rows)["mase"] == pytest.approx(1.0)


def test_series_without_a_scale_enter_no_mase():
    code = np.array([0, 1])
    scale = np.array([2.0, forecasting.seasonal_scale([3.0, 3.0, 3.0], 1)])

    found = measured(Forecasts(code, code, code + 1, np.array([5.0, 9.0]), np.array([1.0, 0.0]), scale))

    assert found["mase"] == 2.0
    assert np.isnan(forecasting.seasonal_scale([1.0, 2.0], 4))
    assert measured(Forecasts(code, code, code, np.zeros(2), np.zeros(2), scale))["smape"] == 0.0


def test_crps_is_that_of_scoringrules(world):
    random = np.random.default_rng(2)
    actual, mean, spread = random.normal(size=(3, 50))
    ensemble, spread = random.normal(size=(50, 21)).round(1), np.abs(spread) + 0.1
    quantiles = {level: mean + spread * level for level in LEVELS}

    np.testing.assert_allclose(
        forecasting.crps_of_normal(actual, mean, spread), scoringrules.crps_normal(actual, mean, spread), atol=1e-12
    )
    np.testing.assert_allclose(
        forecasting.crps_of_ensemble(actual, ensemble),
        scoringrules.crps_ensemble(actual, ensemble, estimator="nrg"), atol=1e-12,
    )  # fmt: skip
    np.testing.assert_allclose(
        forecasting.crps_of_quantiles(actual, quantiles),
        scoringrules.crps_quantile(actual, np.column_stack([*quantiles.values()]), np.array(LEVELS)), atol=1e-12,
    )  # fmt: skip
    for level, values in quantiles.items():
        np.testing.assert_allclose(
            forecasting.pinball(actual, values, level), scoringrules.quantile_score(actual, values, level)
        )
    history, rows = world
    assert measured(forecasts(history, rows, spread=np.full(len(rows), 2.0)))["crps"] == pytest.approx(
        scoringrules.crps_normal(rows["y"], rows["f"], 2.0).mean()
    )


def test_regression_is_that_of_scikit_learn():
    from sklearn import metrics as sk

    random = np.random.default_rng(4)
    actual = random.normal(1e6, 3.0, 500)  # a mean that squares would drown in
    predicted = actual + random.normal(0.5, 2.0, 500)

    totals = {name: values.sum() for name, values in regression.sums(actual, predicted, np.arange(500) % 7).items()}
    found = {name: float(of(totals)) for name, of in regression.STATISTICS.items()}

    assert found["mean_absolute_error"] == pytest.approx(sk.mean_absolute_error(actual, predicted))
    assert found["root_mean_squared_error"] == pytest.approx(sk.root_mean_squared_error(actual, predicted))
    assert found["r_squared"] == pytest.approx(sk.r2_score(actual, predicted))
    assert found["mean_error"] == pytest.approx((predicted - actual).mean())


def test_rows_that_make_no_sense_are_refused():
    one = np.ones(1, dtype=int)
    for wrong, said in (
        ({"actual": np.array([np.nan])}, "actual"), ({"point": np.zeros(2)}, "point"), ({"quantiles": {10: np.zeros(1)}}, "levels"),
    ):  # fmt: skip
        rows = {"actual": np.zeros(1), "point": np.zeros(1), "scale": np.ones(1), **wrong}
        with pytest.raises(ValueError, match=said):
            Forecasts(one, one, one, **rows)
    with pytest.raises(ValueError, match="above 0"):
        forecasting.crps_of_normal(np.zeros(1), np.zeros(1), np.zeros(1))
    with pytest.raises(ValueError, match="season"):
        forecasting.seasonal_scale([1.0], 0)
    with pytest.raises(ValueError, match="predictions"):
        regression.sums([1.0], [float("inf")], np.zeros(1, dtype=int))
