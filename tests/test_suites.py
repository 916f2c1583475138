"""What each suite measures: of known rows known values, thresholds from validation rows, and what decides nothing."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from experiments.metrics.costs import CostMatrix
from experiments.suites import SUITES, Answers, Material, Plan, PlanError, UnmeasurableError, read_plan
from experiments.suites.forecasting import forecasts
from experiments.suites.samples import MOST_SERIES, MOST_TIMES, forecast_sample
from experiments.suites.slicing import candidates, gap, worst

DAY = pd.Timestamp("2026-01-01", tz="UTC")


def by_name(found, paired=False, part=""):
    return {one.metric: one for one in found if one.paired == paired and one.data_slice == part}


def payments(rows=4000, seed=1):
    """Payments with a chance of fraud that is known; those at night in one shop are fraud that no score sees."""
    random = np.random.default_rng(seed)
    score = random.beta(1, 6, rows)
    frame = pd.DataFrame(
        {
            "shop": random.choice(["a", "b", "c"], rows), "hour": random.integers(0, 24, rows).astype(float),
            "amount": random.gamma(2, 50, rows), "region": random.choice(["north", "south"], rows),
            "customer": random.integers(0, rows // 4, rows), "key": [f"p{i}" for i in range(rows)],
        }
    )  # fmt: skip
    hidden = (frame["shop"] == "b") & (frame["hour"] < 5)
    frame["fraud"] = (random.random(rows) < np.where(hidden, 0.8, score)).astype(int)
    return frame, score


@pytest.fixture(scope="module")
def fraud():
    rows, scores = payments()
    validation, chosen_by = payments(seed=2)
    noisy = np.clip(scores + np.random.default_rng(3).normal(0, 0.1, len(scores)), 0, 1)
    return Material(
        task="classification", rows=rows, target="fraud", version=Answers(scores, chosen_by),
        champion=Answers(noisy, chosen_by), roles={"key": "key"}, features=("shop", "hour", "amount", "region"),
        categorical=("shop", "region"), validation=validation,
        plan=Plan(costs=CostMatrix(false_negative="amount", false_positive=20.0), groups=("region",)),
    )  # fmt: skip


@pytest.fixture(scope="module")
def measured(fraud):
    return SUITES["classification"].measure(fraud)


def test_everything_a_suite_names_is_measured_and_compared(measured, fraud):
    suite = SUITES["classification"]

    whole, against = by_name(measured), by_name(measured, paired=True)

    assert set(suite.metrics) <= set(whole)
    assert set(against) == set(suite.compared)
    for one in measured:
        assert one.low <= one.value <= one.high, one.metric
        assert "95%" in one.detail["method"]
        assert not one.undecided
    assert against["average_precision"].value == pytest.approx(
        whole["average_precision"].value - against["average_precision"].detail["champion_value"]
    )
    assert against["average_precision"].low > 0


def test_thresholds_come_from_validation_rows_alone(measured, fraud):
    whole = by_name(measured)
    found = whole["recall_at_1pct_false_positives"]
    legal = fraud.version.validation[fraud.validation["fraud"] == 0]
    caught = fraud.version.held_out[fraud.rows["fraud"] == 1] >= found.detail["threshold"]

    assert found.detail["chosen_on"] == "validation rows"
    assert (legal >= found.detail["threshold"]).mean() <= 0.01
    assert found.value == caught.mean()
    assert found.detail["false_positive_rate"][0] == pytest.approx(
        (fraud.version.held_out[fraud.rows["fraud"] == 0] >= found.detail["threshold"]).mean()
    )
    alone = by_name(SUITES["classification"].measure(replace(fraud, validation=None, champion=None)))
    assert not {"recall_at_1pct_false_positives", "alert_rate", "cost_per_case"} & set(alone)


def test_costs_are_those_of_decisions_at_the_cheapest_threshold(measured, fraud):
    found = by_name(measured)["cost_per_case"]
    alerted = fraud.version.held_out >= found.detail["threshold"]
    fraudulent = fraud.rows["fraud"] == 1

    paid = np.where(fraudulent, np.where(alerted, 0, fraud.rows["amount"]), np.where(alerted, 20, 0))

    assert found.value == pytest.approx(paid.mean())
    assert found.detail["chosen_by"] == "least cost"
    with pytest.raises(UnmeasurableError, match="amount"):
        SUITES["classification"].measure(replace(fraud, rows=fraud.rows.drop(columns="amount")))


def test_the_worst_part_is_found_and_said_to_be_found(measured):
    told = by_name(measured)["average_precision"].detail["worst_parts"]

    first = told["parts"][0]
    assert "hour" in first["name"]
    assert first["high"] < by_name(measured)["recall_at_5pct_alerts"].value
    assert "not proof" in told["method"]


def test_groups_are_held_against_each_other_and_never_shown(measured, fraud):
    whole = by_name(measured, part="groups of region")
    alerted = fraud.version.held_out >= whole["alert_rate_gap"].detail["threshold"]
    rates = [alerted[(fraud.rows["region"] == name).to_numpy()].mean() for name in ("north", "south")]

    assert set(whole) == {
        f"{rate}_{kind}" for rate in ("recall", "false_positive_rate", "alert_rate") for kind in ("gap", "ratio")
    }
    assert whole["alert_rate_gap"].value == pytest.approx(max(rates) - min(rates))
    assert whole["alert_rate_ratio"].value == pytest.approx(min(rates) / max(rates))
    table = by_name(measured)["average_precision"].detail["errors"]
    assert table["withheld"] == ["region"]
    assert {row[table["columns"].index("region")] for row in table["rows"]} == {"withheld"}
    lowest = fraud.rows.loc[fraud.rows["fraud"] == 1].index[np.argmin(fraud.version.held_out[fraud.rows["fraud"] == 1])]
    assert table["rows"][0][0] == f"p{lowest}"


def test_too_few_positives_decide_nothing(fraud):
    few = fraud.rows.iloc[:60]
    some = replace(fraud, rows=few, version=Answers(fraud.version.held_out[:60]), champion=None)

    whole = by_name(SUITES["classification"].measure(some))

    positives = int(few["fraud"].sum())
    assert (
        whole["average_precision"].undecided == f"it rests on {positives} positives, and 30 are the least that decide"
    )


def test_rows_of_one_customer_widen_what_chance_allows(fraud):
    copies = np.repeat(np.arange(1000), 4)
    rows = fraud.rows.iloc[copies].reset_index(drop=True).assign(customer=copies)
    alone = replace(fraud, rows=rows, version=Answers(fraud.version.held_out[copies]), champion=None, validation=None)

    apart, together = (
        by_name(SUITES["classification"].measure(given))["average_precision"]
        for given in (alone, replace(alone, roles={"key": "key", "entity": "customer"}))
    )

    assert apart.value == together.value
    assert together.high - together.low > 1.5 * (apart.high - apart.low)
    assert "by customer" in together.detail["method"]


def test_scores_of_anomalies_are_no_probabilities(fraud):
    far = replace(fraud, task="anomaly", version=Answers(fraud.version.held_out * 50 - 3), champion=None)

    whole = by_name(SUITES["anomaly"].measure(far))

    assert whole["average_precision"].value > 0.1
    assert not {"brier_score", "calibration_error"} & set(whole)


@pytest.fixture(scope="module")
def routes():
    random = np.random.default_rng(4)
    queries = np.repeat(np.arange(80), 12)
    rows = pd.DataFrame(
        {
            "route": queries, "grade": random.choice(4, len(queries), p=[0.6, 0.2, 0.1, 0.1]),
            "season": np.where(queries < 40, "summer", "winter"), "seats": random.integers(50, 200, len(queries)),
            "ms": np.repeat(random.gamma(2, 10, 80), 12), "key": np.arange(len(queries)),
        }
    )  # fmt: skip
    good = rows["grade"] + random.normal(0, np.where(queries < 40, 0.2, 2.0))
    return Material(
        task="ranking", rows=rows, target="grade", version=Answers(good.to_numpy()),
        champion=Answers(random.normal(size=len(rows))), roles={"query": "route", "key": "key"},
        features=("season", "seats"), categorical=("season",), plan=Plan(latency="ms"),
    )  # fmt: skip


def test_a_ranking_is_measured_query_by_query(routes):
    found = SUITES["ranking"].measure(routes)

    whole, against = by_name(found), by_name(found, paired=True)
    assert set(whole) == set(SUITES["ranking"].metrics)
    main = whole["ndcg_at_10"]
    assert main.rows == main.detail["queries"] == 80 - main.detail["nothing_to_find"]
    assert np.mean([value for _, value in main.detail["per_query"]]) == pytest.approx(main.value, abs=1e-4)
    assert "linear" in main.detail["gain"]
    assert "exponential" in whole["ndcg_exp_at_10"].detail["gain"]
    assert against["ndcg_at_10"].low > 0.1
    assert against["ndcg_at_10"].value == pytest.approx(main.value - against["ndcg_at_10"].detail["champion_value"])
    parts = {one.data_slice: one for one in found if one.data_slice}
    assert parts["season=summer"].low > parts["season=winter"].high
    assert main.detail["worst_parts"]["parts"][0]["name"] == "season=winter"
    table = main.detail["errors"]
    first = dict(zip(table["columns"], table["rows"][0], strict=True))
    assert first["ndcg_at_10"] == min(row[table["columns"].index("ndcg_at_10")] for row in table["rows"])
    assert first["grade"] == routes.rows.loc[routes.rows["route"] == int(first["route"]), "grade"].max()
    told = main.detail["queries_told"]
    assert told["columns"] == ["season", "put first"]
    name = main.detail["per_query"][7][0]
    rows = routes.rows[routes.rows["route"] == int(name)]
    best = rows["key"].iloc[int(np.argmax(routes.version.held_out[rows.index]))]
    assert told["rows"][7] == [rows["season"].iloc[0], str(best)]


def test_what_a_plan_hides_is_not_told_of_queries(routes):
    found = by_name(SUITES["ranking"].measure(replace(routes, plan=Plan(hidden=("key", "season")))))

    told = found["ndcg_at_10"].detail["queries_told"]
    assert told["columns"] == ["put first"]
    assert {row[0] for row in told["rows"]} == {"withheld"}


def test_retrieval_adds_contexts_and_what_it_took(routes):
    found = by_name(SUITES["retrieval"].measure(replace(routes, task="retrieval", champion=None)))

    assert found["context_precision_at_5"].value == pytest.approx(found["precision_at_5"].value)  # 12 candidates each
    assert found["context_recall_at_5"].value == pytest.approx(found["recall_at_5"].value)
    each = routes.rows.drop_duplicates("route")["ms"]
    assert found["retrieval_latency_p95_ms"].value == pytest.approx(each.quantile(0.95))


def test_few_queries_and_unfit_grades(routes):
    few = replace(routes, rows=routes.rows[:120], version=Answers(routes.version.held_out[:120]), champion=None)

    assert "10 queries, and 30" in by_name(SUITES["ranking"].measure(few))["ndcg_at_10"].undecided
    with pytest.raises(UnmeasurableError, match="grade: grades must be whole"):
        SUITES["ranking"].measure(replace(few, rows=few.rows.assign(grade=0.5)))
    assert "role query" in SUITES["ranking"].refusal({"time": "at", "key": "key"}, "grade")
    assert "yes or no" in SUITES["classification"].refusal({"key": "key"}, "number")


def series(steps=3, count=12, held_out=20, before=40):
    """Series that rise by 1 a day and by 5 on each seventh, with forecasts of the next ``steps`` that are 1, 2, … too high."""
    days = before + held_out
    rows = []
    for code in range(count):
        values = 100.0 * (code + 1) + np.arange(days) + 5 * (np.arange(days) % 7 == 0)
        rows += [
            {"line": f"s{code}", "at": DAY + pd.Timedelta(days=i), "value": v, "key": f"{code}-{i}"}
            for i, v in enumerate(values)
        ]
    frame = pd.DataFrame(rows)
    later = frame["at"] >= DAY + pd.Timedelta(days=before)
    rows, history = frame[later].reset_index(drop=True), frame[~later]
    ahead = [rows.groupby("line")["value"].shift(-step) + step + 1 for step in range(steps)]
    return rows, history, np.nan_to_num(np.column_stack(ahead), nan=-1.0)


def test_forecasts_are_rolled_over_every_origin():
    rows, history, answers = series()
    given = Material(
        task="forecasting", rows=rows.sample(frac=1, random_state=1).reset_index(drop=True), target="value",
        version=Answers(answers[rows.sample(frac=1, random_state=1).index]), roles={"series": "line", "time": "at", "key": "key"},
        history=history, plan=Plan(season=7),
    )  # fmt: skip

    found = SUITES["forecasting"].measure(given)

    whole = by_name(found)
    assert whole["mean_absolute_error"].rows == 12 * (20 + 19 + 18)
    assert whole["mean_absolute_error"].value == pytest.approx((20 * 1 + 19 * 2 + 18 * 3) / 57)
    assert whole["forecast_bias"].value == whole["mean_absolute_error"].value
    # A week apart every value is 7 higher, whatever the weekday.
    assert whole["mase"].value == pytest.approx(whole["mean_absolute_error"].value / 7)
    assert by_name(found, part="horizon=3")["mase"].value == pytest.approx(3 / 7)
    detail = whole["mase"].detail
    assert (detail["series"], detail["origins"], detail["season"]) == (12, 20, 7)
    assert [one["of"] for one in detail["by_horizon"]] == [1, 2, 3]
    assert "whole series" in whole["mase"].detail["method"]
    assert "M4" in whole["smape"].detail["definition"]
    sample = detail["sample"]
    assert [one["series"] for one in sample] == sorted(f"s{code}" for code in range(12))
    one = next(one for one in sample if one["series"] == "s3")
    assert (one["times"][0], one["actual"][0]) == ("2026-02-10", 440.0)
    assert one["forecast"]["3"][:4] == [None, None, 442.0 + 5 + 3, 443.0 + 3]
    assert "low" not in one


def test_the_kept_sample_is_bounded_and_has_the_outermost_quantiles():
    rows, _, _ = series(steps=1, count=120, held_out=60)
    given = Material(task="forecasting", rows=rows, target="value", version=Answers(np.zeros(len(rows))),
                     roles={"series": "line", "time": "at"})  # fmt: skip
    found, _ = forecasts(given, Answers(rows["value"].to_numpy()))

    levels = {0.9: found.point + 2, 0.1: found.point - 1, 0.5: found.point}
    sample = forecast_sample(given, replace(found, quantiles=levels))

    assert (len(sample), len(sample[0]["times"])) == (MOST_SERIES, MOST_TIMES)
    assert (sample[0]["series"], sample[-1]["series"]) == ("s0", "s99")
    assert sample[0]["levels"] == [0.1, 0.9]
    last = sample[0]["actual"][-1]
    assert (sample[0]["low"]["1"][-1], sample[0]["high"]["1"][-1]) == (last - 1, last + 2)


def test_a_data_set_may_say_itself_how_far_each_row_looks():
    rows, history, _ = series(count=2)
    long = pd.concat([rows.assign(horizon=step) for step in (1, 2)], ignore_index=True)
    given = Material(
        task="forecasting", rows=long, target="value", version=Answers((long["value"] + long["horizon"]).to_numpy()),
        champion=Answers((long["value"] + 2 * long["horizon"]).to_numpy()), roles={"series": "line", "time": "at"},
        history=history, plan=Plan(season=7),
    )  # fmt: skip

    found = SUITES["forecasting"].measure(given)

    assert by_name(found, part="horizon=2")["mean_absolute_error"].value == 2.0
    against = by_name(found, paired=True)["mean_absolute_error"]
    assert (against.value, against.detail["champion_value"]) == (-1.5, 3.0)
    assert "stretches of 7 origins" in by_name(found)["mase"].detail["method"]
    with pytest.raises(UnmeasurableError, match="no numbers"):
        SUITES["forecasting"].measure(replace(given, rows=long.assign(value="many")))


def test_quantiles_are_measured_by_level_and_beside_the_champions():
    rows, history, answers = series()
    known = np.broadcast_to(np.arange(1, 4) < 3, answers.shape)  # nothing is said of the third step
    spread = {
        level: np.where(known, answers - 2 + wide, np.nan) for level, wide in ((0.1, -1.5), (0.5, 0.0), (0.9, 1.5))
    }
    wider = {level: answers - 2 + wide for level, wide in ((0.1, -3.0), (0.5, 0.0), (0.9, 3.0), (0.95, 4.0))}
    given = Material(
        task="forecasting", rows=rows, target="value", version=Answers(answers, quantiles=spread),
        champion=Answers(answers, quantiles=wider), roles={"series": "line", "time": "at", "key": "key"}, history=history,
        plan=Plan(season=7),
    )  # fmt: skip

    found = SUITES["forecasting"].measure(given)

    whole, against = by_name(found), by_name(found, paired=True)
    # A step ahead the answer is 1 too high, so its median is 1 too low; two steps ahead it is right.
    ones, twos = 20, 19
    losses = {0.1: (0.9 * 0.0 + 0.1 * 2.5, 0.1 * 1.5), 0.5: (0.5, 0.0), 0.9: (0.1 * 0.5, 0.1 * 1.5)}
    means = {level: (ones * one + twos * two) / (ones + twos) for level, (one, two) in losses.items()}
    assert {level: by_name(found, part=f"level={level}")["pinball_loss"].value for level in means} == pytest.approx(
        means
    )
    assert whole["pinball_loss"].value == pytest.approx(np.mean([*means.values()]))
    assert whole["crps"].value == pytest.approx(2 * np.mean([*means.values()]))
    assert (whole["coverage_80pct"].value, whole["width_80pct"].value) == (1.0, 3.0)
    assert whole["crps"].detail["reached"][1] == {"level": 0.5, "below": round(twos / (ones + twos), 6)}
    assert whole["mase"].rows == 12 * (20 + 19 + 18)  # the point is measured in all steps
    # The champion is compared where both say something, in the levels of both.
    assert (against["width_80pct"].value, against["width_80pct"].detail["champion_value"]) == (-3.0, 6.0)
    assert [one["level"] for one in against["pinball_loss"].detail["by_level"]] == [0.1, 0.5, 0.9]
    assert against["pinball_loss"].detail["by_level"][1]["value"] == 0.0
    assert "coverage_95pct" not in whole


def test_series_are_shown_with_what_came_and_the_same_ones_for_every_model():
    rows, history, answers = series(count=70)
    given = Material(
        task="forecasting", rows=rows, target="value", roles={"series": "line", "time": "at"}, history=history,
        version=Answers(answers, quantiles={0.1: answers - 3, 0.9: answers}), plan=Plan(season=7),
    )  # fmt: skip
    bad = np.where((rows["line"] == "s3").to_numpy()[:, None], answers * 2, answers)

    shown = by_name(SUITES["forecasting"].measure(given))["mase"].detail["series_shown"]
    other = by_name(SUITES["forecasting"].measure(replace(given, version=Answers(bad))))["mase"].detail["series_shown"]

    assert [one["chosen"] for one in shown["series"]] == ["largest"] * 20 + ["drawn"] * 20 + ["worst"] * 10
    assert [one["of"] for one in shown["series"][:40]] == [one["of"] for one in other["series"][:40]]
    assert {"s3"} <= {one["of"] for one in other["series"]}
    one = shown["series"][0]
    assert (one["of"], one["begins"], shown["interval"]) == ("s69", 24, 80)
    assert one["times"][24] == "2026-02-10T00:00:00+00:00"  # the first held-out day
    assert one["actual"][23:] == [7000.0 + 39, 7000.0 + 40, 7000.0 + 41, 7000.0 + 42 + 5]
    assert one["forecast"] == [7041.0, 7043.0, 7050.0]
    assert (one["low"], one["high"]) == ([7038.0, 7040.0, 7047.0], one["forecast"])
    assert (other["interval"], other["series"][0]["low"]) == (None, None)
    hidden = replace(given, plan=Plan(season=7, hidden=("line",)))
    assert by_name(SUITES["forecasting"].measure(hidden))["mase"].detail["series_shown"]["series"] == []


def test_numbers_and_their_worst_rows():
    random = np.random.default_rng(6)
    rows = pd.DataFrame(
        {"size": random.normal(size=500), "kind": random.choice(["x", "y"], 500), "key": np.arange(500)}
    )
    rows["price"] = 3 * rows["size"] + np.where(rows["kind"] == "y", random.normal(0, 3, 500), 0)
    given = Material(
        task="regression", rows=rows, target="price", version=Answers(3 * rows["size"].to_numpy()),
        champion=Answers(np.zeros(500)), roles={"key": "key"}, features=("size", "kind"), categorical=("kind",),
    )  # fmt: skip

    found = SUITES["regression"].measure(given)

    whole = by_name(found)
    error = (3 * rows["size"] - rows["price"]).abs()
    assert whole["mean_absolute_error"].value == pytest.approx(error.mean())
    assert by_name(found, part="kind=x")["mean_absolute_error"].value == pytest.approx(0, abs=1e-12)
    assert whole["mean_absolute_error"].detail["worst_parts"]["parts"][0]["name"].startswith("kind=y")
    assert whole["mean_absolute_error"].detail["errors"]["rows"][0][0] == int(error.idxmax())
    assert by_name(found, paired=True)["r_squared"].low > 0.5


def test_a_search_among_noise_finds_nothing_sure():
    random = np.random.default_rng(7)
    rows = pd.DataFrame({f"f{i}": random.normal(size=2000) for i in range(10)})
    hits = (random.random(2000) < 0.3).astype(float)

    parts = candidates(rows, list(rows), [], least=30)
    search = worst(parts, hits, np.ones(2000, dtype=bool), least=30, higher_is_better=True)

    assert search.looked_at > 50
    assert all(part.low <= hits.mean() <= part.high for part in search.parts)


def test_the_widest_gap_is_judged_as_the_widest_of_all_pairs():
    two = gap({"a": (30, 100), "b": (20, 100)})
    four = gap({"a": (30, 100), "b": (20, 100), "c": (25, 100), "d": (26, 100)})

    assert (two.high, two.low, two.difference.value) == ("a", "b", pytest.approx(0.1))
    assert four.difference.value == two.difference.value
    assert four.difference.low < two.difference.low
    assert two.ratio.value == pytest.approx(2 / 3)
    assert gap({"a": (30, 100), "b": (0, 0)}) is None
    assert gap({"a": (30, 100), "b": (0, 100)}).ratio is None


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ([], "plan"), ({"cost": {}}, "cost"), ({"costs": {"false_negative": 1}}, "costs.false_positive"),
        ({"costs": {"false_negative": 1, "false_positive": True}}, "costs.false_positive"),
        ({"costs": {"false_negative": 1, "false_positive": float("inf")}}, "costs.false_positive"),
        ({"costs": {"false_negative": 1, "false_positive": 2, "profit": 3}}, "costs"), ({"slices": "origin"}, "slices"),
        ({"groups": [""]}, "groups"), ({"least_positives": 3}, "least_positives"), ({"season": 0}, "season"),
        ({"latency": 5}, "latency"),
    ],
)  # fmt: skip
def test_a_wrong_plan_names_its_field(document, field):
    with pytest.raises(PlanError) as refused:
        read_plan(document)

    assert refused.value.field == field


def test_a_plan_is_what_it_was_written_down_as():
    plan = Plan(costs=CostMatrix("amount", 5.0), slices=("shop",), season=7)

    assert read_plan(plan.document()) == plan
    assert plan.document() == {
        "costs": {"false_negative": "amount", "false_positive": 5.0, "true_positive": 0.0, "true_negative": 0.0},
        "slices": ["shop"], "season": 7,
    }  # fmt: skip
    assert plan.columns == ["amount", "shop"]
    assert Plan().document() == {}
