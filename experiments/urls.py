"""Pages and API addresses of experiments."""

from django.urls import URLPattern, URLResolver, path

from experiments.api.batch import BatchScorings
from experiments.api.compare import Compare
from experiments.api.contracts import Contracts, OneCheck, OneContract, OneDraft, Proposals, VersionChecks
from experiments.api.lineage import Lineage, Uses
from experiments.api.plans import ModelPlan
from experiments.api.searches import OneSearch, Searches, SearchRegister, SearchStop, SearchTrials
from experiments.api.sources import Golden, OneSource, Previews, SourceRuns, Sources, Uploads
from experiments.api.views import (
    DatasetDetail,
    Datasets,
    DatasetVersionDetail,
    DatasetVersions,
    Evaluations,
    Training,
)
from experiments.views import batch, compare, contracts, datasets, explore, golden, plans, searches, sources, training

urlpatterns: list[URLPattern | URLResolver] = [
    path("datasets/", datasets.datasets, name="datasets"),
    path("evidence-data/", datasets.dataset_of, name="dataset_of"),
    path("datasets/new/", datasets.dataset_new, name="dataset_new"),
    path("datasets/<slug:name>/", datasets.dataset, name="dataset"),
    path("datasets/<slug:name>/build/", datasets.dataset_build, name="dataset_build"),
    path("datasets/<slug:name>/versions/<int:number>/", datasets.dataset_version, name="dataset_version"),
    path("datasets/<slug:name>/versions/<int:number>/golden/", golden.golden, name="dataset_golden"),
    path("datasets/<slug:name>/upload/", sources.dataset_upload, name="dataset_upload"),
    path("datasets/<slug:name>/uploads/<int:pk>/", sources.dataset_columns, name="dataset_columns"),
    path("datasets/<slug:name>/sources/new/files/", sources.source_new, {"kind": "files"}, name="source_files"),
    path("datasets/<slug:name>/sources/new/query/", sources.source_new, {"kind": "postgres"}, name="source_query"),
    path("datasets/<slug:name>/sources/<int:pk>/", sources.source, name="source"),
    path("datasets/<slug:name>/sources/<int:pk>/run/", sources.source_run, name="source_run"),
    path("datasets/<slug:name>/sources/<int:pk>/retire/", sources.source_retire, name="source_retire"),
    path("datasets/<slug:name>/contract/", contracts.contract, name="contract"),
    path("datasets/<slug:name>/contract/edit/", contracts.contract_edit, name="contract_edit"),
    path("datasets/<slug:name>/contract/propose/", contracts.contract_propose, name="contract_propose"),
    path("datasets/<slug:name>/contract/try/", contracts.contract_try, name="contract_try"),
    path("datasets/<slug:name>/contract/check/", contracts.contract_check, name="contract_check"),
    path("datasets/<slug:name>/checks/<int:pk>/", contracts.contract_report, name="contract_report"),
    path("compare/", compare.compare, name="compare"),
    path("compare/csv/", compare.compare_csv, name="compare_csv"),
    path("runs/", training.runs, name="runs"),
    path("runs/explore/", explore.explore, name="explore"),
    path("runs/explore/csv/", explore.explore_csv, name="explore_csv"),
    path("searches/", searches.searches, name="searches"),
    path("searches/<int:pk>/", searches.search_page, name="search_page"),
    path("searches/<int:pk>/cancel/", searches.search_cancel, name="search_cancel"),
    path("searches/<int:pk>/register/", searches.search_register, name="search_register"),
    path("models/<str:name>/search/", searches.search_new, name="search_new"),
    path("models/<str:name>/train/", training.train, name="train"),
    path("models/<str:name>/evaluation-plan/", plans.evaluation_plan, name="evaluation_plan"),
    path("models/<str:name>/versions/<int:number>/training-panel/", training.training_panel, name="training_panel"),
    path("models/<str:name>/versions/<int:number>/score/", batch.batch, name="batch"),
    path("models/<str:name>/versions/<int:number>/evaluate/", training.evaluate, name="evaluate"),
]
api_urlpatterns: list[URLPattern | URLResolver] = [
    path("datasets", Datasets.as_view(), name="api_datasets"),
    path("datasets/<slug:name>", DatasetDetail.as_view(), name="api_dataset"),
    path("datasets/<slug:name>/versions", DatasetVersions.as_view(), name="api_dataset_versions"),
    path(
        "datasets/<slug:name>/versions/<int:number>", DatasetVersionDetail.as_view(), name="api_dataset_version"
    ),
    path("datasets/<slug:name>/versions/<int:number>/lineage", Lineage.as_view(), name="api_dataset_lineage"),
    path("datasets/<slug:name>/versions/<int:number>/uses", Uses.as_view(), name="api_dataset_uses"),
    path("datasets/<slug:name>/versions/<int:number>/golden", Golden.as_view(), name="api_golden"),
    path("datasets/<slug:name>/uploads", Uploads.as_view(), name="api_uploads"),
    path("datasets/<slug:name>/previews", Previews.as_view(), name="api_previews"),
    path("datasets/<slug:name>/sources", Sources.as_view(), name="api_sources"),
    path("datasets/<slug:name>/sources/<int:pk>", OneSource.as_view(), name="api_source"),
    path("datasets/<slug:name>/sources/<int:pk>/runs", SourceRuns.as_view(), name="api_source_runs"),
    path("datasets/<slug:name>/contracts", Contracts.as_view(), name="api_contracts"),
    path("datasets/<slug:name>/contracts/<int:number>", OneContract.as_view(), name="api_contract"),
    path("datasets/<slug:name>/contract-draft", OneDraft.as_view(), name="api_contract_draft"),
    path(
        "datasets/<slug:name>/versions/<int:number>/contract-proposals", Proposals.as_view(), name="api_contract_proposals"
    ),
    path("datasets/<slug:name>/versions/<int:number>/checks", VersionChecks.as_view(), name="api_version_checks"),
    path("datasets/<slug:name>/checks/<int:pk>", OneCheck.as_view(), name="api_check"),
    path("compare", Compare.as_view(), name="api_compare"),
    path("training", Training.as_view(), name="api_training"),
    path("searches", Searches.as_view(), name="api_searches"),
    path("searches/<int:pk>", OneSearch.as_view(), name="api_search_one"),
    path("searches/<int:pk>/trials", SearchTrials.as_view(), name="api_search_trials"),
    path("searches/<int:pk>/cancel", SearchStop.as_view(), name="api_search_cancel"),
    path("searches/<int:pk>/register", SearchRegister.as_view(), name="api_search_register"),
    path("batch-scorings", BatchScorings.as_view(), name="api_batch_scorings"),
    path("evaluations", Evaluations.as_view(), name="api_evaluations"),
    path("models/<str:name>/evaluation-plan", ModelPlan.as_view(), name="api_evaluation_plan"),
]  # fmt: skip
