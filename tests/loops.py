"""Coroutines in tests that share a process with a browser, which leaves the main thread with a running loop."""

import asyncio
from concurrent.futures import ThreadPoolExecutor


def run(coroutine):
    """Run it to its end on a loop of its own, in a thread of its own."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()
