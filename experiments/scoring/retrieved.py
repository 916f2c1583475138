"""What a retriever found, as rows: each judged or found document of a query is a candidate, as the measures take them. Pure."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments.metrics import Floats


@dataclass(frozen=True)
class Found:
    """What a retriever answered to each of q queries.

    Attributes:
        queries: their names.
        ids, scores: per query the documents found, best first, and their scores.
        latency_ms, cpu_ms: (q,) how long each took, by the clock and of the processor; empty where it was not timed.
        bytes: of the model's file.
    """

    queries: list[str]
    ids: list[list[str]]
    scores: list[list[float]]
    latency_ms: Floats | None = None
    cpu_ms: Floats | None = None
    bytes: int = 0


def candidates(
    judged: pd.DataFrame, *found: Found, query: str, document: str, target: str, texts: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, list[Floats]]:
    """Return a row for each document that was judged for a query or found by somebody, and each retriever's scores of the rows.

    A document that nobody judged is not relevant (grade 0). What a retriever did not find has no score (NaN). Scores count down
    from the first place of a query, so that the order is the one that was handed over.

    Args:
        judged: judgements, with all columns.
        query, document, target: names of their columns.
        texts: columns of documents by id, for rows that nobody judged; other columns of a query are those of its first judgement.
    """
    judged = judged.assign(**{query: judged[query].astype(str)})
    known = set(zip(judged[query], judged[document].astype(str), strict=True))
    pairs = ((name, one) for each in found for name, ids in zip(each.queries, each.ids, strict=True) for one in ids)
    new = [pair for pair in dict.fromkeys(pairs) if pair not in known]
    of_query = judged.drop_duplicates(query).set_index(query, drop=False)
    added: Any = of_query.loc[[name for name, _ in new]].reset_index(drop=True)
    added[document], added[target] = [one for _, one in new], 0
    if texts is not None:
        described = texts.reindex(added[document])
        for name in texts:
            added[name] = described[name].to_numpy()
    frame = pd.concat([judged, added], ignore_index=True)
    frame[target] = frame[target].astype(judged[target].dtype)
    return frame, [_scored(frame, each, query, document) for each in found]


def _scored(frame: pd.DataFrame, found: Found, query: str, document: str) -> Floats:
    places = {
        (name, one): float(-place)
        for name, ids in zip(found.queries, found.ids, strict=True)
        for place, one in enumerate(ids)
    }
    pairs = zip(frame[query], frame[document].astype(str), strict=True)
    return np.array([places.get(pair, np.nan) for pair in pairs], dtype=np.float64)
