"""Pages and API addresses of jobs."""

from django.urls import URLPattern, URLResolver, path

from jobs import api, views

urlpatterns: list[URLPattern | URLResolver] = [
    path("jobs/", views.jobs, name="jobs"),
    path("jobs/panel/", views.job_panel, name="job_panel"),
    path("jobs/<int:pk>/", views.job, name="job"),
    path("jobs/<int:pk>/state/", views.job_state, name="job_state"),
    path("jobs/<int:pk>/log/", views.job_log, name="job_log"),
    path("jobs/<int:pk>/log.txt", views.job_log_raw, name="job_log_raw"),
    path("jobs/<int:pk>/cancel/", views.job_cancel, name="job_cancel"),
    path("jobs/<int:pk>/retry/", views.job_retry, name="job_retry"),
]
api_urlpatterns: list[URLPattern | URLResolver] = [
    path("jobs", api.Jobs.as_view(), name="api_jobs"),
    path("jobs/<int:pk>", api.JobDetail.as_view(), name="api_job"),
    path("jobs/<int:pk>/log", api.JobLog.as_view(), name="api_job_log"),
    path("jobs/<int:pk>/cancel", api.JobCancel.as_view(), name="api_job_cancel"),
    path("jobs/<int:pk>/retry", api.JobRetry.as_view(), name="api_job_retry"),
]
