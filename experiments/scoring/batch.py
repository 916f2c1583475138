"""Scoring a batch: what the job tells the child that does it, and what it hears back."""

import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
from django.conf import settings

from experiments.models import BatchScoring
from experiments.services import batch_record
from jobs.kinds import JobContext
from registry.selectors import signature_of
from registry.selectors.servables import served_version
from registry.staging import stage
from serving.contract import BatchProgress, BatchSpec


class BatchFailedError(Exception):
    """The batch was not scored; the message says why."""


def batch_score(ctx: JobContext) -> None:
    """Score all rows into the table of this scoring, in one commit; a second attempt finds what a first one finished."""
    scoring = BatchScoring.objects.select_related("version__model__team", "dataset_version__dataset").get(
        job_id=ctx.job_id
    )
    signature = signature_of(scoring.version)
    if signature.fault:
        raise BatchFailedError(f"The signature of {scoring.version} does not hold. {signature.fault}")
    ctx.progress(0.0, f"Loading {scoring.version}")
    stage(scoring.version.artifact_path)
    done = _run(ctx, _spec(scoring))
    ctx.log(
        f"{done.rows:,} rows of {scoring.input_name} scored with {scoring.version}, {scoring.version.artifact_digest}"
    )
    with ctx.finish({"version": scoring.version.path, "rows": done.rows, "table": f"file:{scoring.output}"}):
        batch_record(scoring=scoring, rows=done.rows, input_version=done.input_version)


def _spec(scoring: BatchScoring) -> BatchSpec:
    data = scoring.dataset_version
    scoring.output.parent.mkdir(parents=True, exist_ok=True)
    return BatchSpec(
        name=f"batch:{scoring.pk}", model=scoring.version.model.name, task=scoring.version.model.task,
        version=served_version(scoring.version), input=str(scoring.source), format=scoring.format,  # type: ignore[arg-type]
        output=str(scoring.output), keep=scoring.keep, horizon=scoring.horizon, scheduler=settings.DASK_SCHEDULER,
        lineage={
            "job": f"/jobs/{scoring.job_id}/", "version_path": scoring.version.path,
            **({"data_set": str(data), "data_digest": data.digest} if data else {}),
        },
    )  # fmt: skip


def _run(ctx: JobContext, spec: BatchSpec) -> BatchProgress:
    """Run the child and pass on its progress; it ends with this process, whatever happens to either."""
    done = None
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "stderr").open("w+b") as said:
        path = Path(folder) / "spec.json"
        path.write_bytes(msgspec.json.encode(spec))
        command = [sys.executable, "-m", "serving.batch", str(path)]
        with subprocess.Popen(command, cwd=settings.BASE_DIR, stdout=subprocess.PIPE, stderr=said) as child:  # noqa: S603
            assert child.stdout  # noqa: S101  asked for above
            try:
                for line in child.stdout:
                    done = msgspec.json.decode(line, type=BatchProgress)
                    share = done.rows / done.of if done.of else 0.5
                    ctx.progress(min(share, 0.99), f"{done.rows:,} rows scored")
                code = child.wait()
            finally:
                child.kill()
        said.seek(0)
        if code or done is None:
            lines = said.read().decode(errors="replace").strip().splitlines() or [f"the process ended with code {code}"]
            raise BatchFailedError(lines[-1][:2000])
    return done
