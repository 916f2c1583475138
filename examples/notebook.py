"""What a notebook does: fit on a CSV, log the run by MLflow's own client, and register it as the next version of loan-default.

It needs MLFLOW_TRACKING_URI and MLFLOW_TRACKING_TOKEN, and nothing of the control plane. Its last line is the version's number.
"""

import mlflow
import pandas as pd
from lightgbm import LGBMClassifier
from mlflow.models import infer_signature
from sklearn.metrics import roc_auc_score

FEATURES = ["income", "amount", "months", "late_payments"]

rows = pd.read_csv("loans.csv", parse_dates=["applied_at"])
learn, check = rows[rows["applied_at"] < "2025-09-01"], rows[rows["applied_at"] >= "2025-11-04"]

mlflow.set_experiment("loans")
with mlflow.start_run():
    model = LGBMClassifier(n_estimators=60, num_leaves=7, learning_rate=0.1, verbose=-1)
    model.fit(learn[FEATURES], learn["defaulted"])
    mlflow.log_params(model.get_params())
    mlflow.log_metric("roc_auc", roc_auc_score(check["defaulted"], model.predict_proba(check[FEATURES])[:, 1]))
    logged = mlflow.lightgbm.log_model(
        model.booster_,
        name="model",
        signature=infer_signature(learn[FEATURES], model.predict_proba(learn[FEATURES])[:, 1]),
        input_example=learn[FEATURES].head(3),
        registered_model_name="loan-default",
    )
print(logged.registered_model_version)
