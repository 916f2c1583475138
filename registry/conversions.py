"""How to turn what cannot be served into what can: a sentence and a snippet for each format. Pure data."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Conversion:
    """What a format is, and how to log the same model so that a gateway loads it."""

    title: str
    advice: str
    snippet: str = ""


_SIGNATURE = "signature=mlflow.models.infer_signature(X, predictions)"
_SKOPS = f"""mlflow.sklearn.log_model(
    model, name="model", serialization_format="skops",
    {_SIGNATURE},
)"""
_DENSE = """from safetensors.torch import save_file

# net: torch.nn.Sequential of Linear layers with ReLU, Tanh or Sigmoid between them
save_file(net.state_dict(), "model/model.safetensors", metadata={
    "architecture": "dense", "activation": "relu", "output": "logit",  # or value, softmax
})
description = mlflow.models.Model(signature=signature)
description.add_flavor("safetensors", data="model.safetensors")
description.save("model/MLmodel")
mlflow.log_artifacts("model", "model")"""
_ONNX = f"""mlflow.onnx.log_model(
    onnx_model, name="model", save_as_external_data=False,
    {_SIGNATURE},
)"""

CONVERSIONS = {
    "lightgbm": Conversion("LightGBM text", "Log the Booster with a signature of named columns."),
    "xgboost": Conversion("XGBoost JSON or UBJSON", "Log the Booster with a signature of named columns.",
                          f'mlflow.xgboost.log_model(booster, name="model", model_format="ubj",\n    {_SIGNATURE})'),
    "skops": Conversion("skops archive", "Only types on a fixed list are loaded; see docs/artifacts.md.", _SKOPS),
    "onnx": Conversion("ONNX", "One file, standard operators, a tensor of floats as its output.", _ONNX),
    "safetensors": Conversion("safetensors", "Tensors hold no program: name an architecture that a gateway knows.", _DENSE),
    "retriever": Conversion("Retriever", "One safetensors file with the index, the encoder and its tokenizer; see docs/artifacts.md. "
                            "The retrieval pipelines write it."),
    "pickle": Conversion("Pickle", "Log the scikit-learn model as skops. XGBoost and LightGBM models have files of their own.",
                         _SKOPS),
    "joblib": Conversion("joblib file", "joblib writes pickles. Load it where you trust it, and log it as skops.",
                         f'model = joblib.load("model.joblib")  # on your own machine\n{_SKOPS}'),
    "lightgbm-pickle": Conversion("Pickled LightGBM model", "Log the Booster within the scikit-learn wrapper.",
                                  'mlflow.lightgbm.log_model(model.booster_, name="model",\n'
                                  "    signature=mlflow.models.infer_signature(X, model.booster_.predict(X)))"),
    "xgboost-pickle": Conversion("Pickled XGBoost model", "Let XGBoost write its own format.",
                                 'mlflow.xgboost.log_model(model, name="model", model_format="json",\n'
                                 f"    {_SIGNATURE})"),
    "catboost": Conversion("CatBoost", "CatBoost writes ONNX itself, for models without categorical columns.",
                           'model.save_model("model.onnx", format="onnx")\n'
                           f'onnx_model = onnx.load("model.onnx")\n{_ONNX}'),
    "torch": Conversion("PyTorch", "Export the network to ONNX, or a plain dense one to safetensors.",
                        'torch.onnx.export(net, (example,), "model.onnx", input_names=["columns"],\n'
                        '    output_names=["probabilities"], dynamic_axes={"columns": {0: "rows"}}, external_data=False)\n'
                        f'onnx_model = onnx.load("model.onnx")\n{_ONNX}'),
    "keras": Conversion("Keras or TensorFlow", "Export the network to ONNX.",
                        'model.export("model.onnx", format="onnx")\n'
                        f'onnx_model = onnx.load("model.onnx")\n{_ONNX}'),
    "transformers": Conversion("Transformers", "Export the model to ONNX with numbers in and out; text needs a tokenizer, "
                               "which stays with the caller.",
                               "optimum-cli export onnx --model ./model ./exported"),
    "code": Conversion("Code of its own", "Put the preparation of columns into a scikit-learn pipeline, or into the "
                       "calling service, and log what is left.", _SKOPS),
    "other": Conversion("Another format", "Log the model with a flavour that a gateway loads.",
                        f'mlflow.lightgbm.log_model(booster, name="model",\n    {_SIGNATURE})'),
}  # fmt: skip


def conversion_of(format_name: str) -> Conversion:
    """Return the advice for a format that was read."""
    return CONVERSIONS.get(format_name, CONVERSIONS["other"])
