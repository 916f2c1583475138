"""Fits a shallow tree on the numeric features. Imported by the training job alone."""

from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier

from experiments.pipelines.contract import Report, Trained, TrainingRows, shares
from team_rules import RuleParams


def train(rows: TrainingRows, params: RuleParams, report: Report) -> Trained:
    """Fit on the training rows; `report` tells the job's page how far it is, and stops the job where somebody cancelled it."""
    numbers = rows.numeric
    model = Pipeline([("tree", DecisionTreeClassifier(max_depth=params.depth, random_state=0))])
    model.fit(rows.train[numbers], rows.train_labels)
    report.progress(1.0, "Grown")
    weights = dict(zip(numbers, model["tree"].feature_importances_, strict=True))
    return Trained(model, None, shares(weights), inputs=numbers)
