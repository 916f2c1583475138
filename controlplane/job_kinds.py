"""The demo's own kind of job; nothing but its page queues one."""

from jobs.kinds import JobContext, job_kind


@job_kind("scenario", queue="demo", timeout_s=3600, memory_mb=2048, max_attempts=1)
def scenario(ctx: JobContext) -> None:
    """Run one scenario: send traffic, do what people would do, and wait for what comes of it."""
    from controlplane.demo.play import play_of

    def say(share: float, text: str) -> None:
        ctx.log(text)
        ctx.progress(share, text if len(text) <= 80 else f"{text[:79]}…")

    ended = play_of(ctx.params["name"], ctx.params["rate"], ctx.params["speed"], say).run()
    if not ended.good:
        raise RuntimeError(f"The {ended.what} {ended.path} is {ended.told}")
    with ctx.finish({ended.what: ended.path, "outcome": ended.told}):
        pass
