"""The story of the demo's first model, up to the point where a visitor takes over.

Rows are built, a plain baseline is trained, measured, proposed by the engineer and approved by the approver; then a
better version is trained, measured and proposed, and waits for the visitor's decision. Each step is what people do on
the pages, by the same services and the same jobs; `advance` finds from what is there which step is next.
"""

from django.db.models import Sum

from controlplane.demo import description
from controlplane.demo.model import DATASET, MODEL
from controlplane.demo.people import person
from experiments.models import ContractDraft, Dataset, DatasetVersion, TrainingRun
from experiments.services import contract_change, contract_propose_start, training_start
from jobs.models import Job
from jobs.states import State
from monitoring.models import TelemetryHour
from monitoring.services import drift_report_start
from registry import selectors
from registry.models import ModelVersion, Promotion, RegisteredModel
from registry.services import promotion_approve, promotion_request
from registry.states import PromotionState

FIRST, SECOND = "baseline", "lightgbm"
ENOUGH_ROWS = 2_000  # predictions, for a first report that says something


class WaitingError(Exception):
    """The next step has to wait; says for what, and on which page it is seen."""

    def __init__(self, what: str, path: str) -> None:
        super().__init__(what)
        self.what = what
        self.path = path

    @classmethod
    def on(cls, job: Job) -> "WaitingError":
        """Wait for ``job``; one that failed may still be tried again by a person."""
        return cls(job.title if job.state in (State.QUEUED, State.RUNNING) else f"{job.title}: {job.state}", job.path)


def advance() -> bool:
    """Take all steps that can be taken now; return False at the story's end.

    Raises:
        WaitingError: a job, or traffic, comes first.
        RefusedError: a person has taken the model another way, so the story is over.
    """
    model = RegisteredModel.objects.live().select_related("team").get(name=MODEL)
    data = _rows()
    first = _proposed(_trained(model, data, FIRST), "The first version: a plain model that is easy to explain.")
    if first.state == PromotionState.REQUESTED:
        _approve(first)
    description.describe_models()
    _held_to_a_contract(data)
    _proposed(
        _trained(model, data, SECOND),
        "Boosted trees instead of the plain model: they rank late flights better, most of all beyond the first warnings.",
    )
    _drift_compared(model)
    return False


def _rows() -> DatasetVersion:
    dataset = Dataset.objects.get(name=DATASET)
    if data := dataset.versions.first():
        return data
    raise WaitingError.on(Job.objects.filter(kind="dataset_build", subject=dataset.path).latest("id"))


def _trained(model: RegisteredModel, data: DatasetVersion, pipeline: str) -> ModelVersion:
    """Return the first version that ``pipeline`` made; asks for it if nobody did."""
    if run := TrainingRun.objects.filter(version__model=model, pipeline=pipeline).order_by("id").first():
        return run.version
    job = _last_job("train", model.path, params__pipeline=pipeline)
    if job is None:
        job = training_start(actor=person("engineer"), model=model, pipeline=pipeline, dataset_version=data)
    raise WaitingError.on(job)


def _proposed(version: ModelVersion, why: str) -> Promotion:
    """Return the promotion of ``version``; the engineer asks for it once the version is measured."""
    if promotion := Promotion.objects.filter(version=version).order_by("id").first():
        return promotion
    evaluation = version.evaluations.select_related("job").first()
    if evaluation and evaluation.job.state != State.SUCCEEDED:
        raise WaitingError.on(evaluation.job)
    return promotion_request(actor=person("engineer"), version=version, description=why)


def _approve(promotion: Promotion) -> None:
    seen = selectors.promotion_binding(promotion, selectors.promotion_checks(promotion))
    promotion_approve(
        actor=person("approver"), promotion_id=promotion.pk, seen=seen.digest,
        reason="All criteria are met on flights of later months, and the model is simple enough to explain.",
    )  # fmt: skip


def _held_to_a_contract(data: DatasetVersion) -> None:
    """Have a contract proposed by the rows that the first version was trained on, and accept it."""
    dataset = data.dataset
    if dataset.contract_in_force():
        return
    draft = ContractDraft.objects.filter(dataset=dataset).first()
    if draft is None:
        job = _last_job("contract_propose", dataset.path)
        if job is None:
            job = contract_propose_start(actor=person("engineer"), version=data)
        raise WaitingError.on(job)
    contract_change(
        actor=person("engineer"), dataset=dataset, document=draft.document, reference=draft.reference,
        reason="Read off the flights that the first version was trained and measured on.",
    )  # fmt: skip


def _drift_compared(model: RegisteredModel) -> None:
    """Ask for one drift report as soon as there is enough traffic to compare."""
    if _last_job("drift_report", model.path):
        return
    answered = TelemetryHour.objects.filter(version__aliases__name="champion", version__model=model)
    rows = answered.aggregate(total=Sum("rows"))["total"] or 0
    if rows < ENOUGH_ROWS:
        raise WaitingError(f"Waiting for {ENOUGH_ROWS} predictions to compare with the training rows", model.path)
    drift_report_start(actor=person("engineer"), model=model, hours=1)


def _last_job(kind: str, subject: str, **params: str) -> Job | None:
    return Job.objects.filter(kind=kind, subject=subject, **params).order_by("-id").first()
