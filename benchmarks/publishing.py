"""How long it takes to publish what 10,000 champions serve: after a change, and each second in which nothing changed."""

import statistics
import time
from collections.abc import Callable

from django.utils import timezone

from benchmarks.catalogue import installation
from benchmarks.pages import fill, people
from benchmarks.report import Row, arguments, finish

ROUNDS = 15


def main() -> None:
    """Fill, publish, print."""
    options = arguments(__doc__ or "")
    models = 1_000 if options.quick else 10_000
    with installation() as home:
        _, ids = people()
        fill(home, ids, first=1, last=models)
        from controlplane.celery import collect_rarely
        from rollouts.routing import document_of, routing_publish

        collect_rarely()  # as the worker does that publishes
        routes = len(document_of(routing_publish(now=timezone.now())).routes)
        if routes != models:
            raise RuntimeError(f"{routes} of {models} champions are routed")
        unchanged = _median(lambda n: None)
        changed = _median(lambda n: _withhold(ids["engineer"], n))
    rows = [
        Row("publish.unchanged_ms", unchanged, "ms", ("≤", 20.0)),
        Row("publish.changed_ms", changed, "ms", ("≤", 2_000.0)),
        Row("publish.routes", routes),
    ]
    finish(rows, options.json)


def _median(change: Callable[[int], None]) -> float:
    """Return how long publishing takes after ``change``, in milliseconds."""
    from rollouts.routing import routing_publish

    times = []
    for n in range(ROUNDS):
        change(n)
        began = time.perf_counter()
        routing_publish(now=timezone.now())
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def _withhold(engineer: int, n: int) -> None:
    """Withhold a column of one model from the log, which gateways have to know at once."""
    from monitoring.models import LogPolicy
    from registry.models import RegisteredModel

    model = RegisteredModel.objects.get(name=f"model-{n + 1:06}")
    LogPolicy.objects.create(model=model, columns={"feature_000": "hash"}, changed_by_id=engineer)


if __name__ == "__main__":
    main()
