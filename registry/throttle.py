"""How long to wait after failed log-ins. Pure arithmetic."""


def pause_s(failures: int) -> int:
    """Return how long (seconds) the next attempt has to wait: nothing after one failure, then 1, 2, 4 and so on."""
    return 0 if failures < 2 else min(2 ** (failures - 2), 60)
