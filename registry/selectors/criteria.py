"""What helps to draft criteria: which metrics and data sets there are, and how the version in use would do."""

from registry.criteria import CheckStatus, Measured, margin, metric_label
from registry.criteria_diff import Change, changes
from registry.metric_words import BY_TASK, LIVE, Nouns
from registry.models import AcceptanceCriterion, CriteriaSet, Evidence, RegisteredModel
from registry.plain_words.results import Plain, plain
from registry.plain_words.rules import Rule


def metric_choices(model: RegisteredModel) -> list[tuple[str, str]]:
    """Return the metrics that criteria of ``model`` can ask for: those of its task and of real callers, those measured, those asked for before."""
    measured = Evidence.objects.filter(version__model=model).values_list("metric", flat=True)
    asked = AcceptanceCriterion.objects.filter(criteria_set__model=model).values_list("metric", flat=True)
    names = {*LIVE, *BY_TASK[model.task], *measured.distinct(), *asked.distinct()}
    return sorted(((name, metric_label(name)) for name in names), key=lambda choice: choice[1])


def data_set_names(model: RegisteredModel) -> list[str]:
    """Return the data sets that versions of ``model`` were measured on."""
    rows = Evidence.objects.filter(version__model=model).exclude(data_set="")
    return sorted(rows.values_list("data_set", flat=True).distinct())


def champion_against(model: RegisteredModel, rule: Rule, nouns: Nouns) -> Plain | None:
    """Return how the version in use does by ``rule``; None where nothing is in use, measured, or to be compared."""
    if rule.against_champion:
        return None
    rows = Evidence.objects.filter(
        version__aliases__name="champion", version__aliases__model=model, against=None, metric=rule.metric,
        data_slice=rule.data_slice,
    ).exclude(kind__in=Evidence.OF_ROLLOUTS)  # fmt: skip
    found = (rows.filter(data_set=rule.data_set) if rule.data_set else rows).defer("detail").order_by("-id").first()
    if found is None or (rule.by_interval and found.ci_low is None):
        return None
    measured = Measured(found.value, found.ci_low, found.ci_high)
    room = margin(measured, threshold=rule.threshold, at_least=rule.at_least, by_interval=rule.by_interval)
    return plain(rule, CheckStatus.PASSED if room >= 0 else CheckStatus.FAILED, measured, nouns=nouns)


def set_changes(old: CriteriaSet, new: CriteriaSet) -> list[Change]:
    """Return what ``new`` changes against ``old``."""
    return changes(old.drafted, new.drafted, new.nouns)
