"""What a version's inputs are compared with."""

from experiments.models import DatasetVersion
from registry.models import ModelVersion


def reference_of(version: ModelVersion) -> DatasetVersion:
    """Return the data set version that a version was trained on.

    Raises:
        DatasetVersion.DoesNotExist: its training data is no data set of its team, or one without training rows.
    """
    rows = DatasetVersion.objects.select_related("dataset").filter(
        dataset__team=version.model.team_id, splits__has_key="train"
    )
    return rows.filter(digest=version.data_digest).latest("id")
