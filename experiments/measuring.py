"""What measuring a version on a data set version means now, and on which rows it can be done."""

from dataclasses import dataclass
from typing import Self

from experiments.models import DatasetVersion, Evaluation, EvaluationPlan, plan_in_force
from experiments.models.datasets import HELD_OUT
from experiments.rows.roles import HORIZON
from experiments.suites import suite_for
from registry.models import ModelVersion
from serving.contract import CHAMPION, RETRIEVER

GOLDEN = "+golden"  # in the name of a suite: of the rows that a golden mark says, and not of those held out
OFFERED, LOOKED_AT = 30, 200  # data set versions, newest first


@dataclass(frozen=True)
class Measuring:
    """How versions of a model are measured at present. The same measuring of the same rows gives the same numbers.

    Attributes:
        against: the present champion; None: there is none, or the version is it.
    """

    version: ModelVersion
    plan: EvaluationPlan | None
    against: ModelVersion | None

    @classmethod
    def of(cls, version: ModelVersion) -> Self:
        """Read plan and champion."""
        champion = ModelVersion.objects.filter(aliases__name=CHAMPION, aliases__model=version.model_id).first()
        return cls(version, plan_in_force(version.model), champion if champion != version else None)

    def suite(self, data: DatasetVersion) -> str:
        """Return the name under which its evidence is recorded."""
        plan = f"+plan-{self.plan.number}" if self.plan else ""
        return suite_for(self.version.model.task).name + plan + (GOLDEN if data.measured_split != HELD_OUT else "")

    def before(self, data: DatasetVersion) -> Evaluation | None:
        """Return the evaluation that did this, does it now, or failed to."""
        done = self.version.evaluations.filter(dataset_version=data, suite=self.suite(data), against=self.against)
        return done.select_related("job").first()

    def refusal(self, data: DatasetVersion) -> str:
        """Return which split, role or column that measuring needs ``data`` lack; empty where they lack none."""
        if data.measured_split is None:
            return (
                f"{data} holds out no rows, so nothing can be measured on it. Choose a version with a split {HELD_OUT}, or mark this one as "
                "golden and say which of its rows are measured on."
            )
        if refusal := suite_for(self.version.model.task).refusal(data.roles(), data.target_kind):
            return refusal
        known = {column["name"] for column in data.columns}
        if missing := [name for name in (self.plan.plan.columns if self.plan else ()) if name not in known]:
            return (
                f"The plan of {self.version.model.name} names {', '.join(missing)}, which {data} does not have. Change the plan, or measure on "
                "data with them."
            )
        return ""


def measurable(version: ModelVersion) -> list[DatasetVersion]:
    """Return the team's data set versions with every input of ``version`` on which it is not measured yet, newest first; at most 30."""
    rows = DatasetVersion.objects.filter(dataset__team=version.model.team_id).defer("profile", "checks", "query")
    if version.format != RETRIEVER:
        inputs = {column["name"] for column in version.signature.get("inputs", [])} - {HORIZON}
        rows = rows.filter(columns__contains=[{"name": name} for name in sorted(inputs)])
    measuring = Measuring.of(version)
    evaluations = version.evaluations.filter(against=measuring.against).select_related("job")
    done = {(one.dataset_version_id, one.suite) for one in evaluations if one.stands}
    found = [
        data
        for data in rows.select_related("dataset", "golden").order_by("-id")[:LOOKED_AT]
        if not measuring.refusal(data) and (data.pk, measuring.suite(data)) not in done
    ]
    return found[:OFFERED]
