"""What an artifact is, from what it says of itself and the names of its files. Pure; nothing is opened here."""

from collections.abc import Collection
from pathlib import PurePosixPath
from typing import Any

from serving.contract import MODEL_FILES

PICKLES = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".dill", ".cloudpickle")
# Where each format's file is named: flavour, and field of it.
DECLARED = {
    "lightgbm": ("lightgbm", "data"),
    "xgboost": ("xgboost", "data"),
    "skops": ("sklearn", "pickled_model"),
    "onnx": ("onnx", "data"),
    "safetensors": ("safetensors", "data"),
}
LOADERS = (None, "mlflow.lightgbm", "mlflow.xgboost", "mlflow.sklearn", "mlflow.onnx")
OTHER_FLAVORS = {
    "catboost": "catboost", "pytorch": "torch", "keras": "keras", "tensorflow": "keras", "transformers": "transformers",
    "sentence_transformers": "transformers",
}  # fmt: skip
RUNS_CODE = "which runs code when it is opened"


class NotServableError(Exception):
    """The files may be sound, but a gateway could not serve them.

    Attributes:
        format: what they are.
    """

    def __init__(self, format_name: str, reason: str) -> None:
        super().__init__(reason)
        self.format = format_name


def recognise(flavors: dict[str, Any], names: Collection[str]) -> str:
    """Return the format that a gateway loads, one of ``contract.FORMATS``.

    Args:
        flavors: of the MLmodel file.
        names: paths of all files of the artifact.

    Raises:
        NotServableError: it is of another format, or could run code of its own; says which, and why not.
    """
    if pickles := sorted(name for name in names if name.lower().endswith(PICKLES)):
        kind, what = _pickle(flavors, pickles[0])
        raise NotServableError(kind, f"It holds {what} ({pickles[0]}), {RUNS_CODE}.")
    for flavor, kind in OTHER_FLAVORS.items():
        if flavor in flavors:
            raise NotServableError(kind, f"Its flavour is {flavor}, which no gateway loads.")
    loader = _field(flavors, "python_function", "loader_module")
    if loader not in LOADERS:
        raise NotServableError("code", f"It names a loader of its own ({loader!s:.100}), which is never run here.")
    if any(isinstance(flavor, dict) and flavor.get("code") for flavor in flavors.values()):
        raise NotServableError("code", "It brings code of its own, which is never run here.")
    for kind, (flavor, field) in DECLARED.items():
        declared = _field(flavors, flavor, field)
        if declared in MODEL_FILES[kind] and declared in names:
            return kind
    raise NotServableError(
        "other", f"Its flavour is {', '.join(sorted(flavors)) or 'unknown'}, which no gateway loads."
    )


def _field(flavors: dict[str, Any], flavor: str, field: str) -> Any:
    found = flavors.get(flavor)
    return found.get(field) if isinstance(found, dict) else None


def _pickle(flavors: dict[str, Any], path: str) -> tuple[str, str]:
    suffix = PurePosixPath(path).suffix.lower()
    for library in ("lightgbm", "xgboost"):
        if library in flavors:
            return f"{library}-pickle", "a pickle"
    if suffix in (".pt", ".pth") or "pytorch" in flavors:
        return "torch", "a PyTorch pickle"
    if suffix == ".joblib":
        return "joblib", "a joblib file"
    if _field(flavors, "python_function", "loader_module") == "mlflow.pyfunc.model":
        return "code", "a pickled Python class"
    return "pickle", "a pickle"
