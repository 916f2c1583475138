"""How a model is watched once it serves: what is promised and compared, not how it stands."""

from typing import Any

from experiments.models import DatasetVersion
from monitoring.drift import CATEGORICAL_METHOD, DRIFT_SHARE, METHOD_WORDS, NUMERIC_METHOD, THRESHOLD
from monitoring.models import Slo
from monitoring.selectors.reference import reference_of
from monitoring.slo_words import sli_words, slice_words, window_words
from registry.models import ModelVersion


def monitoring_plan(version: ModelVersion) -> dict[str, Any]:
    """Return the objectives of the version's model, and what its inputs are compared with."""
    slos = Slo.objects.filter(model=version.model_id).select_related("created_by").order_by("id")
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
            "methods": [METHOD_WORDS[NUMERIC_METHOD], METHOD_WORDS[CATEGORICAL_METHOD]],
            "feature_threshold": THRESHOLD,
            "share_of_features": DRIFT_SHARE,
        },
    }  # fmt: skip
