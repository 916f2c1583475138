"""A retriever in one file: which documents answer a query, by words, by meaning, or by both.

The file is safetensors: arrays, and texts as bytes; nothing in it can run. This module reads, writes and searches it, and needs nothing
of the product: a copy of it lies beside each model, so that ``mlflow.pyfunc.load_model`` works wherever numpy, safetensors and, for
meaning, onnxruntime and tokenizers are installed.

| tensor | is |
|---|---|
| ``ids`` | names of the n documents, a JSON list |
| ``terms`` | the words of the index, sorted, a JSON list |
| ``starts`` [terms + 1], ``places``, ``weights`` | for each word the documents that have it, and what it adds to their score |
| ``embeddings`` [n, d] | unit vectors, what each document means |
| ``encoder``, ``tokenizer`` | ONNX and tokenizer.json of the model that made them, as bytes |

The last two rows are absent where documents are found by words alone. The metadata hold the :class:`Settings`.
"""

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

ARCHITECTURE = "retriever-1"
CODE, MODULE = "code", "retriever_model"  # folder and name of the copy of this module beside a model
LEXICAL, DENSE, HYBRID = MODES = ("lexical", "dense", "hybrid")
RECIPROCAL, WEIGHTED = FUSIONS = ("reciprocal", "weighted")
MOST_DEPTH = 1000
MOST_ID = 500  # characters
STOPWORDS = frozenset(
    (
        "a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "from", "has", "have", "if", "in", "into", "is", "it", "its",
        "no", "not", "of", "on", "or", "such", "that", "the", "their", "then", "there", "these", "they", "this", "to", "was", "were",
        "which", "will", "with",
    )
)  # fmt: skip
_WORD = re.compile(r"[^\W_]{2,}")

Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a retriever searches.

    Attributes:
        mode: ``lexical`` (words), ``dense`` (meaning) or ``hybrid`` (both).
        fusion: how two lists become one: ``reciprocal`` by ranks, ``weighted`` by scores, each scaled to 0 to 1.
        dense_weight: what meaning counts in it, 0 to 1; words count the rest.
        rank_constant: of reciprocal rank fusion; the larger, the less the first places stand out.
        depth: how many documents each list has, and the most that can be asked for.
        most_tokens: of a text that the encoder reads; what follows is cut off.
    """

    mode: str = HYBRID
    fusion: str = RECIPROCAL
    dense_weight: float = 0.5
    rank_constant: float = 60.0
    depth: int = 100
    most_tokens: int = 128


@dataclasses.dataclass(frozen=True)
class Index:
    """The documents as they are searched; see the module."""

    ids: list[str]
    terms: list[str]
    starts: npt.NDArray[np.int64]
    places: npt.NDArray[np.int32]
    weights: Floats
    embeddings: Floats | None = None


class Encoder:
    """A sentence encoder: the mean of the last layer over the tokens, as a unit vector.

    One text at a time: an encoder in 8-bit integers scales its numbers by all that it is given at once, so a text's vector would
    depend on its neighbours.
    """

    def __init__(self, model: bytes, tokenizer: bytes, most_tokens: int) -> None:
        import onnxruntime
        import tokenizers

        self.model, self.tokenizer = model, tokenizer
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # so that the same text is the same vector
        options.log_severity_level = 4
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._tokens = tokenizers.Tokenizer.from_str(tokenizer.decode())
        self._tokens.no_padding()
        self._tokens.enable_truncation(most_tokens)
        self._takes = [given.name for given in self._session.get_inputs()]

    def __call__(self, text: str) -> Floats:
        """Return the vector of a text, (d,)."""
        tokens = self._tokens.encode(text)
        given = {
            "input_ids": tokens.ids, "attention_mask": tokens.attention_mask, "token_type_ids": tokens.type_ids,
        }  # fmt: skip
        feed = {name: np.array([given[name]], dtype=np.int64) for name in self._takes}
        mean = self._session.run(None, feed)[0][0].mean(axis=0, dtype=np.float32)
        return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), dtype=np.float32)


class Retriever:
    """An index that can be asked; safe to call from several threads."""

    def __init__(self, index: Index, settings: Settings, encoder: Encoder | None = None) -> None:
        self.index, self.settings, self.encoder = index, settings, encoder
        self._number = {term: number for number, term in enumerate(index.terms)}

    @property
    def most(self) -> int:
        """How many documents can be asked for."""
        return min(self.settings.depth, len(self.index.ids))

    def search(self, query: str, k: int) -> tuple[Places, Floats]:
        """Return the places of the ``k`` best documents with their scores, best first; fewer where fewer have a word of the query."""
        lexical, dense = self.by_words(query), self.by_meaning(query)
        places, scores = fused(lexical, dense, self.settings)
        return places[:k], scores[:k]

    def by_words(self, query: str) -> Floats | None:
        """Return each document's score by BM25, (n,); None where the retriever does not look at words."""
        if self.settings.mode == DENSE:
            return None
        index, found = self.index, np.zeros(len(self.index.ids), dtype=np.float32)
        for term in words(query):
            number = self._number.get(term)
            if number is not None:
                some = slice(index.starts[number], index.starts[number + 1])
                found[index.places[some]] += index.weights[some]  # a document is there once
        return found

    def by_meaning(self, query: str) -> Floats | None:
        """Return the cosine of each document with the query, (n,); None where the retriever does not look at meaning."""
        if self.encoder is None or self.index.embeddings is None:
            return None
        return np.asarray(self.index.embeddings @ self.encoder(query), dtype=np.float32)


