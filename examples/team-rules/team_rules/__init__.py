"""What the forms and the API need to know of the pipeline; light, since every process of the product imports it."""

from dataclasses import dataclass, field

from experiments.pipelines.catalogue import TrainingPipeline


@dataclass(frozen=True)
class RuleParams:
    """What may be chosen."""

    depth: int = field(default=4, metadata={"label": "Depth", "help": "questions to an answer", "min": 1, "max": 12})


RULES = TrainingPipeline(
    name="shallow-rules",
    title="A shallow tree",
    description="A few questions that a person can read.",
    params=RuleParams,
    module="team_rules.training",
    tasks=("classification",),
)
