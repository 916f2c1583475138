"""How a model is watched once it serves: what is promised and compared, not how it stands."""

from typing import Any

from experiments.models import DatasetVersion
from monitoring.drift.words import METHOD_WORDS, NUMERIC_METHOD
from monitoring.models import Slo
from monitoring.selectors.drift_policy import drift_policy_of
from monitoring.selectors.reference import reference_of
from monitoring.slo_words import sli_words, slice_words, window_words
from registry.models import ModelVersion


def monitoring_plan(version: ModelVersion) -> dict[str, Any]:
    """Return the objectives of the version's model, and what its inputs are compared with."""
    slos = Slo.objects.filter(model=version.model_id).select_related("created_by").order_by("id")
    policy = drift_policy_of(version.model)
    try:
        reference = str(reference_of(version))
    except DatasetVersion.DoesNotExist:
        reference = None
    return {
        "objectives": [
            {
                "kind": slo.get_kind_display(), "objective": str(slo.objective), "over": window_words(slo),
                "counts": sli_words(slo), "only": slice_words(slo), "set_by": slo.created_by.get_username(),
                "path": slo.path,
            }
            for slo in slos
        ],
        "drift": {
            "reference": reference,
            "methods": [METHOD_WORDS[NUMERIC_METHOD], METHOD_WORDS["total_variation"]],
            "policy": policy.number,
            "windows_hours": [span // 3600 for span in policy.spans],
            "false_alarms_of_a_feature": policy.alpha,
            "wrong_among_found": policy.fdr,
            "smallest_shift": policy.effect_floor,
            "muted": policy.muted,
            "full_reports": f"{policy.report_cron} ({policy.report_zone})" if policy.report_cron else "on demand",
        },
    }  # fmt: skip