def words(text: str) -> list[str]:
    """Return what of a text is indexed and looked for: words of two letters or more, in lower case, without plural and stop words."""
    return [_singular(word) for word in _WORD.findall(text.lower()) if word not in STOPWORDS]


def _singular(word: str) -> str:
    """Fold plurals. Source: the S stemmer, Harman 1991."""
    if len(word) <= 3 or not word.endswith("s") or word.endswith(("us", "ss", "aes", "ees", "oes", "aies", "eies")):
        return word
    return word[:-3] + "y" if word.endswith("ies") else word[:-1]


def fused(lexical: Floats | None, dense: Floats | None, settings: Settings) -> tuple[Places, Floats]:
    """Return the places of the best documents with their scores, best first; equal scores in the order of the index.

    Source: Cormack, Clarke and Büttcher 2009 for reciprocal rank fusion.
    """
    if lexical is None or dense is None:
        scores = lexical if dense is None else dense
        assert scores is not None  # noqa: S101  every mode looks at something
        places = _best(scores, settings.depth, matched=dense is None)
        return places, scores[places]
    lists = (_best(lexical, settings.depth, matched=True), _best(dense, settings.depth, matched=False))
    union = np.union1d(*lists)
    mixed = np.zeros(len(union), dtype=np.float32)
    shares = (1 - settings.dense_weight, settings.dense_weight)
    for share, scores, ranked in zip(shares, (lexical, dense), lists, strict=True):
        if settings.fusion == RECIPROCAL:
            at = np.searchsorted(union, ranked)
            mixed[at] += (share / (settings.rank_constant + 1 + np.arange(len(ranked)))).astype(np.float32)
        else:
            mixed += np.float32(share) * _scaled(scores[union])
    order = np.argsort(-mixed, kind="stable")
    return union[order], mixed[order]


def _best(scores: Floats, count: int, *, matched: bool) -> Places:
    """Return the places of the highest scores, best first; where they have to match, of those above 0."""
    if count < len(scores):
        least = np.partition(scores, len(scores) - count)[len(scores) - count]
        kept = np.flatnonzero(scores >= least)
    else:
        kept = np.arange(len(scores))
    if matched:
        kept = kept[scores[kept] > 0]
    return kept[np.argsort(-scores[kept], kind="stable")[:count]].astype(np.int64)


def _scaled(scores: Floats) -> Floats:
    low, high = (float(scores.min()), float(scores.max())) if len(scores) else (0.0, 0.0)
    return (scores - low) / np.float32(high - low) if high > low else np.zeros_like(scores)


def write(retriever: Retriever) -> bytes:
    """Return the file; the same retriever is the same bytes."""
    index = retriever.index
    tensors: dict[str, Any] = {
        "ids": _text(json.dumps(index.ids, ensure_ascii=False)), "terms": _text(json.dumps(index.terms, ensure_ascii=False)),
        "starts": index.starts, "places": index.places, "weights": index.weights,
    }  # fmt: skip
    if retriever.encoder is not None and index.embeddings is not None:
        tensors |= {
            "embeddings": index.embeddings, "encoder": np.frombuffer(retriever.encoder.model, dtype=np.uint8),
            "tokenizer": np.frombuffer(retriever.encoder.tokenizer, dtype=np.uint8),
        }  # fmt: skip
    settings = {"architecture": ARCHITECTURE, **dataclasses.asdict(retriever.settings)}
    # One entry: safetensors writes several in any order.
    return bytes(safetensors.numpy.save(tensors, {"retriever": json.dumps(settings, sort_keys=True)}))


