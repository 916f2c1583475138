"""The demo's own kind of job; nothing but its page queues one."""

from jobs.kinds import JobContext, job_kind


@job_kind("scenario", queue="demo", timeout_s=3600, memory_mb=2048, max_attempts=1)
def scenario(ctx: JobContext) -> None:
    """Run one scenario: bring its candidate, send traffic, and wait for what becomes of its rollout."""
    from controlplane.demo.rehearsal import Rehearsal
    from controlplane.demo.scenarios import SCENARIOS

    chosen = SCENARIOS[ctx.params["name"]]

    def say(share: float, text: str) -> None:
        ctx.log(text)
        ctx.progress(share, text if len(text) <= 80 else f"{text[:79]}…")

    rollout = Rehearsal(chosen, ctx.params["rate"], ctx.params["speed"], say).run()
    if rollout.state != chosen.ends:
        raise RuntimeError(f"The rollout is {rollout.get_state_display()}, not {chosen.ends.replace('_', ' ')}.")
    with ctx.finish({"rollout": rollout.path, "outcome": rollout.outcome or rollout.waiting_for}):
        pass
