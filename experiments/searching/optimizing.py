"""What Optuna says: which parameters to try next, whether a running trial is worth going on, and which parameters matter.

Every question is asked of a study that is laid out anew from the rows of our own table, so that any worker can ask it and there is
one place where trials are kept. Answers depend on the told trials, the seed and the trial's number alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from experiments.searching.told import Judgement, Plan, Told

optuna.logging.set_verbosity(optuna.logging.WARNING)

REDUCTION = 3  # of Hyperband: a third of the trials goes on at each rung
BRACKETS = 4  # of Hyperband, 3^3 rounds apart
STARTUP = 5  # trials that the median needs before it judges
FEWEST_FOR_IMPORTANCE = 10


def ask(plan: Plan, told: Sequence[Told], number: int) -> dict[str, Any]:
    """Return the parameters of trial ``number``; those of the trials that run now are kept away from."""
    study = _study(plan, number)
    distributions = {name: _distribution(one) for name, one in plan.space.items()}
    known = {one.number: one for one in told}
    for place in range(max([number, *known]) + 1):
        waiting = create_trial(state=TrialState.WAITING) if place == number else None
        study.add_trial(waiting or _frozen(known.get(place), distributions))
    trial = study.ask(distributions)
    assert trial.number == number  # noqa: S101  the only one that waits
    return dict(trial.params)


def judge(plan: Plan, told: Sequence[Told], number: int) -> Judgement:
    """Say whether trial ``number``, which runs, is worth going on beside the others."""
    study = _study(plan, number)
    distributions = {name: _distribution(one) for name, one in plan.space.items()}
    known = {one.number: one for one in told}
    for place in range(max(known) + 1):
        study.add_trial(_frozen(known.get(place), distributions))
    stop = study.pruner.prune(study, study.get_trials(deepcopy=False)[number])
    return Judgement(bool(stop), dict(study.get_trials(deepcopy=False)[number].system_attrs))


def importances(plan: Plan, told: Sequence[Told]) -> dict[str, float]:
    """Return each searched parameter's share of what sets the better half of the trials apart, largest first; {} with few trials.

    Source: Watanabe, Bansal, Hutter, "PED-ANOVA" (IJCAI 2023).
    """
    complete = [one for one in told if one.state == "complete"]
    if len(complete) < FEWEST_FOR_IMPORTANCE:
        return {}
    study = _study(plan, 0)
    distributions = {name: _distribution(one) for name, one in plan.space.items()}
    study.add_trials([_frozen(one, distributions) for one in complete])
    evaluator = PedAnovaImportanceEvaluator(target_quantile=0.25, region_quantile=1.0)
    found = get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in found.items() if share == share}


def _study(plan: Plan, number: int) -> optuna.Study:
    seed = (
        plan.seed * 100_003 + number
    )  # each trial is asked for by a new sampler, which must not draw what the last one drew
    sampler: optuna.samplers.BaseSampler = (
        optuna.samplers.RandomSampler(seed=seed) if plan.sampler == "random" else optuna.samplers.TPESampler(seed=seed)
    )
    return optuna.create_study(
        study_name=plan.name, direction=StudyDirection[plan.direction.upper()], sampler=sampler, pruner=_pruner(plan)
    )


def _pruner(plan: Plan) -> optuna.pruners.BasePruner:
    if plan.pruner == "median":
        return optuna.pruners.MedianPruner(
            n_startup_trials=STARTUP, n_warmup_steps=plan.longest // 20, interval_steps=plan.every, n_min_trials=3
        )
    if plan.pruner == "hyperband":
        shortest = max(1, plan.longest // REDUCTION ** (BRACKETS - 1))
        return optuna.pruners.HyperbandPruner(
            min_resource=shortest, max_resource=max(plan.longest, 1), reduction_factor=REDUCTION
        )
    return optuna.pruners.NopPruner()


def _distribution(one: Mapping[str, Any]) -> BaseDistribution:
    if "choices" in one:
        return CategoricalDistribution(one["choices"])
    kind = IntDistribution if isinstance(one["low"], int) else FloatDistribution
    return kind(one["low"], one["high"], log=one["log"])


def _frozen(one: Told | None, distributions: Mapping[str, BaseDistribution]) -> FrozenTrial:
    """Return a trial as Optuna knows it; one of which nothing is known keeps its place in the count, and no more."""
    states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "running": TrialState.RUNNING}
    if one is None or one.state not in states or not one.params:
        return create_trial(state=TrialState.FAIL)
    return create_trial(
        state=states[one.state], value=one.value if one.state == "complete" else None, params=dict(one.params),
        distributions=dict(distributions), intermediate_values={int(step): value for step, value in one.curve},
        system_attrs=dict(one.rungs),
    )  # fmt: skip
