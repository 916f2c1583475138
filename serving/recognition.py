"""What an artifact is, from what it says of itself and the names and digests of its files; none of them is opened here."""

import hashlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from serving.contract import MODEL_FILES, RETRIEVER, File, retriever
from serving.contract.retriever import CODE, MODULE

PICKLES = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".dill", ".cloudpickle")
# Where each format's file is named: flavour, and field of it.
DECLARED = {
    "lightgbm": ("lightgbm", "data"),
    "xgboost": ("xgboost", "data"),
    "skops": ("sklearn", "pickled_model"),
    "onnx": ("onnx", "data"),
    "safetensors": ("safetensors", "data"),
    "retriever": ("retriever", "data"),
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


def recognise(flavors: dict[str, Any], files: Mapping[str, File]) -> str:
    """Return the format that a gateway loads, one of ``contract.FORMATS``.

    Args:
        flavors: of the MLmodel file.
        files: of the artifact, by path.

    Raises:
        NotServableError: it is of another format, or could run code of its own; says which, and why not.
    """
    if pickles := sorted(name for name in files if name.lower().endswith(PICKLES)):
        kind, what = _pickle(flavors, pickles[0])
        raise NotServableError(kind, f"It holds {what} ({pickles[0]}), {RUNS_CODE}.")
    for flavor, kind in OTHER_FLAVORS.items():
        if flavor in flavors:
            raise NotServableError(kind, f"Its flavour is {flavor}, which no gateway loads.")
    loader = _field(flavors, "python_function", "loader_module")
    ours = loader == MODULE and RETRIEVER in flavors
    if loader not in LOADERS and not ours:
        raise NotServableError("code", f"It names a loader of its own ({loader!s:.100}), which is never run here.")
    brought = [flavor["code"] for flavor in flavors.values() if isinstance(flavor, dict) and flavor.get("code")]
    if brought != [CODE] * ours or (ours and not _is_ours(files)):
        raise NotServableError("code", "It brings code of its own, which is never run here.")
    for kind, (flavor, field) in DECLARED.items():
        declared = _field(flavors, flavor, field)
        if declared in MODEL_FILES[kind] and declared in files:
            return kind
    raise NotServableError(
        "other", f"Its flavour is {', '.join(sorted(flavors)) or 'unknown'}, which no gateway loads."
    )


def _is_ours(files: Mapping[str, File]) -> bool:
    """Whether the only code is the module that we put beside each retriever, byte for byte; so nobody else's reaches who loads it."""
    code = [name for name in files if name.startswith(f"{CODE}/") or name.lower().endswith((".py", ".pyc", ".so"))]
    ours = hashlib.sha256(Path(retriever.__file__).read_bytes()).hexdigest()
    return code == [f"{CODE}/{MODULE}.py"] and files[code[0]].sha256 == ours


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
