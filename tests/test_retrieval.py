"""Retrievers: the arithmetic of search, the file, and what a gateway answers."""

import hashlib
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import bm25s
import mlflow
import msgspec
import numpy as np
import pandas as pd
import pytest
from bm25s.tokenization import Tokenized
from mlflow.models import Model

from experiments.builders import library_docs
from experiments.metrics.ranking import per_query
from experiments.metrics.retrieval import contexts
from experiments.pipelines import retrieving
from experiments.pipelines.contract import TrainingRows
from experiments.pipelines.retrieving_params import DenseParams, HybridParams, LexicalParams
from experiments.rows.retrieval import DOCUMENT_ID, documents_of, joined
from experiments.scoring.retrieved import Found, candidates
from experiments.suites import SUITES, Answers, Material, Plan, PlanError, Took, read_plan
from experiments.training import flavor
from serving.artifacts import ArtifactError
from serving.contract import Column, File
from serving.contract import retriever as contract
from serving.contract.retriever import LEXICAL, WEIGHTED, Settings, fused, words
from serving.invocations import MLFLOW
from serving.loading import load, measure
from serving.reading import read
from serving.recognition import NotServableError, recognise
from serving.runtimes import MisfitError, ModelError, load_runtime
from tests.gateways import make_artifact, received
from tests.test_serving_families import Served, tensors

QUERY = [Column("query", "string")]
ROLES = {"query": "query_id", "document": "document_id", "key": "judgement_id"}


class Quiet:
    def progress(self, share, phase):
        pass

    def metric(self, name, value, step):
        pass


