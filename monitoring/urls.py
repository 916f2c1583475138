"""Pages and API addresses of monitoring."""

from django.urls import URLPattern, URLResolver, path

from monitoring import api
from monitoring.views import drift, panels, slos

urlpatterns: list[URLPattern | URLResolver] = [
    path("models/<str:name>/telemetry-panel/", panels.telemetry_panel, name="telemetry_panel"),
    path("models/<str:name>/slo-panel/", panels.slo_panel, name="slo_panel"),
    path("models/<str:name>/drift-panel/", panels.drift_panel, name="drift_panel"),
    path("slos/", slos.slos, name="slos"),
    path("slos/new/", slos.slo_new, name="slo_new"),
    path("slos/<int:pk>/", slos.slo, name="slo"),
    path("slos/<int:pk>/delete/", slos.slo_delete, name="slo_delete"),
    path("drift/", drift.drift, name="drift"),
    path("drift/start/", drift.drift_report_start, name="drift_report_start"),
    path("drift/<int:pk>/", drift.drift_report, name="drift_report"),
    path("drift/<int:pk>/evidently.html", drift.drift_report_html, name="drift_report_html"),
]
api_urlpatterns: list[URLPattern | URLResolver] = [
    path("models/<str:name>/telemetry", api.Telemetry.as_view(), name="api_telemetry"),
    path("models/<str:name>/drift-reports", api.ModelDriftReports.as_view(), name="api_model_drift_reports"),
    path("slos", api.Slos.as_view(), name="api_slos"),
    path("slos/<int:pk>", api.OneSlo.as_view(), name="api_slo"),
    path("drift-reports", api.DriftReports.as_view(), name="api_drift_reports"),
    path("drift-reports/<int:pk>", api.OneDriftReport.as_view(), name="api_drift_report"),
]
