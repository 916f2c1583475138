"""Pages and API addresses of monitoring."""

from django.urls import URLPattern, URLResolver, path

from monitoring.api import contracts as contracts_api
from monitoring.api import drift_policy as drift_policy_api
from monitoring.api import drift_windows, watch
from monitoring.api import labels as labels_api
from monitoring.api import log as log_api
from monitoring.api import openslo as openslo_api
from monitoring.api import predictions as predictions_api
from monitoring.api import prices as prices_api
from monitoring.api import quality as quality_api
from monitoring.api import retraining as retraining_api
from monitoring.api import slos as slos_api
from monitoring.api import standing as standing_api
from monitoring.views import (
    contracts,
    drift,
    drift_watch,
    labels,
    log,
    openslo,
    panels,
    predictions,
    prices,
    quality,
    retraining,
    retraining_policies,
    slos,
    standing,
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("models/<str:name>/telemetry-panel/", panels.telemetry_panel, name="telemetry_panel"),
    path("models/<str:name>/slo-panel/", panels.slo_panel, name="slo_panel"),
    path("models/<str:name>/drift-panel/", panels.drift_panel, name="drift_panel"),
    path("models/<str:name>/versions/<int:number>/inputs-panel/", panels.inputs_panel, name="inputs_panel"),
    path("models/<str:name>/log-panel/", log.log_panel, name="log_panel"),
    path("models/<str:name>/log/", log.prediction_log, name="prediction_log"),
    path("models/<str:name>/labels/", labels.labels, name="labels"),
    path("models/<str:name>/quality/", quality.quality, name="quality"),
    path("models/<str:name>/quality-details-panel/", quality.quality_details_panel, name="quality_details_panel"),
    path("models/<str:name>/quality/policy/", quality.quality_policy, name="quality_policy"),
    path("models/<str:name>/quality-panel/", quality.quality_panel, name="quality_panel"),
    path(
        "models/<str:name>/versions/<int:number>/quality-panel/",
        quality.quality_version_panel,
        name="quality_version_panel",
    ),
    path("models/<str:name>/retraining-panel/", retraining_policies.retraining_panel, name="retraining_panel"),
    path("models/<str:name>/retraining/", retraining_policies.model_retraining, name="model_retraining"),
    path("models/<str:name>/retraining/policy/", retraining_policies.retraining_policy, name="retraining_policy"),
    path("models/<str:name>/retraining/switch/", retraining_policies.retraining_switch, name="retraining_switch"),
    path("models/<str:name>/retraining/dry-run/", retraining_policies.retraining_dry_run, name="retraining_dry_run"),
    path("models/<str:name>/retraining/standing/", standing.standing_give, name="standing_give"),
    path("models/<str:name>/retraining/standing/<int:pk>/end/", standing.standing_end, name="standing_end"),
    path("models/<str:name>/retraining/ask/", retraining.retraining_ask, name="retraining_ask"),
    path("retraining/", retraining.retrainings, name="retrainings"),
    path("retraining/<int:pk>/", retraining.retraining, name="retraining"),
    path("retraining/<int:pk>/start/", retraining.retraining_start, name="retraining_start"),
    path("retraining/<int:pk>/stop/", retraining.retraining_stop, name="retraining_stop"),
    path("models/<str:name>/prices/", prices.prices, name="prices"),
    path("predictions/", predictions.predictions, name="predictions"),
    path("slos/", slos.slos, name="slos"),
    path("slos/new/", slos.slo_new, name="slo_new"),
    path("slos/import/", openslo.slos_import, name="slos_import"),
    path("slos/openslo.yaml", openslo.slos_export, name="slos_export"),
    path("slos/<int:pk>/", slos.slo, name="slo"),
    path("slos/<int:pk>/edit/", slos.slo_edit, name="slo_edit"),
    path("slos/<int:pk>/delete/", slos.slo_delete, name="slo_delete"),
    path("models/<str:name>/drift/", drift_watch.model_drift, name="model_drift"),
    path("models/<str:name>/drift/policy/", drift_watch.drift_policy, name="drift_policy"),
    path("data-quality/", contracts.data_quality, name="data_quality"),
    path("models/<str:name>/data-quality/", contracts.model_data_quality, name="model_data_quality"),
    path("models/<str:name>/data-quality-panel/", contracts.data_quality_panel, name="data_quality_panel"),
    path("drift/", drift.drift, name="drift"),
    path("drift/start/", drift.drift_report_start, name="drift_report_start"),
    path("drift/<int:pk>/", drift.drift_report, name="drift_report"),
    path("drift/<int:pk>/evidently.html", drift.drift_report_html, name="drift_report_html"),
]
api_urlpatterns: list[URLPattern | URLResolver] = [
    path("models/<str:name>/telemetry", watch.Telemetry.as_view(), name="api_telemetry"),
    path(
        "models/<str:name>/versions/<int:number>/inputs",
        drift_windows.VersionInputs.as_view(),
        name="api_version_inputs",
    ),
    path("models/<str:name>/drift", drift_windows.ModelDrift.as_view(), name="api_model_drift"),
    path("models/<str:name>/drift-windows", drift_windows.ModelDriftWindows.as_view(), name="api_drift_windows"),
    path("models/<str:name>/drift-policy", drift_policy_api.OneDriftPolicy.as_view(), name="api_drift_policy"),
    path("drift-windows/<int:pk>", drift_windows.OneDriftWindow.as_view(), name="api_drift_window"),
    path("predictions", predictions_api.Predictions.as_view(), name="api_predictions"),
    path("models/<str:name>/labels", labels_api.Labels.as_view(), name="api_labels"),
    path("models/<str:name>/data-quality", contracts_api.LiveQuality.as_view(), name="api_data_quality"),
    path("models/<str:name>/log-policy", log_api.OneLogPolicy.as_view(), name="api_log_policy"),
    path("models/<str:name>/quality", quality_api.ModelQuality.as_view(), name="api_quality"),
    path("models/<str:name>/quality-policy", quality_api.OneQualityPolicy.as_view(), name="api_quality_policy"),
    path("models/<str:name>/drift-reports", watch.ModelDriftReports.as_view(), name="api_model_drift_reports"),
    path(
        "models/<str:name>/retraining-policy",
        retraining_api.ModelRetrainingPolicy.as_view(),
        name="api_retraining_policy",
    ),
    path(
        "models/<str:name>/retraining-policy/switch",
        retraining_api.RetrainingPolicySwitch.as_view(),
        name="api_retraining_policy_switch",
    ),
    path(
        "models/<str:name>/retraining-policy/dry-run",
        retraining_api.RetrainingDryRun.as_view(),
        name="api_retraining_dry_run",
    ),
    path(
        "models/<str:name>/standing-approvals",
        standing_api.ModelStandingApprovals.as_view(),
        name="api_standing_approvals",
    ),
    path("standing-approvals/<int:pk>/end", standing_api.StandingApprovalEnd.as_view(), name="api_standing_end"),
    path("models/<str:name>/retrainings", retraining_api.ModelRetrainings.as_view(), name="api_model_retrainings"),
    path("retrainings", retraining_api.Retrainings.as_view(), name="api_retrainings"),
    path("retrainings/<int:pk>", retraining_api.OneRetraining.as_view(), name="api_retraining"),
    path("retrainings/<int:pk>/start", retraining_api.RetrainingStart.as_view(), name="api_retraining_start"),
    path("retrainings/<int:pk>/stop", retraining_api.RetrainingStop.as_view(), name="api_retraining_stop"),
    path("models/<str:name>/prices", prices_api.Prices.as_view(), name="api_prices"),
    path("slos", slos_api.Slos.as_view(), name="api_slos"),
    path("slos/openslo", openslo_api.OpenSlo.as_view(), name="api_openslo"),
    path("slos/<int:pk>", slos_api.OneSlo.as_view(), name="api_slo"),
    path("slos/<int:pk>/proxies", slos_api.SloProxies.as_view(), name="api_slo_proxies"),
    path("drift-reports", watch.DriftReports.as_view(), name="api_drift_reports"),
    path("drift-reports/<int:pk>", watch.OneDriftReport.as_view(), name="api_drift_report"),
]
