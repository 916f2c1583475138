"""Whether rows of a golden set are among those that a model would learn from. Pure.

A row is known again by its key, where it has one of its own, and by all its features, whatever key it bears. Rows of few, coarse
features agree by chance: a fresh row finds a twin among n training rows about as often as a training row finds one among the others,
so that share is what chance explains, and more is none. Memory is eight bytes a row, of the training rows and of one golden set.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
import scipy

from experiments.contracts.results import SAMPLE, CheckResult
from experiments.contracts.sources import Rows
from experiments.rows.leakage import LEARNED
from experiments.rows.splitting import mask

Hashes = npt.NDArray[np.uint64]
DEVIATIONS = 4.0  # standard deviations above what chance explains that are no chance any more
RARE = 1e-4  # probability of as many under chance that is none any more


@dataclass(frozen=True)
class GoldenRows:
    """The rows of a golden set that are measured on.

    Attributes:
        name: of the version, as people know it.
        rows: all of the version's.
        measured: which of them are measured on, and the column that says so; None: all.
        key: column that names a row; empty where rows are only numbered.
        key_holds: whether the key names the same row in other rows too, whatever their features.
        columns: {name: type} of key and features.
    """

    name: str
    rows: Rows
    measured: tuple[pl.Expr, str] | None
    key: str
    key_holds: bool
    features: tuple[str, ...]
    columns: Mapping[str, str]


def golden_in_training(
    rows: Rows, *, columns: Sequence[Mapping[str, str]], splits: Mapping[str, Mapping[str, object]], time_column: str,
    golden: Sequence[GoldenRows],
) -> list[CheckResult]:  # fmt: skip
    """Return, for each golden set that can be told apart in these rows, whether any of it would be learned from or tuned by.

    Args:
        columns: [{name, type, role, meaning}] of the rows.
        splits: as :func:`experiments.rows.splitting.split_facts` gives them.
    """
    learned = [name for name in LEARNED if name in splits]
    if not learned:
        return []
    condition = mask(learned[0], splits[learned[0]], time_column)
    for name in learned[1:]:
        condition = condition | mask(name, splits[name], time_column)
    placed = [str(splits[name].get("column") or time_column) for name in learned]
    types = {column["name"]: column["type"] for column in columns}
    found = []
    for one in golden:
        alike = bool(one.features) and all(types.get(name) == one.columns[name] for name in one.features)
        keyed = bool(one.key) and types.get(one.key) == one.columns[one.key] and (one.key_holds or alike)
        ways = {**({"key": (one.key,)} if keyed else {}), **({"features": one.features} if alike else {})}
        if ways:
            found.append(_compared(rows, condition, placed, one, ways))
    return found


def _compared(
    rows: Rows, condition: pl.Expr, placed: Sequence[str], golden: GoldenRows, ways: Mapping[str, tuple[str, ...]]
) -> CheckResult:
    """Compare one golden set with the rows that are learned from, in each way in which a row is known again."""
    told: list[str] = []
    sample: list[str] = []
    total = worst = 0
    broken = noted = False
    for way, names in ways.items():
        seen = _sorted(_hashes(rows, names, condition, placed))
        ours = np.concatenate([np.empty(0, np.uint64), *(part for part, _ in _golden(golden, names))])
        again, total = int(_within(ours, seen).sum()), len(ours)
        if not again:
            continue
        chance, explained = _by_chance(seen, ours) if way == "features" else (0.0, False)
        told.append(f"{again:,} by {names[0] if way == 'key' else f'all {len(names)} features'}" + (
            f", of which chance explains about {total * chance:,.0f}" if chance else ""
        ))  # fmt: skip
        worst = max(worst, again)
        broken, noted = broken or not explained, True
        sample = sample or _named(golden, names, seen)
    compared = " and ".join(golden.key if way == "key" else f"{len(names)} features" for way, names in ways.items())
    return CheckResult(
        rule=f"golden_rows:{golden.name}", kind="golden_rows", column="", name=f"nothing of the golden set {golden.name} is learned from",
        severity="blocking" if broken or not noted else "advisory", passed=not noted, measured=worst / total if total else 0.0, limit=0.0,
        detail=f"{worst:,} of {total:,} golden rows are among the rows to learn from or to tune by: {'; '.join(told)}" if noted
        else f"{total:,} golden rows compared by {compared}, none of them learned from",
        reason="What is measured on must not have been seen. Leave these rows out of the source, or put them into a split that nothing is learned "
        "from, such as held_out, and read the rows in again.",
        sample=sample,
    )  # fmt: skip


def _hashes(rows: Rows, names: tuple[str, ...], condition: pl.Expr, needed: Sequence[str]) -> Hashes:
    """Return a hash of these columns for each row that is meant."""
    parts = [_hashed(batch.filter(condition), names) for batch in rows.batches(list(dict.fromkeys([*names, *needed])))]
    return np.concatenate(parts) if parts else np.empty(0, np.uint64)


def _golden(golden: GoldenRows, names: tuple[str, ...]) -> Iterator[tuple[Hashes, pl.DataFrame]]:
    """Yield hashes of the rows that are measured on, with the rows."""
    condition, needed = golden.measured or (None, "")
    for batch in golden.rows.batches(list(dict.fromkeys(filter(None, [*names, golden.key, needed])))):
        part = batch if condition is None else batch.filter(condition)
        yield _hashed(part, names), part


def _hashed(part: pl.DataFrame, names: tuple[str, ...]) -> Hashes:
    found: Hashes = part.select(pl.struct(names).hash(seed=0)).to_series().to_numpy()
    return found


def _sorted(hashes: Hashes) -> Hashes:
    hashes.sort()
    return hashes


def _within(hashes: Hashes, among: Hashes) -> npt.NDArray[np.bool_]:
    """Return which hashes are among sorted ones."""
    if not len(among):
        return np.zeros(len(hashes), dtype=bool)
    found: npt.NDArray[np.bool_] = among[np.searchsorted(among, hashes).clip(max=len(among) - 1)] == hashes
    return found


def _by_chance(seen: Hashes, ours: Hashes) -> tuple[float, bool]:
    """Return which share of our rows chance puts among those seen, and whether chance explains all that are there.

    The share is Good and Turing's: of the rows seen, those that equal another one. Chance is ruled out where more is found in both ways
    of looking: beyond that share by ``DEVIATIONS``, where equal rows tell one thing together; and, as twins may be too rare to have been
    seen, given how few pairs there are among the rows seen (the exact conditional test of two rates).

    Args:
        seen: sorted.

    Sources: I. J. Good, "The population frequencies of species", Biometrika 40 (1953); J. Przyborowski and H. Wilenski, "Homogeneity of
        results in testing samples from Poisson series", Biometrika 31 (1940).
    """
    same = seen[1:] == seen[:-1]
    share = float((np.append(same, [False]) | np.append([False], same)).mean())
    kinds = np.unique(ours)
    again, found, pairs = int(_within(ours, seen).sum()), int(_within(kinds, seen).sum()), int(same.sum())
    spread = math.sqrt(share * (1 - share) * (1 / len(kinds) + 2 / (len(seen) - pairs)))
    rare = scipy.stats.binom.sf(found - 1, found + pairs, len(ours) / (len(ours) + len(seen) / 2))
    return share, again <= len(ours) * (share + DEVIATIONS * spread) or bool(rare > RARE)


def _named(golden: GoldenRows, names: tuple[str, ...], seen: Hashes) -> list[str]:
    """Return the keys of a few golden rows that are learned from."""
    sample: list[str] = []
    for hashes, part in _golden(golden, names) if golden.key else ():
        sample += [str(value) for value in part[golden.key].filter(pl.Series(_within(hashes, seen))).head(SAMPLE)]
        if len(sample) >= SAMPLE:
            break
    return sample[:SAMPLE]
