"""Retrieval as rows: documents, queries and judgements in one table, and back; TREC and BEIR files read. Pure.

A row is a judgement: the query and the document with their texts, and the grade. A document that nobody judged is a row without a
query, in the split ``corpus``: it is searched, and never learned from. So a version stays one file with one digest.
"""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl

from experiments.rows.splitting import SPLIT_COLUMN, SplitPolicy, assigned
from registry.errors import InvalidError

QUERY_ID, QUERY, DOCUMENT_ID, TITLE, TEXT, GRADE, KEY = (
    "query_id",
    "query",
    "document_id",
    "title",
    "text",
    "grade",
    "judgement_id",
)
CORPUS = "corpus"
POLICY = SplitPolicy("random", QUERY_ID, shares={"train": 0.5, "validation": 0.2, "held_out": 0.3}, seed=7)
FEATURES = {
    QUERY: "what is searched for; empty: nobody judged the document",
    TITLE: "title of the document",
    TEXT: "what is searched",
}
ROLES = {QUERY_ID: ("query", "names the query"), DOCUMENT_ID: ("document", "names the document")}
GRADE_MEANING = "how well the document answers the query: 0 not, higher is better"
FILES = {
    "documents": ("docs.jsonl", "corpus.jsonl"),
    "queries": ("queries.jsonl",),
    "judgements": ("qrels.tsv", "qrels.txt"),
}


@dataclass(frozen=True)
class Retrieval:
    """Documents, queries and judgements apart, as an index and a metric take them.

    Attributes:
        documents: {id: (title, text)}.
        queries: {id: text}.
        judgements: {query id: {document id: grade}}, as pytrec_eval takes it.
    """

    documents: dict[str, tuple[str, str]]
    queries: dict[str, str]
    judgements: dict[str, dict[str, int]]


def joined(tables: Retrieval, policy: SplitPolicy = POLICY) -> pd.DataFrame:
    """Return the rows of a data set: judgements in order of query and document, then the documents that nobody judged.

    Raises:
        InvalidError: a judgement names a query or a document that is not there, or nothing is judged.
    """
    rows: list[tuple[Any, ...]] = []
    judged: set[str] = set()
    for query_id, grades in sorted(tables.judgements.items()):
        if query_id not in tables.queries:
            raise InvalidError(
                f"The judgements name the query {query_id}, which is not among the queries.", field="files"
            )
        for document_id, grade in sorted(grades.items()):
            if document_id not in tables.documents:
                raise InvalidError(
                    f"The judgements name the document {document_id}, which is not among the documents.", field="files"
                )
            judged.add(document_id)
            rows.append((
                query_id, tables.queries[query_id], document_id, *tables.documents[document_id], max(grade, 0), f"{query_id} {document_id}",
            ))  # fmt: skip
    if not rows:
        raise InvalidError("There is no judgement, so nothing could be measured.", field="files")
    placed = assigned(pl.Series([row[0] for row in rows]), policy).to_list()
    for document_id in sorted(tables.documents.keys() - judged):
        rows.append((None, "", document_id, *tables.documents[document_id], 0, f"- {document_id}"))
        placed.append(CORPUS)
    frame = pd.DataFrame(rows, columns=[QUERY_ID, QUERY, DOCUMENT_ID, TITLE, TEXT, GRADE, KEY]).assign(
        **{SPLIT_COLUMN: placed}
    )
    words = [name for name in frame.columns if name != GRADE]
    return frame.astype({**dict.fromkeys(words, "str"), GRADE: "int64"})


def parted(frame: pd.DataFrame) -> Retrieval:
    """Return the documents, queries and judgements of rows, as :func:`joined` made them."""
    judged = frame[frame[QUERY_ID].notna()]
    judgements: dict[str, dict[str, int]] = {}
    for query_id, document_id, grade in zip(judged[QUERY_ID], judged[DOCUMENT_ID], judged[GRADE], strict=True):
        judgements.setdefault(query_id, {})[document_id] = int(grade)
    documents = frame.drop_duplicates(DOCUMENT_ID)
    return Retrieval(
        dict(zip(documents[DOCUMENT_ID], zip(documents[TITLE].fillna(""), documents[TEXT], strict=True), strict=True)),
        dict(zip(judged[QUERY_ID], judged[QUERY], strict=True)), judgements,
    )  # fmt: skip


