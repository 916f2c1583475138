"""Asking retrievers: what the version and the champion find for the held-out queries, over all documents they know."""

import numpy as np
import pandas as pd

from experiments.metrics import Floats
from experiments.models import DatasetVersion
from experiments.rows.retrieval import QUERY, documents_of
from experiments.scoring.predicting import ScoringError, retrieved
from experiments.scoring.retrieved import Found, candidates
from experiments.suites import Answers, Took, UnmeasurableError
from jobs.kinds import JobContext
from registry.models import ModelVersion
from serving.contract import RETRIEVER

DEPTH = 100  # documents that are asked for: every measure looks at fewer


def answered_by_retrievers(
    ctx: JobContext, data: DatasetVersion, frame: pd.DataFrame, held_out: pd.DataFrame, version: ModelVersion,
    against: ModelVersion | None,
) -> tuple[pd.DataFrame, Answers, Answers | None]:  # fmt: skip
    """Return a row for each document that was judged for a held-out query or found for it, and where each version placed it.

    Raises:
        UnmeasurableError: the rows hold no queries and documents, or the champion does not search.
    """
    query, document = data.column_in("query"), data.column_in("document")
    if not query or not document or QUERY not in held_out:
        raise UnmeasurableError(
            f"A retriever is asked queries: {data} needs the roles query and document, and the column {QUERY}."
        )
    if against and against.format != RETRIEVER:
        raise UnmeasurableError(f"{against} is no retriever but scores rows, so what the two find cannot be compared.")
    queries = dict(zip(held_out[query].astype(str), held_out[QUERY].astype(str), strict=True))
    ctx.progress(0.1, f"Asking {version} {len(queries):,} queries")
    found = [retrieved(version, queries, k=DEPTH)]
    ctx.log(f"{version}, {version.artifact_digest}: asked {len(queries):,} queries")
    if against:
        ctx.progress(0.2, f"Asking the champion, {against}")
        found.append(retrieved(against, queries, k=DEPTH))
    texts = documents_of(frame, document).set_index("document_id")
    rows, scores = candidates(held_out, *found, query=query, document=document, target=data.target, texts=texts)
    if key := data.column_in("key"):
        rows[key] = rows[query] + " " + rows[document].astype(str)
    answers = [_answers(one, places) for one, places in zip(found, scores, strict=True)]
    return rows, answers[0], answers[1] if against else None


def _answers(found: Found, places: Floats) -> Answers:
    if found.latency_ms is None or found.cpu_ms is None:
        raise ScoringError("What retrieving took was not measured.")
    best = np.array([scores[0] if scores else 0.0 for scores in found.scores])
    return Answers(places, took=Took(found.latency_ms, found.cpu_ms, found.bytes), best=best)
