"""The work done in the background: building data, training, evaluating.

This module is imported wherever a job is queued; the handlers and their heavy libraries are imported where one runs.
"""

from jobs.kinds import JobContext, job_kind


@job_kind("dataset_build", queue="training", timeout_s=900, memory_mb=4096, max_attempts=2)
def dataset_build(ctx: JobContext) -> None:
    """Build rows, save them under their digest, and add them as a version."""
    from experiments.handlers import building

    building.dataset_build(ctx)


@job_kind("dataset_ingest", queue="training", timeout_s=3600, memory_mb=4096, max_attempts=2)
def dataset_ingest(ctx: JobContext) -> None:
    """Read a declared source into the next version of its data set."""
    from experiments.handlers import ingesting

    ingesting.dataset_ingest(ctx)


@job_kind("contract_propose", queue="training", timeout_s=900, memory_mb=2048, max_attempts=2)
def contract_propose(ctx: JobContext) -> None:
    """Read a draft of a contract off a data set version."""
    from experiments.handlers import contracts as contract_jobs

    contract_jobs.contract_propose(ctx)


@job_kind("contract_check", queue="training", timeout_s=1800, memory_mb=2048, max_attempts=2)
def contract_check(ctx: JobContext) -> None:
    """Hold a data set version to a contract, and keep what was found."""
    from experiments.handlers import contracts as contract_jobs

    contract_jobs.contract_check(ctx)


@job_kind("train", queue="training", timeout_s=3600, memory_mb=4096, max_attempts=2)
def train(ctx: JobContext) -> None:
    """Train, log the run to MLflow, and register the version with its lineage; its evaluation is queued with it."""
    from experiments.handlers import training

    training.train(ctx)


@job_kind("search_open", queue="training", timeout_s=300, memory_mb=2048, max_attempts=3)
def search_open(ctx: JobContext) -> None:
    """Begin a search: the run in MLflow under which its trials stand."""
    from experiments.handlers import searching

    searching.search_open(ctx)


@job_kind("search_trial", queue="training", timeout_s=3600, memory_mb=4096, max_attempts=2)
def search_trial(ctx: JobContext) -> None:
    """Train once with parameters that the search chooses, and measure how good they are."""
    from experiments.handlers import searching

    searching.search_trial(ctx)


@job_kind("search_close", queue="training", timeout_s=300, memory_mb=2048, max_attempts=3)
def search_close(ctx: JobContext) -> None:
    """End a search in MLflow, and train its winner where that was asked for."""
    from experiments.handlers import searching

    searching.search_close(ctx)


@job_kind("evaluate", queue="evaluation", timeout_s=900, memory_mb=3072, max_attempts=2)
def evaluate(ctx: JobContext) -> None:
    """Measure a version on held-out rows and record the evidence."""
    from experiments.handlers import evaluating

    evaluating.evaluate(ctx)


@job_kind("batch_score", queue="evaluation", timeout_s=6 * 3600, memory_mb=3072, max_attempts=2)
def batch_score(ctx: JobContext) -> None:
    """Score a whole file or table with a version, into a Delta table."""
    from experiments.scoring import batch

    batch.batch_score(ctx)
