"""Print made-up loan applications of 2025 as CSV, the same each time: `python examples/loans.py > loans.csv`."""

import sys

import numpy as np
import pandas as pd

ROWS = 8000


def loans() -> pd.DataFrame:
    """Return the applications in order of time; who borrows much for the income and paid late before pays back less often."""
    random = np.random.default_rng(8)
    seconds = np.sort(random.integers(0, 365 * 86_400, ROWS))
    found = pd.DataFrame({
        "application_id": np.arange(1, ROWS + 1),
        "applied_at": np.datetime64("2025-01-01") + seconds.astype("timedelta64[s]"),
        "region": random.choice(["north", "south", "east", "west"], ROWS, p=[0.4, 0.3, 0.2, 0.1]),
        "income": random.lognormal(10.4, 0.4, ROWS).round(2),
        "amount": random.lognormal(8.8, 0.6, ROWS).round(2),
        "months": random.choice([12, 24, 36, 48, 60], ROWS),
        "late_payments": random.poisson(0.6, ROWS),
    })  # fmt: skip
    burden = 2.2 * found["amount"] / found["income"] + 0.75 * found["late_payments"] + 0.4 * (found["region"] == "west")
    found["defaulted"] = (random.random(ROWS) < 1 / (1 + np.exp(3.2 - burden))).astype(int)
    return found


if __name__ == "__main__":
    loans().to_csv(sys.stdout, index=False)
