"""Objects by their address, among those that the asker may see; anything else is not found."""

from django.shortcuts import get_object_or_404

from experiments.models import Dataset, DatasetVersion
from experiments.selectors import datasets_of
from registry.access import Actor
from registry.errors import InvalidError


def find_dataset(actor: Actor, name: str) -> Dataset:
    """Return one data set, or 404."""
    return get_object_or_404(datasets_of(actor), name=name)


def find_dataset_version(actor: Actor, name: str, number: int) -> DatasetVersion:
    """Return one version of a data set, or 404."""
    versions = find_dataset(actor, name).versions.select_related(
        "dataset__team", "parent", "created_by", "job", "golden", "made_from__dataset"
    )
    return get_object_or_404(versions, number=number)


def named_dataset_version(actor: Actor, name: str, number: int) -> DatasetVersion:
    """Return the version that a body names.

    Raises:
        InvalidError: there is none, or it is not the asker's to see; names the field.
    """
    dataset = datasets_of(actor).filter(name=name).first()
    if dataset is None:
        raise InvalidError(f"You have no data set {name}.", field="dataset")
    version = dataset.versions.select_related("dataset__team").filter(number=number).first()
    if version is None:
        raise InvalidError(f"{name} has no version {number}.", field="dataset_version")
    return version
