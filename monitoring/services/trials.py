"""Opening and closing trials, as a rollout begins and ends; that is where the audit trail tells of it."""

from collections.abc import Sequence

import msgspec
from django.db import transaction
from django.db.models.functions import Now

from monitoring.models import Trial
from monitoring.trials.guards import Guard, GuardError, check_guards
from registry.errors import ConflictError, InvalidError
from registry.models import ModelVersion, RegisteredModel


@transaction.atomic
def trial_open(
    *, model: RegisteredModel, champion: ModelVersion, candidate: ModelVersion, guards: Sequence[Guard]
) -> Trial:
    """Begin to count what the guards compare, from now on; the same again returns the trial that is open.

    Raises:
        InvalidError: a guard contradicts itself or another, or a version is not one of the model's.
        ConflictError: another trial of the model is open.
    """
    try:
        said = msgspec.to_builtins(check_guards(guards))
    except GuardError as error:
        raise InvalidError(str(error), field=error.field) from None
    for field, version in (("champion", champion), ("candidate", candidate)):
        if version.model_id != model.pk:
            raise InvalidError(f"{version} is no version of {model.name}.", field=field)
    if champion.pk == candidate.pk:
        raise InvalidError(f"{candidate} is the champion already.", field="candidate")
    RegisteredModel.objects.hold(model.pk)
    trial = Trial.objects.filter(model=model, closed_at=None).first()
    if trial is None:
        trial = Trial.objects.create(model=model, champion=champion, candidate=candidate, guards=said)
        trial.refresh_from_db(fields=["opened_at"])
    elif (trial.champion_id, trial.candidate_id, trial.guards) != (champion.pk, candidate.pk, said):
        raise ConflictError(f"Another trial of {model.name} is open: {trial}. Close it first.")
    return trial


def trial_close(*, trial_id: int) -> Trial:
    """Count no more of what arrives from now on; a trial that is closed stays as it is."""
    Trial.objects.filter(pk=trial_id, closed_at=None).update(closed_at=Now())
    return Trial.objects.get(pk=trial_id)
