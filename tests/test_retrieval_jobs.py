"""Retrieval from rows to evidence, through real jobs and a real MLflow process: by words, then by words and meaning beside it."""

import pytest
from django.utils import timezone

from experiments.builders import library_docs
from experiments.builders.catalogue import BUILDERS, describe
from experiments.models import TrainingRun
from experiments.rows.frames import save_frame
from experiments.rows.retrieval import joined
from experiments.services import (
    batch_start,
    dataset_create,
    dataset_version_add,
    evaluation_plan_change,
    evaluation_start,
    training_start,
)
from jobs.states import State
from registry.errors import ConflictError
from registry.models import ArtifactState, Evidence, ModelVersion, ReferenceProfile
from tests.factories import approve, make_actor, make_model, make_promotion, make_team, run_jobs

pytest_plugins = ["tests.mlflow_server"]


def test_retrieval_goes_from_documents_to_evidence_and_is_promoted(mlflow_server, settings, monkeypatch, client):
    settings.MLFLOW_URL = mlflow_server.url
    settings.DATA_ROOT = mlflow_server.artifacts.parent / "datasets"
    monkeypatch.setitem(library_docs.PACKAGES, "statsmodels", "statsmodels/stats")
    rows = joined(library_docs.known_items(library_docs.pages_of("statsmodels")[:90]))
    engineer = make_actor(make_team("retrieval"))
    team = engineer.teams()[0]
    data = dataset_version_add(
        actor=engineer, dataset=dataset_create(actor=engineer, team=team, name="pages"),
        description=describe(BUILDERS["library-docs"], rows, save_frame(rows, settings.DATA_ROOT), now=timezone.now()),
    )  # fmt: skip
    model = make_model(team, actor=engineer, name="docs", task="retrieval")
    plan = {"cpu_hour_price": 0.36, "query_price": 0.5, "least_positives": 10}
    evaluation_plan_change(actor=engineer, model=model, document=plan, reason="As the platform charges.")

    def trained(pipeline, **params):
        training_start(actor=engineer, model=model, pipeline=pipeline, dataset_version=data, params=params)
        (job,) = run_jobs("training")
        assert job.state == State.SUCCEEDED, job.error
        (measured,) = run_jobs("evaluation")
        assert measured.state == State.SUCCEEDED, measured.error
        return ModelVersion.objects.get(job=job)

    first = trained("bm25")
    champion = approve(make_promotion(model, version=first)).version
    second = trained("hybrid-retrieval", most_tokens=32)

    for version in (first, second):
        assert (version.artifact_state, version.format, version.refusal) == (ArtifactState.VERIFIED, "retriever", "")
        assert [column["name"] for column in version.signature["inputs"]] == ["query"]
        assert version.data_digest == data.digest
    run = TrainingRun.objects.get(version=second)
    assert {"validation_ndcg_at_10", "validation_recall_at_10", "validation_mean_reciprocal_rank"} <= set(run.metrics)
    # What a retriever reaches is measured over all documents, per query, with what it took and cost.
    found = {one.metric: one for one in Evidence.objects.filter(version=second, against=None, data_slice="")}
    assert {
        "ndcg_at_10", "mean_reciprocal_rank", "mean_average_precision", "recall_at_10", "context_precision_at_5", "context_recall_at_5",
        "retrieval_latency_p50_ms", "retrieval_latency_p95_ms", "retrieval_cpu_s_per_1000", "retrieval_bytes", "retrieval_cost_per_1000",
    } <= set(found)  # fmt: skip
    main = found["ndcg_at_10"]
    queries = rows[rows["split"] == "held_out"]["query_id"].nunique()
    assert (main.suite, main.sample_size) == ("retrieval-2+plan-1", queries)
    assert 0.2 < main.ci_low <= main.value <= main.ci_high < 1
    assert found["retrieval_latency_p50_ms"].detail["where"].startswith("measured in the evaluating job")
    assert found["retrieval_latency_p50_ms"].value <= found["retrieval_latency_p95_ms"].value
    cpu, cost = found["retrieval_cpu_s_per_1000"].value, found["retrieval_cost_per_1000"].value
    assert cost == pytest.approx(cpu / 3600 * 0.36 + 0.5)
    (file,) = (file for file in second.manifest if file["path"] == "retriever.safetensors")
    assert found["retrieval_bytes"].value == file["size"]
    # The two are compared on the same queries.
    against = {one.metric: one for one in Evidence.objects.filter(version=second, against=champion)}
    alone = Evidence.objects.get(version=first, metric="ndcg_at_10", against=None, data_slice="")
    assert against["ndcg_at_10"].value == pytest.approx(main.value - alone.value)
    assert len(against["ndcg_at_10"].detail["champion_per_query"]) == queries
    # The worst queries are told with what was asked, wanted and found.
    errors = main.detail["errors"]
    assert errors["columns"] == ["asked", "ndcg_at_10", "wanted", "its place", "found first"]
    asked, value, wanted, place, first_found = errors["rows"][0]
    assert asked in set(rows["query"])
    assert value == min(value for _, value in main.detail["per_query"])
    assert wanted.split(" (")[0] in set(rows["document_id"])
    assert place is None or place > 1
    assert first_found.split(" (")[0] in set(rows["document_id"])
    client.force_login(engineer.user)
    panel = client.get(f"{second.path}training-panel/").content.decode()
    assert "Queries that it answers worst" in panel
    assert "Score a batch" not in panel
    assert ReferenceProfile.objects.get(version=second).source == "training"
    with pytest.raises(ConflictError, match="scores no rows"):
        batch_start(actor=engineer, version=second, dataset_version=data)
    # Measured once: asked again, nothing is recorded twice. What was measured is promoted as any other version is.
    with pytest.raises(ConflictError, match="is measured on"):
        evaluation_start(actor=engineer, version=second, dataset_version=data)
    assert approve(make_promotion(model, version=second)).version == second
