"""Code for a notebook that asks the stock MLflow client for what a page shows. Pure: choices in, text out."""

from collections.abc import Mapping

from experiments.comparing.exploring import Choice

_BEGIN = """import mlflow
import pandas as pd

mlflow.set_tracking_uri({url!r})  # the variable MLFLOW_TRACKING_TOKEN holds a token of yours
"""
NAMES = {"p": "params.", "m": "metrics."}


def runs_snippet(url: str, experiment_id: str, choice: Choice, most: int) -> str:
    """Return code that fetches the runs of an experiment within the chosen bounds, as the data frame ``runs``."""
    lines = [f"runs = mlflow.search_runs(experiment_ids=[{experiment_id!r}], max_results={most})"]
    if choice.name:
        found = 'runs["tags.mlflow.runName"].str.contains'
        lines.append(f"runs = runs[{found}({choice.name!r}, case=False, regex=False)]")
    for column, (low, high) in choice.ranges.items():
        if (name := _name(column)) is None:
            continue
        numbers = f"pd.to_numeric(runs[{name!r}])"
        lines += [f"runs = runs[{numbers} >= {low!r}]"] if low is not None else []
        lines += [f"runs = runs[{numbers} <= {high!r}]"] if high is not None else []
    lines += [
        f"runs = runs[runs[{name!r}] == {word!r}]" for column, word in choice.words.items() if (name := _name(column))
    ]
    sort = _name(choice.sort.removeprefix("-"))
    if sort:
        ascending = not choice.sort.startswith("-")
        lines.append(f"runs = runs.sort_values({sort!r}, key=pd.to_numeric, ascending={ascending})")
    shown = ["tags.mlflow.runName", *filter(None, map(_name, choice.columns))]
    lines.append(f'runs = runs.set_index("run_id")[{shown!r}]')
    asked = {*choice.columns, *choice.ranges, choice.sort.removeprefix("-")}
    if any(name.startswith("e:") for name in asked):
        lines.append(
            "# What was measured on held-out rows is evidence of this application: see the CSV, or GET /api/v1/compare."
        )
    return "\n".join([_BEGIN.format(url=url), *lines, "runs"])


def compare_snippet(url: str, versions: Mapping[str, tuple[str, int]], runs: Mapping[str, str]) -> str:
    """Return code that lays parameters and metrics of runs side by side, as the data frame ``table``.

    Args:
        versions: by label, a model's name and a version's number.
        runs: by label, the id of a run.
    """
    told = [f"    {label!r}: client.get_model_version({name!r}, {str(number)!r}).run_id," for label, (name, number) in versions.items()]  # fmt: skip
    told += [f"    {label!r}: {run_id!r}," for label, run_id in runs.items()]
    return "\n".join([
        _BEGIN.format(url=url), "client = mlflow.MlflowClient()", "run_ids = {", *told, "}",
        "logged = {label: client.get_run(run_id).data for label, run_id in run_ids.items()}",
        "table = pd.DataFrame({label: {**run.params, **run.metrics} for label, run in logged.items()})",
        "table[table.nunique(axis=1, dropna=False) > 1]  # what differs",
    ])  # fmt: skip


def _name(column: str) -> str | None:
    """Return a column as ``mlflow.search_runs`` names it; None where it is not MLflow's."""
    kind, _, bare = column.partition(":")
    return NAMES[kind] + bare if kind in NAMES else None
