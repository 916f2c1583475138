"""From what is counted of a trial to a verdict for each guardrail of a plan. Pure: sums in, verdicts out."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from operator import add

from monitoring.selectors import PairSums
from monitoring.trials.guards import EVENTS, Guard
from monitoring.trials.guards import Kind as CountedKind
from rollouts import verdicts
from rollouts.plans.parts import Guardrail, Plan
from rollouts.verdicts import Coverage, Exposure, Origin, Pairs, Sample, Verdict
from serving.contract import BASIS_POINTS

LATE = 0.1  # of the prior, for harm that begins with a later part: it need not first outweigh all that went well before
PART_S = 6 * 3600  # a part ends with its step, and a long step has a new one so often
Place = tuple[int, int]  # the candidate's weight, and which length of a part since the rollout opened


@dataclass(frozen=True)
class Sums:
    """What one guardrail counted in one arm at one weight: see :class:`monitoring.models.TrialWindow`."""

    exposed: int = 0
    events: int = 0
    first_events: int = 0
    n: int = 0
    total: float = 0.0
    squares: float = 0.0

    def __add__(self, other: "Sums") -> "Sums":
        """Return both taken together."""
        return Sums(*map(add, astuple(self), astuple(other)))

    @property
    def sample(self) -> Sample:
        """The values measured."""
        return Sample(self.n, self.total, max(self.squares, 0.0))


@dataclass(frozen=True)
class Counted:
    """What one guardrail counted: by the candidate's weight and the part, of (champion, candidate); and of pairs."""

    at: Mapping[Place, tuple[Sums, Sums]] = field(default_factory=dict)
    pairs: PairSums = field(default_factory=PairSums)

    @property
    def failures(self) -> int:
        """Keys that had an event in either arm."""
        return sum(arm.first_events for arms in self.at.values() for arm in arms)


def by_weight(at: Mapping[Place, tuple[Sums, Sums]]) -> dict[int, tuple[Sums, Sums]]:
    """Return what both arms counted at each weight that parts callers, rising."""
    found: dict[int, tuple[Sums, Sums]] = {}
    for (weight, _), (champion, canary) in sorted(at.items()):
        if 0 < weight < BASIS_POINTS:
            before = found.get(weight, (Sums(), Sums()))
            found[weight] = (before[0] + champion, before[1] + canary)
    return found


def guards_of(plan: Plan) -> list[Guard]:
    """Return what has to be counted for a plan's guardrails; a threshold of 0 must be replaced before."""
    return [
        Guard(
            name=guard.name,
            kind=_counted_as(guard),
            threshold_ms=guard.threshold_ms or None,
            output=guard.output,
            above=guard.above,
            below=guard.below,
            threshold=guard.cut,
            tolerance=guard.tolerance or None,
            loss=guard.loss or ("correct" if guard.kind == "paired_quality" else None),
            maturity_s=float(guard.maturity_s) or None,
        )
        for guard in plan.guardrails
    ]


def _counted_as(guard: Guardrail) -> CountedKind:
    match guard.kind:
        case "paired_errors":
            return "errors"
        case "paired_quality":
            return "quality"
        case kind:
            return kind


def judge(plan: Plan, counted: Mapping[str, Counted]) -> list[Verdict]:
    """Return the verdict of each guardrail, in the plan's order.

    A fail of any one goes back, so alpha is split over them; a pass needs all of them, so each is tested at the whole of it.
    """
    levels = alphas(plan)
    return [
        _judge(guard, counted.get(guard.name, Counted()), levels[guard.name], plan.alpha) for guard in plan.guardrails
    ]


def alphas(plan: Plan) -> dict[str, float]:
    """Return each guardrail's share of the plan's alpha, by name."""
    return verdicts.split_alpha(
        plan.alpha,
        [guard.name for guard in plan.guardrails],
        {guard.name: guard.alpha_share for guard in plan.guardrails},
    )


def _judge(guard: Guardrail, counted: Counted, alpha: float, alpha_pass: float) -> Verdict:
    if guard.kind in EVENTS:
        return _failures(guard, counted, alpha, alpha_pass)
    if guard.kind == "agreement":
        return verdicts.judge_agreement(
            guard.name,
            counted.pairs.answered_both,
            counted.pairs.alike,
            alpha=alpha,
            at_least=guard.margin,
            alpha_pass=alpha_pass,
        )
    if guard.kind in ("paired_errors", "paired_quality"):
        return verdicts.judge_pairs(
            guard.name, _rights(guard, counted.pairs), alpha=alpha, margin=guard.margin, alpha_pass=alpha_pass
        )
    if guard.kind == "pairs":
        pairs = counted.pairs
        return verdicts.judge_differences(
            guard.name, Sample(pairs.n, pairs.total, max(pairs.squares, 0.0)), alpha=alpha, allowed=guard.margin,
            higher_is_better=guard.higher_is_better, alpha_pass=alpha_pass,
        )  # fmt: skip
    higher = False if guard.kind == "quality" else guard.higher_is_better  # a loss is better low
    arms = list(by_weight(counted.at).values())
    found = verdicts.judge_mean(
        guard.name, [champion.sample for champion, _ in arms], [canary.sample for _, canary in arms],
        alpha=alpha, allowed=guard.margin, higher_is_better=higher, alpha_pass=alpha_pass,
    )  # fmt: skip
    if guard.kind != "quality":
        return found
    return verdicts.judge_labelled(found, [Coverage(a.exposed, a.n, b.exposed, b.n) for a, b in arms])


def _rights(guard: Guardrail, pairs: PairSums) -> Pairs:
    """Return which of both was right, or, of errors, which one answered."""
    if guard.kind == "paired_errors":
        return Pairs(pairs.answered_both, pairs.only_champion, pairs.only_candidate, 0)
    neither = pairs.answered_both - pairs.alike - pairs.only_champion - pairs.only_candidate
    return Pairs(pairs.alike, pairs.only_champion, pairs.only_candidate, neither)


def _failures(guard: Guardrail, counted: Counted, alpha: float, alpha_pass: float) -> Verdict:
    at = {place: arms for place, arms in sorted(counted.at.items()) if 0 < place[0] < BASIS_POINTS}
    return verdicts.judge_failures(
        guard.name,
        [
            Origin(weight / BASIS_POINTS, canary.first_events, champion.first_events, part)
            for part, ((weight, _), (champion, canary)) in enumerate(at.items())
        ],
        Exposure(
            canary=sum(canary.exposed for _, canary in at.values()),
            champion=sum(champion.exposed for champion, _ in at.values()),
        ),
        alpha=alpha,
        margin=guard.margin,
        alpha_pass=alpha_pass,
        late=LATE,
    )
