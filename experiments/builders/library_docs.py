"""Which page of the documentation answers? Known-item search over the reference documentation of installed Python libraries.

A document is a public function or class: what its documentation says after the summary. The query is the summary, without the words of
the name, so that nothing is found by being copied. What the page is asked for has the grade 2; pages that its authors name under "See
Also" have the grade 1: judgements by people who know the library. The files are read as text, and never imported.
"""

import ast
import importlib.metadata
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

import pandas as pd

from experiments.rows.retrieval import Retrieval, joined

PACKAGES = {
    "scipy": "scipy",
    "scikit-learn": "sklearn",
    "pandas": "pandas",
    "statsmodels": "statsmodels",
}  # distribution: folder
SKIPPED = ("tests", "testing", "conftest", "externals", "_external", "_vendor", "datasets", "sandbox")
MIN_TEXT, MAX_TEXT, MIN_WORDS = 300, 4000, 4  # characters of a document; words of a query
_SECTION = re.compile(r"^([A-Z][A-Za-z ]+)\n-{3,}\s*$", re.MULTILINE)
_NAMED = re.compile(r"^([A-Za-z_][\w.]*(?:\s*,\s*[A-Za-z_][\w.]*)*)\s*(?::.*)?$", re.MULTILINE)


@dataclass(frozen=True)
class LibraryDocsParams:
    """What may be chosen when the data set is built."""

    keep_one_in: int = field(default=1, metadata={"label": "Keep one page in", "help": "1 keeps all", "min": 1})


@dataclass(frozen=True)
class Page:
    """One documented function or class."""

    id: str  # such as scipy.optimize.brentq
    summary: str
    text: str
    also: tuple[str, ...]


def build(params: LibraryDocsParams) -> pd.DataFrame:
    """Return the judgements with their texts.

    Raises:
        importlib.metadata.PackageNotFoundError: a library is not installed.
    """
    return joined(known_items([page for package in PACKAGES for page in pages_of(package)][:: params.keep_one_in]))


def source() -> str:
    """Return where the text is from: the libraries with the versions that are installed."""
    installed = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    return f"Docstrings of {installed} (BSD licences), read from the installed files. Queries are their summaries, without the words of the name."


def known_items(pages: list[Page]) -> Retrieval:
    """Return the pages as documents, with a query for each whose summary says enough without the words of its name."""
    by_id = {page.id: page for page in pages}
    by_name: dict[tuple[str, str], list[str]] = {}
    for page in pages:
        by_name.setdefault((page.id.split(".")[0], page.id.rsplit(".", 1)[-1]), []).append(page.id)
    queries: dict[str, str] = {}
    judgements: dict[str, dict[str, int]] = {}
    asked: set[str] = set()
    for page in pages:
        query = query_of(page)
        if len(query.split()) < MIN_WORDS or query in asked:
            continue
        asked.add(query)
        grades = {page.id: 2}
        for name in page.also:
            for other in by_name.get((page.id.split(".")[0], name.rsplit(".", 1)[-1]), [])[:2]:
                grades.setdefault(other, 1)
        queries[f"q-{page.id}"], judgements[f"q-{page.id}"] = query, grades
    return Retrieval({key: (page.id.rsplit(".", 1)[-1], page.text) for key, page in by_id.items()}, queries, judgements)


def query_of(page: Page) -> str:
    """Return a page's summary without the words of its name."""
    name = page.id.rsplit(".", 1)[-1]
    own = {
        word.lower() for part in name.split("_") for word in [part, *re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", part)]
    }
    words = re.findall(r"[A-Za-z][A-Za-z'-]*", re.sub(r":\w+:`[^`]*`|``?[^`]*``?", " ", page.summary))
    return " ".join(word for word in words if word.lower() not in own)


def pages_of(package: str) -> list[Page]:
    """Return the documented public functions and classes of an installed distribution, in order of their names.

    Raises:
        importlib.metadata.PackageNotFoundError: it is not installed.
    """
    folder = Path(str(importlib.metadata.distribution(package).locate_file(PACKAGES[package])))
    found: dict[str, Page] = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder.parent).with_suffix("").parts
        if any(part in SKIPPED or part.startswith("test_") for part in parts):
            continue
        for name, documentation in _documented(path.read_text(encoding="utf-8", errors="replace")):
            public = ".".join([*(part for part in parts if not part.startswith("_")), name])
            page = page_of(public, documentation)
            if page is not None:
                found.setdefault(public, page)
    return [found[name] for name in sorted(found)]


def page_of(name: str, documentation: str) -> Page | None:
    """Return the page of a docstring; None where it says too little."""
    lead, _, body = dedent(documentation).strip().partition("\n\n")
    sections = _SECTION.split(body)
    named = dict(zip(sections[1::2], sections[2::2], strict=False))
    also = tuple(one.strip() for line in _NAMED.findall(dedent(named.get("See Also", ""))) for one in line.split(","))
    told = [
        sections[0],
        *(f"{title}: {text}" for title, text in named.items() if title not in ("See Also", "References", "Examples")),
    ]
    text = re.sub(r"\s+", " ", " ".join(told)).strip()[:MAX_TEXT]
    return Page(name, re.sub(r"\s+", " ", lead), text, also) if len(text) >= MIN_TEXT else None


def _documented(code: str) -> Iterator[tuple[str, str]]:
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            documentation = ast.get_docstring(node)
            if documentation:
                yield node.name, documentation
