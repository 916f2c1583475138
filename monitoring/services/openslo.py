"""Importing and exporting objectives as OpenSLO documents."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from monitoring.models import Slo
from monitoring.quality.metrics import BY_KIND
from monitoring.selectors.quality_policy import quality_policy_of
from monitoring.services.slo_terms import fields_of, terms_of
from monitoring.services.slos import slo_create, slo_edit
from monitoring.slo import openslo
from monitoring.slo.openslo_text import Fault, TextError
from registry.access import Actor
from registry.audit_trail import audited
from registry.errors import InvalidError, RefusedError, RoleError
from registry.models import RegisteredModel


class ImportRefusedError(InvalidError):
    """A text was not taken; nothing was set. ``faults`` names each line and field."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(map(str, faults)), field="text")
        self.faults = list(faults)


# What a document that does not name it means: nothing, also where the objective had it before.
BLANK: dict[str, Any] = {
    "time_zone": "UTC", "slice_s": None, "slice_target": None, "threshold_ms": None, "metric": "", "maturity_s": None,
    "min_coverage": None, "column": "", "column_holds": "", "max_age_s": None, "input_slice": {},
}  # fmt: skip


@dataclass(frozen=True)
class Imported:
    """What an import did; ``notes`` say what of the text was left out."""

    created: list[Slo] = field(default_factory=list)
    changed: list[Slo] = field(default_factory=list)
    same: list[Slo] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def slos_export(slos: Sequence[Slo]) -> str:
    """Return objectives as OpenSLO v1 documents, one after the other."""
    return openslo.to_yaml([(slo.model.name, terms_of(slo), _higher(slo)) for slo in slos])


def slos_import(*, actor: Actor, text: str, model: RegisteredModel | None = None, reason: str = "") -> Imported:
    """Set the objectives that OpenSLO v1 documents hold: all of them, or none.

    An objective of a name that the model has is changed, for a reason; where it is the same already, nothing happens.

    Args:
        text: one or several documents.
        model: whose objectives they become; None for the models that the documents name as their services.
        reason: of the change, where an objective changes.

    Raises:
        ImportRefusedError: names each line and field that cannot be taken, and why.
        RoleError: the actor may not set objectives in the team of one of the models.
    """
    try:
        said, notes = openslo.from_yaml(text)
    except TextError as error:
        raise ImportRefusedError(error.faults) from None
    done, faults = Imported(notes=notes), []
    with audited():
        for one in said:
            try:
                with audited():
                    _take(actor, one, model, reason, done)
            except RoleError:
                raise
            except RefusedError as refused:
                faults.append(one.fault(getattr(refused, "field", ""), str(refused)))
        if faults:
            raise ImportRefusedError(faults)
    return done


def _take(actor: Actor, one: openslo.Said, model: RegisteredModel | None, reason: str, done: Imported) -> None:
    of = model or RegisteredModel.objects.live().filter(name=one.model, team__in=actor.teams()).first()
    if of is None:
        raise InvalidError(f"None of your teams has a model {one.model}.", field="service")
    terms: Any = {**BLANK, **one.terms}
    if terms["kind"] in ("cost", "quality") and terms["budgeting"] == "timeslices":
        one.paths["slice_target"] = "spec.objectives[0].value"
    held = Slo.objects.select_related("model__team", "created_by").filter(model=of, name=terms["name"]).first()
    if held is None:
        done.created.append(slo_create(actor=actor, model=of, **terms))
    elif all(getattr(held, name) == value for name, value in fields_of(of, terms).items()):
        done.same.append(held)
    elif not reason.strip():
        raise InvalidError(f"{of.name} has another objective {held.name}. Give a reason to change it.", field="name")
    else:
        done.changed.append(slo_edit(actor=actor, slo=held, reason=reason, **terms))


def _higher(slo: Slo) -> bool:
    metrics = BY_KIND[quality_policy_of(slo.model).compares] if slo.metric else {}
    return metrics[slo.metric].higher_is_better if slo.metric in metrics else True
