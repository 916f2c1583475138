"""Golden sets: one person marks a version, another one confirms it; from then on nothing is trained on it."""

from datetime import datetime

from experiments.models import DatasetVersion, GoldenMark
from experiments.models.datasets import HELD_OUT
from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError, FourEyesError, InvalidError
from registry.models import Role

CONFIRMERS = (Role.ENGINEER, Role.PRODUCT, Role.APPROVER)


@audited()
def golden_mark(*, actor: Actor, version: DatasetVersion, reason: str, split: str | None = None) -> GoldenMark:
    """Say that a version is golden; it is once another person confirms it.

    Args:
        split: whose rows are measured on; empty: all rows. Left out: what is held out, or all rows where nothing is.

    Raises:
        RoleError: the actor is no engineer of the team.
        InvalidError: no reason is given, or there is no such split.
        ConflictError: it is marked already, something was trained on it, or a blocking check failed.
    """
    actor.require(version.dataset.team, Role.ENGINEER)
    if not reason.strip():
        raise InvalidError("Say what the rows stand for, and why nothing may be trained on them.", field="reason")
    if split is None:
        split = HELD_OUT if HELD_OUT in version.splits else ""
    if split and split not in version.splits:
        raise InvalidError(
            f"{version} has no split {split}; choose one of {', '.join(version.splits)}, or all rows.", field="split"
        )
    if not split and version.column_in("series"):
        raise InvalidError(
            "A forecast is measured against what came before it, so all rows cannot be measured on: choose a split.",
            field="split",
        )
    _check(version)
    if GoldenMark.objects.filter(version=version).exists():
        raise ConflictError(f"{version} is marked as golden already.")
    mark = GoldenMark.objects.create(version=version, split=split, reason=reason.strip(), marked_by=actor.user)
    audit(
        action="dataset.golden_mark", subject=version.path, actor=actor, team=version.dataset.team.slug,
        payload={"digest": version.digest, "reason": mark.reason, "split": mark.split},
    )  # fmt: skip
    return mark


@audited()
def golden_confirm(*, actor: Actor, version: DatasetVersion, now: datetime) -> GoldenMark:
    """Confirm that a version is golden: it is frozen, and never trained on.

    Raises:
        RoleError: the actor is neither engineer, product nor approver of the team.
        FourEyesError: the actor marked it.
        ConflictError: it is not marked, confirmed already, or something was trained on it meanwhile.
    """
    team = version.dataset.team
    actor.require(team, *CONFIRMERS)
    DatasetVersion.objects.select_for_update(of=("self",), no_key=True).get(pk=version.pk)
    mark = GoldenMark.objects.select_for_update(of=("self",), no_key=True).filter(version=version).first()
    if mark is None or mark.confirmed_by_id:
        raise ConflictError(f"{version} does not wait to be confirmed as golden.")
    if mark.marked_by_id == actor.user.pk:
        raise FourEyesError(
            "You marked this version as golden, so another person confirms it.",
            unmet=[
                {"rule": "A second person confirms", "who": "another engineer, product owner or approver of the team"}
            ],
        )
    _check(version)
    if not version.frozen:
        DatasetVersion.objects.filter(pk=version.pk).update(frozen=True)
    mark.confirmed_by, mark.confirmed_at = actor.user, now
    mark.save(update_fields=["confirmed_by", "confirmed_at"])
    audit(
        action="dataset.golden_confirm", subject=version.path, actor=actor, team=team.slug,
        payload={"digest": version.digest, "marked_by": mark.marked_by.username},
    )  # fmt: skip
    return mark


def _check(version: DatasetVersion) -> None:
    if run := version.runs.select_related("version__model").first():
        raise ConflictError(f"{run.version} was trained on {version}, so it cannot be golden.")
    if failed := version.failed_checks:
        raise ConflictError(f"{version} failed a quality check: {'; '.join(failed)}.")