def documents_of(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the documents of rows, each once, in order of their ids: id, title and text alone, and no word of a query or a grade."""
    given = frame.drop_duplicates(column).sort_values(column, ignore_index=True)
    found = pd.DataFrame({DOCUMENT_ID: given[column].astype(str)})
    return found.assign(**{name: given[name].fillna("").astype(str) for name in (TITLE, TEXT) if name in given})


def read_retrieval(folder: Path) -> Retrieval:
    """Read a folder in the form of TREC or BEIR: docs.jsonl (or corpus.jsonl), queries.jsonl, and qrels.tsv (or qrels.txt).

    Raises:
        InvalidError: a file is missing or a line is not as it should be; names file and line.
    """
    found = {what: _first(folder, what) for what in FILES}
    documents: dict[str, tuple[str, str]] = {}
    queries: dict[str, str] = {}
    judgements: dict[str, dict[str, int]] = {}
    for where, line in _json_lines(found["documents"]):
        documents[_id(line, where, "doc_id")] = (
            str(line.get("title") or ""),
            _text(line, where, "text", "body", "contents"),
        )
    for where, line in _json_lines(found["queries"]):
        queries[_id(line, where, "query_id")] = _text(line, where, "text", "query")
    for where, query_id, document_id, grade in _judgements(found["judgements"]):
        if document_id in judgements.setdefault(query_id, {}):
            raise InvalidError(
                f"{where}: query {query_id} and document {document_id} were judged before.", field="files"
            )
        judgements[query_id][document_id] = grade
    return Retrieval(documents, queries, judgements)


def _first(folder: Path, what: str) -> Path:
    for name in FILES[what]:
        for path in (folder / name, folder / "qrels" / "test.tsv" if what == "judgements" else folder / name):
            if path.is_file():
                return path
    raise InvalidError(f"The {what} are missing: the folder needs {' or '.join(FILES[what])}.", field="files")


def _json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with path.open(encoding="utf-8") as file:
        for number, text in enumerate(file, 1):
            if not text.strip():
                continue
            where = f"{path.name}, line {number}"
            try:
                line = json.loads(text)
            except (ValueError, RecursionError):
                raise InvalidError(f"{where} is no JSON.", field="files") from None
            if not isinstance(line, dict):
                raise InvalidError(f"{where} is no JSON object.", field="files")
            yield where, line


def _id(line: dict[str, Any], where: str, name: str) -> str:
    found = line.get("_id", line.get(name, line.get("id")))
    if found in (None, ""):
        raise InvalidError(f"{where} has neither _id nor {name}.", field="files")
    return str(found)


def _text(line: dict[str, Any], where: str, *names: str) -> str:
    for name in names:
        if isinstance(line.get(name), str):
            return str(line[name])
    raise InvalidError(f"{where} has no {names[0]}.", field="files")


def _judgements(path: Path) -> Iterator[tuple[str, str, str, int]]:
    """Yield (where, query, document, grade): three columns as BEIR has them, or four as TREC does."""
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.reader(file, delimiter="\t") if path.suffix == ".tsv" else (line.split() for line in file)
        for number, parts in enumerate(lines, 1):
            cells = parts[0].split() if len(parts) == 1 else parts
            if not cells or (number == 1 and cells[-1].lower() in ("score", "rel", "relevance", "grade")):
                continue
            where = f"{path.name}, line {number}"
            if len(cells) not in (3, 4):
                raise InvalidError(
                    f"{where} has {len(cells)} columns: query, document and grade, or TREC's four.", field="files"
                )
            try:
                grade = int(cells[-1])
            except ValueError:
                raise InvalidError(f"{where}: the grade {cells[-1]!r} is no whole number.", field="files") from None
            yield where, cells[0], cells[-2], grade
