"""Retrievers from safetensors files: an index by words, by meaning or both, with the encoder that reads queries.

Such a file holds arrays, an ONNX graph and a tokenizer's description. The graph is held to the rules of ONNX models, and of
tokenizers only the kinds that BERT's descendants use are taken: no pattern of somebody's own is run over a caller's text.
"""

import json
from typing import Any

from serving.contract import Column
from serving.contract import retriever as contract
from serving.contract.retriever import Retriever
from serving.runtimes import Columns, MisfitError, ModelError
from serving.runtimes.onnx_graph import check_graph
from serving.runtimes.searching import Searching

QUERY = "query"
PARTS = {
    "model": ("WordPiece",), "normalizer": ("BertNormalizer",), "pre_tokenizer": ("BertPreTokenizer",),
    "post_processor": ("TemplateProcessing", "BertProcessing"), "decoder": ("WordPiece",),
}  # fmt: skip


class DocumentIndex(Searching):
    """A retriever in memory."""

    def __init__(self, retriever: Retriever) -> None:
        super().__init__(retriever.index.ids, retriever.most)
        self._retriever = retriever

    def predict(self, columns: Columns, rows: int) -> list[float]:
        """See :class:`Searching`; where fewer documents have a word of the query, places are -1."""
        queries, *wanted = columns
        found: list[float] = []
        for row in range(rows):
            k = int(wanted[0][row] or 0) if wanted else self.most
            places, scores = self._retriever.search(str(queries[row]), k)
            pairs = zip(places.tolist(), scores.tolist(), strict=True)
            found += [number for pair in pairs for number in pair]
            found += [-1.0, 0.0] * (k - len(places))
        return found


def load(data: bytes, columns: list[Column]) -> DocumentIndex:
    """Return the retriever of a file.

    Raises:
        ModelError: the bytes are no such file.
        MisfitError: it takes other columns, or what is not served or installed here.
    """
    if [(column.name, column.type, column.required) for column in columns] != [(QUERY, "string", True)]:
        raise MisfitError(f"a retriever takes one column, the text {QUERY}")
    try:
        retriever = contract.read(data, check=_check_encoder)
    except ModelError:
        raise
    except ImportError as error:
        raise MisfitError(f"a retriever by meaning needs {error.name}, which is not installed here") from error
    except Exception as error:  # tokenizers and onnxruntime have exceptions with no common base of their own
        raise ModelError(f"{(str(error).splitlines() or [''])[0][:300]}") from error
    return DocumentIndex(retriever)


def _check_encoder(model: bytes, tokenizer: bytes) -> None:
    check_graph(model)
    try:
        told: Any = json.loads(tokenizer)
        kinds = {part: (told.get(part) or {}).get("type") for part in PARTS}
    except (ValueError, RecursionError, AttributeError) as error:
        raise ModelError("its tokenizer is no description of one") from error
    for part, known in PARTS.items():
        if kinds[part] not in (*known, None) or (part == "model" and kinds[part] is None):
            raise MisfitError(f"the {part} of its tokenizer is {str(kinds[part])[:40]!r}, not {' or '.join(known)}")
