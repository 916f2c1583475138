"""What a version's inputs are compared with."""

from experiments.models import DatasetVersion
from experiments.selectors import training_data_of
from registry.models import ModelVersion


def reference_of(version: ModelVersion) -> DatasetVersion:
    """Return the data set version that a version was trained on.

    Raises:
        DatasetVersion.DoesNotExist: its training data is no data set of its team, or one without training rows.
    """
    found = training_data_of(version)
    if found is None:
        raise DatasetVersion.DoesNotExist
    return found