@pytest.fixture(scope="module")
def frame():
    """The documentation of the tests of statsmodels, as rows of a data set."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(library_docs.PACKAGES, "statsmodels", "statsmodels/stats")
        return joined(library_docs.known_items(library_docs.pages_of("statsmodels")))


@pytest.fixture(scope="module")
def rows(frame):
    names, context = ["query", "title", "text"], list(ROLES.values())
    learn, validate = (frame[frame["split"] == split] for split in ("train", "validation"))
    return TrainingRows(
        learn[names], learn["grade"], validate[names], validate["grade"], names, learn[context], validate[context], ROLES,
        documents_of(frame, DOCUMENT_ID)[:60],
    )  # fmt: skip


@pytest.fixture(scope="module")
def by_words(rows):
    return retrieving.lexical(rows, LexicalParams(depth=20), Quiet()).estimator


@pytest.fixture(scope="module")
def both(rows):
    return retrieving.hybrid(rows, HybridParams(depth=20, most_tokens=32), Quiet())


def test_words_are_scored_as_bm25s_scores_them(rows, by_words):
    texts = [
        words(f"{title} {text}") for title, text in zip(rows.documents["title"], rows.documents["text"], strict=True)
    ]
    number = {term: place for place, term in enumerate(sorted({term for text in texts for term in text}))}
    theirs = bm25s.BM25(k1=1.2, b=0.75, method="lucene")
    theirs.index(
        Tokenized([[number[t] for t in text] for text in texts], number), create_empty_token=False, show_progress=False
    )
    query = "confidence intervals of a proportion, and the power of tests"
    known = [term for term in words(query) if term in number]

    places, scores = by_words.search(query, 8)

    expected = theirs.get_scores(known)
    assert by_words.by_words(query) == pytest.approx(expected, rel=1e-5)
    assert scores == pytest.approx(np.sort(expected)[::-1][:8], rel=1e-5)
    assert list(expected[places]) == pytest.approx(list(scores), rel=1e-5)
    assert by_words.search("zzzz qqqq", 5)[0].size == 0
    assert words("The Analyses of queries, of read_csv and a bus") == ["analyse", "query", "read", "csv", "bus"]


def test_two_lists_become_one_by_ranks_or_by_scores():
    lexical, dense = (np.array(values, dtype=np.float32) for values in ([4, 0, 2, 0], [0.1, 0.9, 0.5, 0.3]))
    settings = Settings(dense_weight=0.25, rank_constant=60, depth=2)

    places, scores = fused(lexical, dense, settings)

    assert places.tolist() == [2, 0, 1]  # second in both lists, first by words, first by meaning
    assert scores == pytest.approx([0.75 / 62 + 0.25 / 62, 0.75 / 61, 0.25 / 61])
    places, scores = fused(lexical, dense, replace(settings, fusion=WEIGHTED))
    assert places.tolist() == [0, 2, 1]
    assert scores == pytest.approx([0.75 * 1 + 0, 0.75 * 0.5 + 0.25 * 0.5, 0.25])
    alone = fused(lexical, None, replace(settings, mode=LEXICAL, depth=4))
    assert alone[0].tolist() == [0, 2]  # what has no word of the query is not found


def test_the_same_documents_are_the_same_file_and_come_back(rows, both):
    again = retrieving.hybrid(replace(rows, documents=rows.documents[:12]), HybridParams(most_tokens=32), Quiet())
    once_more = retrieving.hybrid(replace(rows, documents=rows.documents[:12]), HybridParams(most_tokens=32), Quiet())
    data = contract.write(again.estimator)

    assert contract.write(once_more.estimator) == data
    read = contract.read(data)
    for query in ("the power of a test", "which variance is larger?"):
        for one, other in zip(read.search(query, 9), again.estimator.search(query, 9), strict=True):
            assert one.tolist() == other.tolist()
    assert read.settings == again.estimator.settings
    encoder = both.estimator.encoder
    assert np.linalg.norm(encoder("a test of means")) == pytest.approx(1, abs=1e-5)
    near, far = (encoder("a test of means") @ encoder(text) for text in ("comparing two averages", "a red bicycle"))
    assert near > far + 0.2
    # The weight is chosen on validation queries, and what it reached there is told.
    assert both.facts["dense_weight"] in retrieving.WEIGHTS
    assert 0 < both.facts["validation_ndcg_at_10"] <= 1
    alone = retrieving.dense(
        replace(rows, documents=rows.documents[:12]), DenseParams(most_tokens=32), Quiet()
    ).estimator
    assert contract.read(contract.write(alone)).search("power", 12)[1] == pytest.approx(
        np.sort(again.estimator.by_meaning("power"))[::-1]
    )
    with pytest.raises(ValueError, match="columns query, title and text"):
        retrieving.dense(replace(rows, documents=rows.documents.drop(columns="title")), DenseParams(), Quiet())


def broken(retriever, **tensors):
    return contract.write(
        contract.Retriever(replace(retriever.index, **tensors), retriever.settings, retriever.encoder)
    )


def test_a_file_that_would_look_things_up_out_of_bounds_is_refused(by_words, both):
    index = by_words.index
    for data, said in (
        (b"", "not a retriever"), (b"\x08" + bytes(7) + b"[" * 8, "not a retriever"),
        (broken(by_words, places=index.places + 60), "a place is no document"),
        (broken(by_words, places=-index.places - 1), "a place is no document"),
        (broken(by_words, weights=index.weights * np.float32(np.nan)), "a weight no number"),
        (broken(by_words, starts=index.starts[::-1].copy()), "do not part"),
        (broken(by_words, starts=index.starts[1:].copy()), "do not fit"),
        (broken(by_words, ids=["a", *index.ids[1:-1], "a"]), "ids are not a list"),
        (broken(by_words, ids=["", *index.ids[1:]]), "ids are one or more"),
        (broken(both.estimator, embeddings=both.estimator.index.embeddings[:5]), "one vector"),
        (broken(both.estimator, embeddings=both.estimator.index.embeddings[:, :5].copy()), "vectors of 384"),
    ):  # fmt: skip
        with pytest.raises(ModelError, match=said):
            load_runtime("retriever", data, QUERY)
    with pytest.raises(MisfitError, match="one column"):
        load_runtime("retriever", contract.write(by_words), [Column("text", "string")])
    # Of tokenizers only the plain kinds are taken, of encoders what ONNX models may hold.
    tokenizer = json.loads(both.estimator.encoder.tokenizer)
    tokenizer["pre_tokenizer"] = {
        "type": "Split",
        "pattern": {"Regex": "(a+)+$"},
        "behavior": "Removed",
        "invert": False,
    }
    encoder = both.estimator.encoder
    for name, value, said in (
        ("tokenizer", json.dumps(tokenizer).encode(), "pre_tokenizer of its tokenizer is 'Split'"), ("tokenizer", b"[]", "no description"),
        ("model", b"pickle", "not an ONNX file"),
    ):  # fmt: skip
        before = getattr(encoder, name)
        setattr(encoder, name, value)
        data = contract.write(both.estimator)
        setattr(encoder, name, before)
        with pytest.raises(ModelError, match=said):
            load_runtime("retriever", data, QUERY)


@pytest.fixture
def served(tmp_path, by_words):
    version = make_artifact(
        tmp_path / "m", "retriever.safetensors", contract.write(by_words), format_name="retriever", columns=QUERY
    )
    return Served(tmp_path, "retrieval", msgspec.structs.replace(version, parameters={"k": 3}))


def test_a_gateway_answers_queries_with_documents(served, by_words):
    asked = ["confidence interval of a proportion", "zzzz", "power"]

    status, answer = served.ask(tensors({"query": asked}, parameters={"k": 4}))

    assert status == 200
    ids, scores = answer["outputs"]
    assert (ids["name"], ids["datatype"], ids["shape"]) == ("ids", "BYTES", [3, 4])
    assert (scores["name"], scores["datatype"], scores["shape"]) == ("scores", "FP64", [3, 4])
    places, best = by_words.search(asked[0], 4)
    assert ids["data"][:4] == [by_words.index.ids[place] for place in places]
    assert scores["data"][:4] == pytest.approx(best.tolist())
    assert (ids["data"][4:8], scores["data"][4:8]) == ([""] * 4, [0.0] * 4)  # nothing has such a word
    # A record a query: what was asked, how many were wanted, what was found.
    records = served.records()
    assert [record.inputs for record in records] == [{"query": query, "k": 4} for query in asked]
    assert [record.row for record in records] == [0, 1, 2]
    assert json.loads(records[0].outputs["ids"]) == ids["data"][:4]
    assert records[0].outputs["score"] == scores["data"][0]
    assert records[1].outputs == {"score": 0.0, "ids": "[]"}
    # Without k as many as the signature says, in both protocols.
    assert served.ask(tensors({"query": asked[:1]}))[1]["outputs"][0]["data"] == ids["data"][:3]
    status, told = served.ask({"dataframe_records": [{"query": asked[0]}], "params": {"k": 2}}, MLFLOW)
    assert told == {"predictions": [{"ids": ids["data"][:2], "scores": scores["data"][:2]}]}
    # As binary tensors, ids are texts with their lengths before them.
    body = json.dumps(tensors({"query": asked[:1]}, parameters={"k": 1, "binary_data_output": True})).encode()
    answer = served.core.infer("m", received({b"content-type": b"application/json"}, body, 0.0, time.perf_counter_ns()))
    head = int(dict(answer.headers)[b"inference-header-content-length"])
    name = ids["data"][0].encode()
    assert answer.body[head : head + 4 + len(name)] == len(name).to_bytes(4, "little") + name
    # A search may take milliseconds, so it never runs on the event loop.
    (servable,) = served.core.snapshot.routes["m"].servables.values()
    assert (servable.runtime.slow, servable.family.by_row) == (True, False)
    assert servable.family.parameters() == {"k": {"default": 3, "maximum": 20}}


@pytest.mark.parametrize(
    ("query", "parameters", "said"),
    [
        (["power"], {"k": 0}, "parameter k: '0' is not an integer from 1 to 20"),
        (["power"], {"k": 21}, "not an integer from 1 to 20"),
        (["power"], {"k": True}, "parameter k: 'True'"),
        (["power"], {"k": "3"}, "parameter k: '3'"),
        (["power", " "], {}, "column query, row 1: the query is empty"),
        (["x" * 4001], {}, "column query, row 0: 4001 characters, and 4000 are the most"),
        (["power"] * 65, {}, "65 rows, and a request asks 64 queries at most"),
    ],
)
def test_what_cannot_be_searched_is_refused(served, query, parameters, said):
    status, answer = served.ask(tensors({"query": query}, parameters=parameters))

    assert status == 400
    assert said in answer["error"]
    (record,) = served.records()
    assert (record.status, record.outputs) == (400, {})


def test_a_retriever_is_served_for_its_task_alone_and_survives_a_trial(tmp_path, both):
    data = contract.write(both.estimator)
    version = make_artifact(tmp_path / "m", "retriever.safetensors", data, format_name="retriever", columns=QUERY)

    assert measure(version) >= len(data)
    with pytest.raises(ArtifactError, match="task retrieval"):
        load(version, "classification", 1)
    (tmp_path / "m" / "retriever.safetensors").write_bytes(data[:-1] + b"\x00")
    with pytest.raises(ArtifactError, match="has changed"):
        measure(version)


def test_code_beside_a_model_is_ours_to_the_byte_or_the_version_is_refused():
    flavors = {
        "retriever": {"data": "retriever.safetensors"}, "python_function": {"loader_module": "retriever_model", "code": "code"},
    }  # fmt: skip
    ours = File("code/retriever_model.py", 1, hashlib.sha256(Path(contract.__file__).read_bytes()).hexdigest())
    data = File("retriever.safetensors", 1, "00")

    def recognised(*files, **function):
        told = {**flavors, "python_function": {**flavors["python_function"], **function}}
        return recognise(told, {file.path: file for file in (data, *files)})

    assert recognised(ours) == "retriever"
    for files, function in (
        ((msgspec.structs.replace(ours, sha256="11" * 32),), {}), ((ours, File("code/numpy.py", 1, "11")), {}),
        ((ours, File("other.py", 1, "11")), {}), ((), {}), ((ours,), {"code": "elsewhere"}), ((ours,), {"code": None}),
        ((ours,), {"loader_module": "evil"}),
    ):  # fmt: skip
        with pytest.raises(NotServableError) as refused:
            recognised(*files, **function)
        assert refused.value.format == "code"


def test_what_was_not_found_counts_as_missed():
    judged = pd.DataFrame({
        "q": ["a", "a", "b"], "query": ["one", "one", "two"], "d": ["x", "y", "z"], "text": ["X", "Y", "Z"], "grade": [2, 1, 1],
    })  # fmt: skip
    texts = pd.DataFrame({"text": ["X", "W"]}, index=["x", "w"])
    found = Found(["a", "b"], [["w", "x"], []], [[3.0, 2.0], []])

    frame, (places,) = candidates(judged, found, query="q", document="d", target="grade", texts=texts)

    assert frame[["q", "query", "d", "text", "grade"]].values.tolist()[-1] == ["a", "one", "w", "W", 0]
    assert np.array_equal(places, [-1, np.nan, np.nan, 0], equal_nan=True)
    there = np.isfinite(places)
    values = per_query(frame["q"], frame["grade"], places, found=there).values
    assert values["mean_reciprocal_rank"].tolist() == [0.5, 0.0]
    assert values["mean_average_precision"].tolist() == [0.25, 0.0]  # y is never reached
    assert values["recall_at_5"].tolist() == [0.5, 0.0]
    assert values["ndcg_at_5"][0] == pytest.approx((2 / np.log2(3)) / (2 + 1 / np.log2(3)))
    handed = contexts(frame["q"], frame["grade"] > 0, places, 5, found=there)
    assert (handed.precision.tolist(), handed.recall.tolist()) == ([0.5, 0.0], [0.5, 0.0])
    assert "retriever_model" not in sys.modules


def test_mlflow_loads_a_retriever_by_the_code_beside_it(both, tmp_path):
    signature = flavor.signature_of({"query": "string"}, optional=[], trained=both)
    asked = pd.DataFrame({"query": ["the power of a test", "a confidence interval of a proportion"]})
    flavor.save_model(
        path=str(tmp_path / "m"), mlflow_model=Model(), trained=both, signature=signature, input_example=asked
    )

    try:
        model = mlflow.pyfunc.load_model(str(tmp_path / "m"))
        usual, few = model.predict(asked), model.predict(asked, params={"k": 4})
        loaded_from = sys.modules["retriever_model"].__file__
    finally:
        sys.modules.pop("retriever_model", None)

    assert loaded_from.startswith(str(tmp_path))  # whoever loads it needs nothing of the product
    places, scores = both.estimator.search(asked["query"][1], 4)
    assert few["ids"][1] == [both.estimator.index.ids[place] for place in places]
    assert few["scores"][1] == pytest.approx(scores.tolist())
    assert [len(ids) for ids in usual["ids"]] == [10, 10]
    # What is read back is what a gateway loads; nothing in the folder is a pickle.
    manifest = [
        File(str(path.relative_to(tmp_path / "m")), path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted((tmp_path / "m").rglob("*")) if path.is_file() and "__pycache__" not in path.parts
    ]  # fmt: skip
    reading = read(tmp_path / "m", manifest)
    assert (reading.format, reading.refusal, reading.unsound, reading.parameters) == ("retriever", "", "", {"k": 10})
    assert reading.columns == QUERY
    assert [output["name"] for output in reading.outputs] == ["ids", "scores"]
    packages = {line.partition("==")[0] for line in reading.dependencies["packages"]}
    assert {"onnxruntime", "tokenizers", "safetensors"} <= packages


def test_a_suite_measures_what_retrieving_finds_takes_and_costs(frame, by_words, both):
    held_out = frame[frame["split"] == "held_out"]
    queries = dict(zip(held_out["query_id"], held_out["query"], strict=True))

    def found(retriever):
        each = [retriever.search(query, 20) for query in queries.values()]
        ids = [[retriever.index.ids[place] for place in places] for places, _ in each]
        return Found(list(queries), ids, [scores.tolist() for _, scores in each])

    rows, (ours, theirs) = candidates(
        held_out, found(both.estimator), found(by_words), query="query_id", document=DOCUMENT_ID, target="grade",
        texts=documents_of(frame, DOCUMENT_ID).set_index(DOCUMENT_ID),
    )  # fmt: skip
    took = Took(np.full(len(queries), 4.0), np.full(len(queries), 3.6), 1000)
    given = Material(
        task="retrieval", rows=rows, target="grade", version=Answers(ours, took=took), champion=Answers(theirs), roles=ROLES,
        features=("query", "title", "text"), plan=Plan(cpu_hour_price=2.0, query_price=0.5, least_positives=10),
    )  # fmt: skip

    measured = SUITES["retrieval"].measure(given)

    whole = {one.metric: one for one in measured if not one.paired and not one.data_slice}
    assert set(SUITES["retrieval"].metrics) <= set(whole)
    assert {one.metric for one in measured if one.paired} == set(SUITES["retrieval"].compared)
    assert whole["retrieval_latency_p95_ms"].value == 4
    assert whole["retrieval_cpu_s_per_1000"].value == pytest.approx(
        3.6
    )  # as many seconds as a query takes milliseconds
    assert whole["retrieval_cost_per_1000"].value == pytest.approx(3.6 / 3600 * 2 + 0.5)
    assert whole["retrieval_bytes"].value == 1000
    assert "in the evaluating job" in whole["retrieval_latency_p50_ms"].detail["where"]
    errors = whole["ndcg_at_10"].detail["errors"]
    assert errors["columns"] == ["asked", "ndcg_at_10", "wanted", "its place", "found first"]
    values = [row[1] for row in errors["rows"]]
    assert values == sorted(values)
    missed = next(row for row in errors["rows"] if row[3] is None)  # the index holds 60 of the pages
    assert missed[0] in set(queries.values())
    assert missed[2].split(" (")[0] not in by_words.index.ids
    assert missed[4].split(" (")[0] in by_words.index.ids
    json.dumps([one.detail for one in measured], allow_nan=False)
    hidden = replace(given, plan=Plan(hidden=("query", "text")), champion=None)
    told = next(one for one in SUITES["retrieval"].measure(hidden) if one.metric == "ndcg_at_10").detail["errors"]
    assert {row[0] for row in told["rows"]} == {row[4] for row in told["rows"]} == {"withheld"}
    for field, value in (
        ("cpu_hour_price", -1),
        ("query_price", "free"),
        ("query_price", True),
        ("cpu_hour_price", float("nan")),
    ):
        with pytest.raises(PlanError, match="an amount from 0") as refused:
            read_plan({field: value})
        assert refused.value.field == field
