"""Pages and API addresses of rollouts."""

from django.urls import URLPattern, URLResolver, path

from rollouts.api import gateways as gateway_api
from rollouts.api import plans as plan_api
from rollouts.api import rollouts as rollout_api
from rollouts.api import routing as routing_api
from rollouts.views import acts, dry_runs, gateways, links, plan_editor, plans, rollouts

urlpatterns: list[URLPattern | URLResolver] = [
    path("models/<str:name>/routing/<int:table>/", gateways.routing_then, name="routing_then"),
    path("models/<str:name>/routing-panel/", gateways.routing_panel, name="routing_panel"),
    path("gateways/", gateways.gateways, name="gateways"),
    path("rollouts/", rollouts.board, name="rollouts"),
    path("rollouts/<int:pk>/", rollouts.rollout, name="rollout"),
    path("rollouts/link/<str:token>/", links.rollout_link, name="rollout_link"),
    path("rollouts/<int:pk>/charts/", rollouts.rollout_charts, name="rollout_charts"),
    path("rollouts/<int:pk>/differences/", rollouts.rollout_differences, name="rollout_differences"),
    path("rollouts/<int:pk>/log.csv", rollouts.rollout_csv, name="rollout_csv"),
    path("rollouts/<int:pk>/<slug:act>/", acts.rollout_act, name="rollout_act"),
    path("models/<str:name>/rollout-panel/", rollouts.rollout_panel, name="rollout_panel"),
    path("promotions/<int:pk>/rollout-panel/", rollouts.promotion_panel, name="promotion_rollout_panel"),
    path("models/<str:name>/rollout-plan/", plans.rollout_plan, name="rollout_plan"),
    path("promotions/<int:pk>/rollout-plan/", plan_editor.promotion_plan, name="promotion_plan"),
    path("models/<str:name>/rollout-plan/dry-run/", dry_runs.dry_run, name="rollout_dry_run"),
    path("models/<str:name>/rollout-plan/edit/", plan_editor.rollout_plan_edit, name="rollout_plan_edit"),
    path("models/<str:name>/rollout-plan/expected/", plan_editor.rollout_plan_expected, name="rollout_plan_expected"),
    path("models/<str:name>/rollout-plan/take-back/", plans.rollout_plan_take_back, name="rollout_plan_take_back"),
]
api_urlpatterns: list[URLPattern | URLResolver] = [
    path("routing", routing_api.Routing.as_view(), name="api_routing"),
    path("gateways/published", gateway_api.Published.as_view(), name="api_gateways_published"),
    path("gateways/states", gateway_api.States.as_view(), name="api_gateways_states"),
    path("gateways", routing_api.Gateways.as_view(), name="api_gateways"),
    path("rollouts", rollout_api.Rollouts.as_view(), name="api_rollouts"),
    path("rollouts/<int:pk>", rollout_api.RolloutOne.as_view(), name="api_rollout"),
    path("rollouts/<int:pk>/status", rollout_api.RolloutStatus.as_view(), name="api_rollout_status"),
    path("rollouts/<int:pk>/log", rollout_api.RolloutLog.as_view(), name="api_rollout_log"),
    path("rollouts/<int:pk>/verdicts", rollout_api.RolloutVerdicts.as_view(), name="api_rollout_verdicts"),
    path(
        "rollouts/<int:pk>/disagreements", rollout_api.RolloutDisagreements.as_view(), name="api_rollout_disagreements"
    ),
    path("rollouts/<int:pk>/pause", rollout_api.RolloutPause.as_view(), name="api_rollout_pause"),
    path("rollouts/<int:pk>/resume", rollout_api.RolloutResume.as_view(), name="api_rollout_resume"),
    path("rollouts/<int:pk>/advance", rollout_api.RolloutAdvance.as_view(), name="api_rollout_advance"),
    path("rollouts/<int:pk>/decide", rollout_api.RolloutDecide.as_view(), name="api_rollout_decide"),
    path("rollouts/<int:pk>/abort", rollout_api.RolloutAbort.as_view(), name="api_rollout_abort"),
    path("models/<str:name>/rollout-plan", plan_api.ModelPlan.as_view(), name="api_model_rollout_plan"),
    path("models/<str:name>/rollout-plans", plan_api.ModelPlans.as_view(), name="api_model_rollout_plans"),
    path(
        "models/<str:name>/rollout-plan/validate",
        plan_api.ModelPlanValidate.as_view(),
        name="api_rollout_plan_validate",
    ),
    path("models/<str:name>/rollout-plan/dry-run", plan_api.ModelPlanDryRun.as_view(), name="api_rollout_plan_dry_run"),
    path("promotions/<int:pk>/rollout-plan", plan_api.PromotionPlan.as_view(), name="api_promotion_rollout_plan"),
]
