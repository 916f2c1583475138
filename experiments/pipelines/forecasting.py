"""Forecasts of several steps from lags: trees that go on from their own answers or are told the step, and the plain seasonal one.

A row is one step of one series: its target, what is known of the series, and `lag_1` … `lag_k`, the newest value first.
"""

import re

import lightgbm
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from experiments.metrics import Floats
from experiments.pipelines import forecast_baselines
from experiments.pipelines.choices import ForecastParams, SeasonalParams
from experiments.pipelines.contract import Report, Trained, TrainingRows
from experiments.pipelines.encoding import encoder, gains_of, reporter, settings_of, with_words
from experiments.pipelines.quantiles import calibrated, levels_of
from experiments.rows.roles import HORIZON
from serving.contract import Quantiles

LONGEST = "max_horizon"
MOST_BACKTESTED = 1_000_000  # forecasts that quantiles are learnt from
LAG = re.compile(r"lag_([1-9]\d*)")


def recursive(rows: TrainingRows, params: ForecastParams, report: Report) -> Trained:
    """Fit one step ahead; the gateway feeds each answer back as the newest value of the next step."""
    lags = lags_of(rows)
    return _boosted(rows, params, report, [*_unchanging(rows), *lags], steps=1)


def direct(rows: TrainingRows, params: ForecastParams, report: Report) -> Trained:
    """Fit all steps up to the horizon at once, the step being a column; errors of earlier steps do not add up."""
    lags = lags_of(rows)
    others = [name for name in rows.train.columns if name not in lags]
    return _boosted(rows, params, report, [*others, *lags], steps=params.horizon)


def seasonal(rows: TrainingRows, params: SeasonalParams, report: Report) -> Trained:
    """Answer the value one season ago: the forecast that every other one has to beat.

    Raises: ValueError: the data have no such lag.
    """
    lags = lags_of(rows)
    if len(lags) < params.season:
        raise ValueError(
            f"a season of {params.season} steps takes lag_{params.season}; the data end at lag_{len(lags)}"
        )
    as_numbers = StandardScaler(with_mean=False, with_std=False)  # changes nothing but whole numbers into others
    filled = make_pipeline(as_numbers, SimpleImputer(strategy="constant", fill_value=0.0))
    chosen = ColumnTransformer([("lags", filled, lags)])
    model = LinearRegression(fit_intercept=False)
    pipeline = Pipeline([("columns", chosen), ("model", model)]).fit(rows.train[lags], rows.train_labels)
    model.coef_ = np.eye(len(lags))[params.season - 1]
    report.progress(0.3, "Forecasting the validation rows")

    def ahead(known: pd.DataFrame, most: int) -> Floats:
        return _repeated(pipeline, known[lags], lags, most)

    longest = max(params.horizon, params.longest)
    spread = _spread(rows, ahead, longest, params.levels)
    facts = _held_beside(rows, ahead, params.season, 0) | _facts_of(spread)
    return Trained(
        pipeline, None, {name: float(name == f"lag_{params.season}") for name in lags}, facts, method="predict", inputs=lags,
        parameters={HORIZON: params.horizon, LONGEST: longest}, quantiles=spread,
    )  # fmt: skip


def lags_of(rows: TrainingRows) -> list[str]:
    """Return the columns of former values, newest first.

    Raises: ValueError: there are none, or one is left out.
    """
    found = {int(match[1]): name for name in rows.train.columns if (match := LAG.fullmatch(name))}
    if sorted(found) != list(range(1, len(found) + 1)) or not found:
        raise ValueError("a forecast is learnt from columns lag_1, lag_2, … without a gap; the data have "
                         f"{', '.join(found[n] for n in sorted(found)) or 'none'}")  # fmt: skip
    return [found[n] for n in sorted(found)]


def _boosted(rows: TrainingRows, params: ForecastParams, report: Report, inputs: list[str], *, steps: int) -> Trained:
    report.progress(0.0, "Laying out series and steps")
    categorical = [name for name in inputs if name in rows.categorical]
    numeric = [name for name in inputs if name not in categorical]
    learn, target = _unrolled(rows.train, rows.train_labels, rows.train_context, rows, steps)
    validate, truth = _unrolled(rows.validation, rows.validation_labels, rows.validation_context, rows, steps)
    if steps > 1:
        numeric = [*numeric, HORIZON]
    categories = {name: sorted(rows.train[name].dropna().unique()) for name in categorical}
    names = [*categorical, *numeric]
    codes = encoder(categories, numeric).fit(learn[names])
    model = lightgbm.LGBMRegressor(
        **settings_of(params), objective="regression", linear_tree=True, linear_lambda=params.shrinkage
    )
    model.fit(
        codes.transform(learn[names]), target, eval_X=codes.transform(validate[names]), eval_y=truth, eval_metric="l1",
        categorical_feature=categorical,
        callbacks=[
            lightgbm.early_stopping(params.patience, first_metric_only=True, verbose=False),
            reporter(report, params.trees, "l1", "absolute error"),
        ],
    )  # fmt: skip
    booster = with_words(model.booster_, categories, model.best_iteration_)
    pipeline = Pipeline([("codes", codes), ("model", model)])
    report.progress(0.9, "Comparing with seasonal-naive and exponential smoothing")

    def ahead(known: pd.DataFrame, most: int) -> Floats:
        if steps == 1:
            return _repeated(pipeline, known[names], lags_of(rows), most)
        asked = pd.concat([known.assign(**{HORIZON: step}) for step in range(1, most + 1)])
        answer = np.asarray(pipeline.predict(asked[names]), dtype=np.float64)
        return answer.reshape(most, len(known)).T

    longest = params.horizon if steps > 1 else max(params.horizon, params.longest)
    spread = _spread(rows, ahead, longest, params.levels)
    beside = _held_beside(rows, ahead, params.season, params.smoothed_series)
    return Trained(
        pipeline, booster, gains_of(booster), {"trees": float(model.best_iteration_)} | beside | _facts_of(spread),
        method="predict", inputs=names, parameters={HORIZON: params.horizon, LONGEST: longest}, quantiles=spread,
    )  # fmt: skip


