"""How good an order is, query by query; {cases} are the candidates, {events} those that fit."""

from registry.metric_words.parts import MetricWords


def _share(question: str, meaning: str, explained: str, unit: str = "of 100 points") -> MetricWords:
    return MetricWords(
        question=question, unit=unit, meaning=meaning, explained=explained,
        up="It gets {n} more of 100 points than the version in use.",
        down="It gets {n} fewer of 100 points than the version in use.",
    )  # fmt: skip


def _of(k: int) -> dict[str, MetricWords]:
    first = f"the first {k}"
    return {
        f"ndcg_at_{k}": _share(
            f"Do the best {{cases}} come first, among {first}?",
            f"Of the points that a perfect order of {first} gets, this one gets {{n}} of 100.",
            f"How near {first} are to the perfect order: better {{cases}} further up count more. A grade counts as it is.",
        ),
        f"ndcg_exp_at_{k}": _share(
            f"Do the very best {{cases}} come first, among {first}?",
            f"Of the points that a perfect order of {first} gets, this one gets {{n}} of 100; the best grades count most.",
            f"How near {first} are to the perfect order, where each grade counts twice the one below it.",
        ),
        f"recall_at_{k}": _share(
            f"Are the {{cases}} that fit among {first}?",
            f"Of 100 {{cases}} that fit, {{n}} are among {first}.",
            f"How many of all {{cases}} that fit are among {first}.",
            "of 100 that fit",
        ),
        f"precision_at_{k}": _share(
            f"Do {first} fit?",
            f"Of 100 places among {first}, {{n}} hold one that fits.",
            f"How many of {first} fit.",
            "of 100 places",
        ),
        f"context_precision_at_{k}": _share(
            f"Is what it hands over, {first}, what was asked for?",
            "Of 100 passages handed over, {n} are right.",
            f"How many of {first} passages handed to the generator are among those that should be.",
            "of 100 passages",
        ),
        f"context_recall_at_{k}": _share(
            f"Does it hand over, in {first}, all that was asked for?",
            "Of 100 passages that should be handed over, {n} are.",
            f"How many of the passages that should be handed to the generator are among {first}.",
            "of 100 passages",
        ),
    }


RANKING = {
    name: words for k in (5, 10) for name, words in _of(k).items() if not name.startswith("context")
} | {
    "mean_reciprocal_rank": _share(
        "How far down is the first of the {cases} that fit?",
        "One over the place of the first that fits is {n} of 100 on average: 100 is always first, 50 is second.",
        "One over the place of the first of the {cases} that fit: 1 is always first, 0.5 is second.",
    ),
    "mean_average_precision": _share(
        "Do the {cases} that fit come before those that do not?",
        "Averaged over all {cases} that fit, {n} of 100 down to their place fit too.",
        "The share of fitting {cases} down to the place of each that fits, averaged.",
    ),
}  # fmt: skip


def _cost(question: str, unit: str, meaning: str, explained: str) -> MetricWords:
    return MetricWords(
        question=question, unit=unit, meaning=meaning, explained=explained, higher_is_better=False, scale=1.0, most=None,
        up=f"It takes {{n}} {unit} more than the version in use.", down=f"It takes {{n}} {unit} less than the version in use.",
    )  # fmt: skip


RETRIEVAL = {name: words for k in (5, 10) for name, words in _of(k).items() if name.startswith("context")} | {
    "retrieval_latency_p50_ms": _cost(
        "Is it usually quick?", "ms", "Half of the retrievals take at most {n} ms.", "What half of the retrievals take at most."
    ),
    "retrieval_latency_p95_ms": _cost(
        "Is it quick nearly always?", "ms", "95 of 100 retrievals take at most {n} ms.",
        "What 95 of 100 retrievals take at most.",
    ),
    "retrieval_cost": _cost(
        "What does one retrieval cost?", "per retrieval", "One retrieval costs {n} on average.", "What one retrieval costs on average."
    ),
    "retrieval_cost_per_1000": _cost(
        "What do 1,000 questions cost?", "per 1,000 questions", "1,000 questions cost {n}.",
        "What 1,000 questions cost, at the prices that the team declared.",
    ),
    "retrieval_cpu_s_per_1000": _cost(
        "How much computing do 1,000 questions take?", "CPU seconds", "1,000 questions keep one processor busy for {n} seconds.",
        "How long 1,000 questions keep one processor busy.",
    ),
    "retrieval_bytes": _cost(
        "How large is it?", "bytes", "The index with all that it needs is {n} bytes.", "The size of the index with all that it needs."
    ),
}  # fmt: skip
