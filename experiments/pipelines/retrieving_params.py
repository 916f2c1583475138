"""What may be chosen of retrieval, by words, by meaning and by both. Light: the web process reads it too."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class LexicalParams:
    """What may be chosen of retrieval by words."""

    k1: float = field(
        default=1.2,
        metadata={"label": "BM25 k1", "help": "how much a word counts that comes again", "min": 0.0, "max": 10.0},
    )
    b: float = field(
        default=0.75,
        metadata={"label": "BM25 b", "help": "how much long documents are marked down: 0 not at all", "min": 0.0, "max": 1.0},
    )  # fmt: skip
    depth: int = field(
        default=100,
        metadata={"label": "Depth", "help": "documents that are looked at, and the most that can be asked for", "min": 1, "max": 1000},
    )  # fmt: skip


@dataclass(frozen=True)
class DenseParams:
    """What may be chosen of retrieval by meaning."""

    most_tokens: int = field(
        default=128,
        metadata={"label": "Tokens read of a document", "help": "what follows is cut off", "min": 8, "max": 512},
    )
    depth: int = field(
        default=100,
        metadata={"label": "Depth", "help": "documents that are looked at, and the most that can be asked for", "min": 1, "max": 1000},
    )  # fmt: skip


@dataclass(frozen=True)
class HybridParams(LexicalParams):
    """What may be chosen where words and meaning are taken together."""

    most_tokens: int = field(
        default=128,
        metadata={"label": "Tokens read of a document", "help": "what follows is cut off", "min": 8, "max": 512},
    )
    by_rank: bool = field(
        default=False,
        metadata={
            "label": "Fuse by rank",
            "help": "reciprocal rank fusion; otherwise by scores, each scaled to 0 to 1",
        },
    )
    rank_constant: float = field(
        default=60.0,
        metadata={"label": "Rank constant", "help": "the larger, the less the first places stand out", "min": 1.0, "max": 10_000.0},
    )  # fmt: skip
    tune: bool = field(
        default=True,
        metadata={"label": "Choose the weight", "help": "the one with the best nDCG at 10 on the validation queries"},
    )
    dense_weight: float = field(
        default=0.5,
        metadata={"label": "Weight of meaning", "help": "0 to 1, where it is not chosen; words count the rest", "min": 0.0, "max": 1.0},
    )  # fmt: skip
