"""How a trained model is written as an MLflow artifact. MLflow calls :func:`save_model` when a model is logged.

Every artifact holds the model as a skops file, which MLflow's clients load and which takes categories as plain text. A
boosted model is written a second time as LightGBM text or XGBoost UBJSON, which the gateway loads: MLflow's own flavours
cannot take categories as text, and a gateway should not need scikit-learn. Both forms come from the same trees.
"""

import json
from collections.abc import Collection
from importlib.metadata import version
from pathlib import Path

import mlflow
import msgspec
import numpy as np
import pandas as pd
import xgboost
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.types.schema import Array
from mlflow.utils.environment import _PythonEnv

from experiments.pipelines.contract import Trained
from experiments.pipelines.repeatable import repeatable
from serving.contract import CALIBRATION, MODEL_FILES, QUANTILES_FILE, RETRIEVER, calibrated_text, retriever, written

SKOPS_FILE = "model.skops"
# By library of the booster: its file for the gateway, and what else MLflow's flavour of that name says.
BOOSTERS: dict[str, tuple[str, dict[str, str]]] = {
    "lightgbm": ("model.lgb", {"lgb_version": version("lightgbm")}),
    "xgboost": ("model.ubj", {"xgb_version": xgboost.__version__, "model_format": "ubj"}),
}
PREDICTS = {
    "score_samples": "predict"
}  # MLflow's clients cannot ask for scores; they get 1 for normal and -1 for anomalous
EXAMPLE_FILE = "input_example.json"
(RETRIEVER_FILE,) = MODEL_FILES[RETRIEVER]
RETRIEVER_REQUIREMENTS = ("mlflow", "numpy", "pandas", "safetensors", "onnxruntime", "tokenizers")
REQUIREMENTS = ("mlflow", "scikit-learn", "lightgbm", "skops", "pandas", "numpy")

# What skops does not trust by itself: data holders of numpy, and LightGBM's own classes, read through before.
TRUSTED = [
    "collections.OrderedDict", "lightgbm.basic.Booster", "lightgbm.sklearn.LGBMClassifier", "lightgbm.sklearn.LGBMRanker",
    "lightgbm.sklearn.LGBMRegressor", "numpy.clip", "numpy.dtype", "sklearn.calibration._CalibratedClassifier",
    "sklearn.tree._tree.Tree", "sklearn.utils._bunch.Bunch",
]  # fmt: skip
# What is written besides; it is not read back here, since boosters of XGBoost are measured from their own file.
WRITTEN = [*TRUSTED, "xgboost.core.Booster", "xgboost.sklearn.XGBClassifier"]


def save_model(
    *, path: str, mlflow_model: Model, trained: Trained, signature: ModelSignature, input_example: pd.DataFrame
) -> None:
    """Write the folder of an MLflow model.

    Args:
        path: the folder, which does not exist yet.
        mlflow_model: the description that MLflow has begun, written as `MLmodel`.
        input_example: a few rows of the features, as clients send them.
    """
    if trained.method == "search":
        save_retriever(
            path=Path(path), mlflow_model=mlflow_model, trained=trained, signature=signature, input_example=input_example
        )  # fmt: skip
        return
    library = type(trained.booster).__module__.partition(".")[0] if trained.booster is not None else ""
    requirements = [f"{name}=={version(name)}" for name in REQUIREMENTS]
    if library == "xgboost":
        requirements.append(f"xgboost=={xgboost.__version__}")  # whichever of its packages is installed here
    mlflow.sklearn.save_model(
        trained.estimator, path, mlflow_model=mlflow_model, serialization_format="skops", skops_trusted_types=WRITTEN,
        pyfunc_predict_fn=PREDICTS.get(trained.method, trained.method), signature=signature, input_example=input_example,
        pip_requirements=requirements,
    )  # fmt: skip
    if trained.quantiles is not None:
        (Path(path) / QUANTILES_FILE).write_bytes(msgspec.json.encode(trained.quantiles))
    skops_file = Path(path) / SKOPS_FILE
    skops_file.write_bytes(repeatable(skops_file.read_bytes()))
    if trained.booster is not None:
        file, about = BOOSTERS[library]
        kind = type(trained.booster)
        write_booster(trained, Path(path) / file)
        mlflow_model.add_flavor(library, data=file, model_class=f"{kind.__module__}.{kind.__qualname__}", **about)
        mlflow_model.save(str(Path(path) / "MLmodel"))


def write_booster(trained: Trained, path: Path) -> None:
    """Write the model as the gateway loads it: the booster, with its calibration where it has one."""
    trained.booster.save_model(str(path))
    if trained.calibration is None:
        return
    if path.suffix == ".ubj":
        calibrated = trained.booster.copy()
        calibrated.set_attr(**{CALIBRATION: written(trained.calibration)})
        calibrated.save_model(str(path))
    else:
        path.write_text(calibrated_text(path.read_text(), trained.calibration))


def save_retriever(
    *, path: Path, mlflow_model: Model, trained: Trained, signature: ModelSignature, input_example: pd.DataFrame
) -> None:
    """Write a retriever: one file for everybody, and beside it the code that reads it, for clients without this product."""
    (path / retriever.CODE).mkdir(parents=True)
    (path / RETRIEVER_FILE).write_bytes(retriever.write(trained.estimator))
    (path / retriever.CODE / f"{retriever.MODULE}.py").write_bytes(Path(str(retriever.__file__)).read_bytes())
    mlflow_model.signature = signature
    # By hand: MLflow would try the model on an example of its own making, and leave compiled code in the folder.
    example = {"columns": list(input_example), "data": input_example.to_numpy().tolist()}
    (path / EXAMPLE_FILE).write_text(json.dumps(example))
    mlflow_model.saved_input_example_info = {
        "artifact_path": EXAMPLE_FILE,
        "type": "dataframe",
        "pandas_orient": "split",
    }
    mlflow.pyfunc.add_to_model(
        mlflow_model, loader_module=retriever.MODULE, data=RETRIEVER_FILE, code=retriever.CODE, python_env="python_env.yaml",
    )  # fmt: skip
    mlflow_model.add_flavor(RETRIEVER, data=RETRIEVER_FILE, mode=trained.estimator.settings.mode)
    mlflow_model.save(str(path / "MLmodel"))
    wanted = RETRIEVER_REQUIREMENTS if trained.estimator.encoder is not None else RETRIEVER_REQUIREMENTS[:-2]
    (path / "requirements.txt").write_text("".join(f"{name}=={version(name)}\n" for name in wanted))
    _PythonEnv.current().to_yaml(str(path / "python_env.yaml"))


def signature_of(types: dict[str, str], *, optional: Collection[str], trained: Trained) -> ModelSignature:
    """Return the signature of ``trained``: two probabilities a row or one number, and what a request may say beside its rows.

    Args:
        types: each column's MLflow type, in the order the model takes them.
        optional: the features that may be missing.
    """
    inputs = Schema([ColSpec(kind, name, required=name not in optional) for name, kind in types.items()])
    params = ParamSchema([ParamSpec(name, DataType.long, value) for name, value in trained.parameters.items()])
    if trained.method == "search":
        found = [ColSpec(Array(DataType.string), "ids"), ColSpec(Array(DataType.double), "scores")]
        return ModelSignature(inputs, Schema(found), params)
    shape = (-1, 2) if trained.method == "predict_proba" else (-1,)
    return ModelSignature(
        inputs, Schema([TensorSpec(np.dtype("float64"), shape)]), params if trained.parameters else None
    )