def _unchanging(rows: TrainingRows) -> list[str]:
    """Return the features that stay the same within every series: the only ones that hold for steps yet to come."""
    series = rows.train_context[rows.roles["series"]]
    return [
        name for name in rows.train.columns
        if not LAG.fullmatch(name) and (rows.train[name].groupby(series).nunique(dropna=False) == 1).all()
    ]  # fmt: skip


def _unrolled(
    features: pd.DataFrame, target: "pd.Series[float]", context: pd.DataFrame, rows: TrainingRows, steps: int
) -> tuple[pd.DataFrame, "pd.Series[float]"]:
    """Return each row once for every step that is known after it, with the step as a column, and what came."""
    series, time = rows.roles["series"], rows.roles["time"]
    order = context.sort_values([series, time], kind="stable").index
    features, target, of = features.loc[order], target.loc[order].astype("float64"), context.loc[order, series]
    parts, answers = [], []
    for step in range(1, steps + 1):
        came = target.groupby(of).shift(1 - step)
        known = came.notna()
        parts.append(features[known].assign(**{HORIZON: step}))
        answers.append(came[known])
    return pd.concat(parts), pd.concat(answers)


def _repeated(pipeline: Pipeline, known: pd.DataFrame, lags: list[str], steps: int) -> Floats:
    """Return (n, steps) forecasts, each step's answer becoming the newest lag of the next, as the gateway does it."""
    found = np.empty((len(known), steps))
    for step in range(steps):
        found[:, step] = pipeline.predict(known)
        older = known[lags[:-1]].to_numpy()
        known = known.assign(**dict(zip(lags[1:], older.T, strict=True)), **{lags[0]: found[:, step]})
    return found


def _spread(rows: TrainingRows, ahead: "forecast_baselines.Ahead", longest: int, levels: int) -> Quantiles | None:
    """Return quantiles from the errors on validation rows, each asked for as if it were the present."""
    series, time = rows.roles["series"], rows.roles["time"]
    order = rows.validation_context.sort_values([series, time], kind="stable").index
    of, target = rows.validation_context.loc[order, series], rows.validation_labels.loc[order].astype("float64")
    steps = min(longest, int(of.value_counts().max()))
    came = pd.concat([target.groupby(of).shift(-step) for step in range(steps)], axis=1)
    if len(came) * steps > MOST_BACKTESTED:
        came = came.sample(MOST_BACKTESTED // steps, random_state=forecast_baselines.SEED)
    known = rows.validation.loc[came.index]
    lags = known[lags_of(rows)].to_numpy(dtype=np.float64).T
    lowest = 0.0 if (rows.train_labels >= 0).all() else None
    return calibrated(ahead(known, steps), came.to_numpy(), lags, levels=levels_of(levels), lowest=lowest)


def _facts_of(spread: Quantiles | None) -> dict[str, float]:
    return {"quantile_steps": float(spread.steps), "quantile_power": spread.power} if spread else {}


def _held_beside(rows: TrainingRows, ahead: "forecast_baselines.Ahead", season: int, smoothed: int) -> dict[str, float]:
    """Return MASE of forecasts of the whole validation part from where training ends, and of the baselines."""
    series, time = rows.roles["series"], rows.roles["time"]
    past = rows.train_context.assign(target=rows.train_labels).sort_values([series, time])
    came = rows.validation_context.assign(target=rows.validation_labels).sort_values([series, time])
    firsts = came.groupby(series).head(1)
    steps = int(came.groupby(series).size().min())
    forecasts = dict(zip(firsts[series], ahead(rows.validation.loc[firsts.index], steps), strict=True))
    histories = {str(name): part.to_numpy(dtype=np.float64) for name, part in past.groupby(series)["target"]}
    actuals = {str(name): part.to_numpy(dtype=np.float64)[:steps] for name, part in came.groupby(series)["target"]}
    return forecast_baselines.compared(forecasts, actuals, histories, season=season, smoothed=smoothed)