def read(data: bytes, *, check: Callable[[bytes, bytes], None] = lambda model, tokenizer: None) -> Retriever:
    """Return the retriever of a file, after everything that is looked up in it was found within bounds.

    Args:
        check: is shown the encoder and the tokenizer before they are loaded, and may raise.

    Raises:
        ValueError: it is none, or not a sound one; says why.
        ImportError: it looks at meaning, and what that takes is not installed.
    """
    try:
        length = int.from_bytes(data[:8], "little")
        told = json.loads(data[8 : 8 + length])["__metadata__"]["retriever"]
        tensors = safetensors.numpy.load(data)
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"not a retriever's file: {str(error)[:200]}") from None
    settings = read_settings(told)
    try:
        index = Index(
            _names(tensors["ids"], "ids"), _names(tensors["terms"], "terms"), tensors["starts"], tensors["places"], tensors["weights"],
            tensors["embeddings"] if settings.mode != LEXICAL else None,
        )  # fmt: skip
        model = tensors["encoder"].tobytes() if settings.mode != LEXICAL else b""
        tokenizer = tensors["tokenizer"].tobytes() if settings.mode != LEXICAL else b""
    except KeyError as error:
        raise ValueError(f"a {settings.mode} retriever needs the tensor {error.args[0]}") from None
    _check(index)
    if settings.mode == LEXICAL:
        return Retriever(index, settings)
    check(model, tokenizer)
    encoder = Encoder(model, tokenizer, settings.most_tokens)
    assert index.embeddings is not None  # noqa: S101  read above
    if (width := len(encoder("a"))) != index.embeddings.shape[1]:
        raise ValueError(f"the encoder makes vectors of {width} numbers, and the index has {index.embeddings.shape[1]}")
    return Retriever(index, settings, encoder)


def read_settings(text: str) -> Settings:
    """Return the settings that the metadata tell.

    Raises:
        ValueError: one is unknown, missing, of another type or out of range.
    """
    told = json.loads(text)
    usual = {"architecture": ARCHITECTURE, **dataclasses.asdict(Settings())}
    if not isinstance(told, dict) or told.get("architecture") != ARCHITECTURE or set(told) != set(usual):
        raise ValueError(f"its metadata do not describe a {ARCHITECTURE}")
    if odd := [name for name, value in usual.items() if type(told[name]) is not type(value)]:
        raise ValueError(f"{odd[0]} is {str(told[odd[0]])[:40]!r}")
    del told["architecture"]
    found = Settings(**told)
    sound = (
        found.mode in MODES, found.fusion in FUSIONS, 0 <= found.dense_weight <= 1, 0 < found.rank_constant <= 1e6,
        1 <= found.depth <= MOST_DEPTH, 2 < found.most_tokens <= 512,
    )  # fmt: skip
    if not all(sound):
        raise ValueError(f"a setting is out of range: {text[:200]}")
    return found


def _check(index: Index) -> None:
    n, terms = len(index.ids), len(index.terms)
    starts, places, weights = index.starts, index.places, index.weights
    if not n or max(map(len, index.ids)) > MOST_ID or min(map(len, index.ids)) < 1:
        raise ValueError(f"ids are one or more names of at most {MOST_ID} characters")
    kinds = [str(array.dtype) for array in (starts, places, weights)]
    if kinds != ["int64", "int32", "float32"] or starts.shape != (terms + 1,) or places.shape != weights.shape:
        raise ValueError("starts, places and weights do not fit the terms")
    if starts[0] != 0 or starts[-1] != len(places) or (np.diff(starts) < 0).any():
        raise ValueError("starts do not part the places")
    if len(places) and (int(places.min()) < 0 or int(places.max()) >= n or not np.isfinite(weights).all()):
        raise ValueError("a place is no document, or a weight no number")
    vectors = index.embeddings
    if vectors is not None and (
        vectors.dtype != np.float32 or vectors.ndim != 2 or len(vectors) != n or not np.isfinite(vectors).all()
    ):
        raise ValueError("embeddings are not one vector of numbers a document")


def _text(text: str) -> npt.NDArray[np.uint8]:
    return np.frombuffer(text.encode(), dtype=np.uint8)


def _names(tensor: npt.NDArray[Any], what: str) -> list[str]:
    try:
        found = json.loads(tensor.tobytes())
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found) or len(set(found)) != len(found):
        raise ValueError(f"{what} are not a list of names, each once")
    return found


def _load_pyfunc(path: str) -> Any:
    """Return the model as MLflow's clients ask it; MLflow calls this."""
    return _Asked(read(Path(path).read_bytes()))


class _Asked:
    """Takes a frame with the column ``query``, answers one with lists: ``ids`` and ``scores``, best first."""

    def __init__(self, retriever: Retriever) -> None:
        self._retriever = retriever

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """Search for each query; the parameter ``k`` says how many documents are wanted."""
        import pandas as pd

        k, ids = min(int((params or {}).get("k", 10)), self._retriever.most), self._retriever.index.ids
        found = [self._retriever.search(str(query), k) for query in model_input["query"]]
        named = [[ids[place] for place in places] for places, _ in found]
        return pd.DataFrame({"ids": named, "scores": [scores.tolist() for _, scores in found]})
