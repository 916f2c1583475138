"""The measures of rankings are those of trec_eval and LightGBM, whatever the order of equal scores."""

import lightgbm
import numpy as np
import pytest
import pytrec_eval
from sklearn.metrics import ndcg_score

from experiments.metrics import ranking
from experiments.metrics.arrays import numbers
from experiments.metrics.retrieval import contexts


@pytest.fixture(scope="module")
def judged():
    """200 queries of 3 to 40 candidates with grades 0 to 4, some without anything to find; scores all different."""
    random = np.random.default_rng(5)
    sizes = random.integers(3, 41, 200)
    queries = np.repeat([f"route-{i}" for i in range(200)], sizes)
    grades = random.choice(5, len(queries), p=[0.7, 0.1, 0.1, 0.05, 0.05])
    return queries, grades, random.normal(size=len(queries)) + 0.3 * grades


def by_query(queries, *columns):
    return [(name, *(column[queries == name] for column in columns)) for name in dict.fromkeys(queries)]


def test_measures_are_those_of_trec_eval(judged):
    queries, grades, scores = judged
    qrels, run = {}, {}
    for name, of_query, given in by_query(queries, grades, scores):
        if of_query.any():
            documents = [f"d{i}" for i in range(len(of_query))]
            qrels[name] = dict(zip(documents, of_query.tolist(), strict=True))
            run[name] = dict(zip(documents, given.tolist(), strict=True))
    asked = {"ndcg_cut.5,10", "recip_rank", "map", "recall.5,10", "P.5,10"}
    theirs = pytrec_eval.RelevanceEvaluator(qrels, asked).evaluate(run)

    ours = ranking.per_query(queries, grades, scores)

    assert list(ours.queries) == list(run)
    assert 0 < ours.nothing_to_find == 200 - len(run)
    for measure, name in ranking.LINEAR.items():
        np.testing.assert_allclose(ours.values[measure], [theirs[query][name] for query in run], rtol=0, atol=1e-12)


def test_linear_gain_is_that_of_scikit_learn(judged):
    queries, grades, scores = judged

    ours = ranking.per_query(queries, grades, scores)

    theirs = [ndcg_score([g], [s], k=10) for _, g, s in by_query(queries, grades, scores) if g.any()]
    np.testing.assert_allclose(ours.values["ndcg_at_10"], theirs, atol=1e-9)


def test_exponential_gain_is_lightgbms_own(judged):
    queries, grades, _ = judged
    kept = np.isin(queries, [name for name, of_query in by_query(queries, grades) if of_query.any()])  # LightGBM says 1
    queries, grades = queries[kept], grades[kept]
    features = np.random.default_rng(6).normal(size=(len(queries), 4)) + grades[:, None] * [0.5, 0.2, 0, 0]
    sizes = [len(of_query) for _, of_query in by_query(queries, grades)]
    rows = lightgbm.Dataset(features, grades, group=sizes)
    params = {
        "objective": "lambdarank",
        "metric": "ndcg",
        "eval_at": [5, 10],
        "verbose": -1,
        "num_threads": 1,
        "seed": 1,
    }

    told: dict = {}
    booster = lightgbm.train(
        params, rows, num_boost_round=20, valid_sets=[rows], callbacks=[lightgbm.record_evaluation(told)]
    )

    scores = booster.predict(features)
    ours = ranking.per_query(queries, grades, scores)
    for k in (5, 10):
        assert ours.values[f"ndcg_exp_at_{k}"].mean() == pytest.approx(told["training"][f"ndcg@{k}"][-1], abs=5e-6)
        assert ours.values[f"ndcg_at_{k}"].mean() != pytest.approx(told["training"][f"ndcg@{k}"][-1], abs=1e-3)


def test_equal_scores_are_ordered_by_what_has_nothing_to_do_with_the_grade():
    queries, grades, scores = ["a"] * 3, [1, 0, 0], [0.5, 0.5, 0.5]

    in_order = ranking.per_query(queries, grades, scores)
    by_key = ranking.per_query(queries, grades, scores, tie_break=[9, 4, 7])

    assert in_order.values["mean_reciprocal_rank"] == [1.0]
    assert by_key.values["mean_reciprocal_rank"] == pytest.approx([1 / 3])
    shuffled = ranking.per_query(queries, [0, 0, 1], scores, tie_break=[7, 4, 9])
    assert shuffled.values["mean_reciprocal_rank"] == by_key.values["mean_reciprocal_rank"]


def test_contexts_are_counted_by_id():
    #          a: 2 of the first 3 right, of 3    b: one passage alone, right   c: nothing to hand over
    queries = ["a", "a", "a", "a", "a", "b", "c", "c"]
    relevant = [1, 0, 1, 0, 1, 1, 0, 0]
    scores = [5.0, 4, 3, 2, 1, 1, 2, 1]

    found = contexts(queries, relevant, scores, 3)

    assert found.precision.tolist() == pytest.approx([2 / 3, 1.0])
    assert found.recall.tolist() == pytest.approx([2 / 3, 1.0])


@pytest.mark.parametrize(
    ("queries", "grades", "scores", "said"),
    [
        (["a"], [1.5], [0.1], "whole numbers"), (["a"], [-1], [0.1], "whole numbers"), (["a"], [31], [0.1], "0 to 30"),
        (["a"], [0], [0.1], "nothing to find"), (["a"], [1], [float("nan")], "finite"), (["a", "b"], [1], [0.1], "queries"),
        (["a"], [1, 0], [0.1], "grades"),
    ],
)  # fmt: skip
def test_what_cannot_be_ranked_is_refused(queries, grades, scores, said):
    with pytest.raises(ValueError, match=said):
        ranking.per_query(queries, grades, scores)
    with pytest.raises(ValueError, match="numbers"):
        numbers("numbers", [[1.0]])
