"""In whose name a job works."""

from jobs.kinds import JobContext
from registry.access import Actor


def actor_of(ctx: JobContext) -> Actor:
    """Return the person who asked for the job.

    Raises: ValueError: it was started by the system.
    """
    if ctx.created_by is None:
        raise ValueError("this kind of job is started by a person, in whose name it registers what it makes")
    return Actor(ctx.created_by, f"job:{ctx.job_id}")
