"""The machine-learning bill of materials of a version, as CycloneDX 1.6: what it is made of, and what is known of it.

It is made from what the registry holds whenever somebody asks, and is the same text until one of those facts changes.
"""

import json
import uuid
from typing import Any

import msgspec
from cyclonedx.spdx import fixup_id
from django.conf import settings
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from registry.conversions import conversion_of
from registry.criteria import metric_label
from registry.models import ArtifactState, Evidence, ModelVersion, VersionReading
from registry.selectors.signatures import SIGNATURE

MEDIA_TYPE = "application/vnd.cyclonedx+json; version=1.6"
NAMESPACE = uuid.UUID("6f0cf3a5-5f0a-4e0c-9d35-2f1b8a0d9c11")  # of serial numbers made here
SUPERVISED = {"classification", "regression", "ranking", "forecasting"}
MAX_METRICS = 500
MODEL = "model"
DATA = "data:training"


def bom_of(version: ModelVersion) -> dict[str, Any]:
    """Return the bill of materials; one of a version that is not read yet lists no files.

    Args:
        version: with ``model__team`` at hand.
    """
    reading = VersionReading.objects.filter(version=version).first()
    evidence = list(
        version.evidence.filter(artifact_digest=version.artifact_digest)
        .exclude(metric=SIGNATURE)
        .select_related("against")
        .order_by("-id")[:MAX_METRICS]
    )
    libraries = _libraries(reading)
    data = _training_data(version)
    moments = [version.created_at, *(e.measured_at for e in evidence)] + (
        [reading.read_at] if reading and reading.read_at else []
    )
    components = [*libraries, *data]
    bom: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": max(moments).isoformat(timespec="seconds"),
            "tools": {"components": [{"type": "application", "name": "control-plane"}]},
            "component": _model(version, reading, evidence, has_data=bool(data)),
        },
        "components": components,
        "dependencies": [
            {"ref": MODEL, "dependsOn": [component["bom-ref"] for component in components]},
            *({"ref": component["bom-ref"]} for component in components),
        ],
    }
    text = msgspec.json.encode(bom, order="sorted")
    return {"serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, text.decode())}"} | bom


def bom_text(version: ModelVersion) -> str:
    """Return the bill of materials as it is downloaded."""
    return json.dumps(bom_of(version), indent=2, ensure_ascii=False) + "\n"


def _model(
    version: ModelVersion, reading: VersionReading | None, evidence: list[Evidence], *, has_data: bool
) -> dict[str, Any]:
    model = version.model
    found: dict[str, Any] = {
        "type": "machine-learning-model",
        "bom-ref": MODEL,
        "group": model.team.slug,
        "name": model.name,
        "version": str(version.number),
        "description": version.description or model.purpose or model.description,
        "components": [_file(file) for file in version.manifest],
        "externalReferences": [
            {"type": "model-card", "url": f"{settings.WEB_URL}{version.path}"},
            {"type": "quality-metrics", "url": f"{settings.WEB_URL}{version.path}?tab=evidence"},
        ],
        "modelCard": _card(version, evidence, has_data=has_data),
        "properties": _properties(version, reading),
    }
    if version.artifact_digest:
        found["hashes"] = [{"alg": "SHA-256", "content": version.artifact_digest.removeprefix("sha256:")}]
    if reading and reading.licence:
        known = fixup_id(reading.licence)
        found["licenses"] = [{"license": {"id": known} if known else {"name": reading.licence}}]
    return found


def _card(version: ModelVersion, evidence: list[Evidence], *, has_data: bool) -> dict[str, Any]:
    signature = version.signature
    parameters: dict[str, Any] = {
        "task": version.model.task,
        "inputs": [{"format": f"{c['name']}: {c['type']}"} for c in signature.get("inputs", [])],
        "outputs": [{"format": msgspec.json.encode(output).decode()} for output in signature.get("outputs", [])],
    }
    if version.model.task in SUPERVISED:
        parameters["approach"] = {"type": "supervised"}
    if version.format:
        parameters["modelArchitecture"] = conversion_of(version.format).title
    if has_data:
        parameters["datasets"] = [{"ref": DATA}]
    card: dict[str, Any] = {
        "modelParameters": parameters,
        "quantitativeAnalysis": {"performanceMetrics": [_metric(one) for one in evidence]},
    }
    considerations: dict[str, Any] = {"users": [version.model.team.name]}
    if version.model.purpose:
        considerations["useCases"] = [version.model.purpose]
    if version.refusal:
        considerations["technicalLimitations"] = [version.refusal]
    return card | {"considerations": considerations}


def _metric(one: Evidence) -> dict[str, Any]:
    name = metric_label(one.metric) + (f" minus v{one.against.number}" if one.against else "")
    found: dict[str, Any] = {"type": f"{name} ({one.get_kind_display()})", "value": repr(one.value)}
    if where := ", ".join(filter(None, [one.data_set, one.data_slice])):
        found["slice"] = where
    if one.ci_low is not None and one.ci_high is not None:
        found["confidenceInterval"] = {"lowerBound": repr(one.ci_low), "upperBound": repr(one.ci_high)}
    return found


def _file(file: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "file",
        "bom-ref": f"file:{file['path']}",
        "name": file["path"],
        "hashes": [{"alg": "SHA-256", "content": file["sha256"]}],
        "properties": [{"name": "controlplane:bytes", "value": str(file["size"])}],
    }


def _training_data(version: ModelVersion) -> list[dict[str, Any]]:
    if not version.data_digest:
        return []
    digest = version.data_digest.removeprefix("sha256:")
    hashes = [{"alg": "SHA-256", "content": digest}]
    facts = [{"type": "dataset", "name": "training rows", "classification": "internal"}]
    return [
        {
            "type": "data",
            "bom-ref": DATA,
            "name": "training data",
            "version": digest[:16],
            "hashes": hashes,
            "data": facts,
        }
    ]


def _libraries(reading: VersionReading | None) -> list[dict[str, Any]]:
    """Return the declared dependencies, each once; what is no requirement in pip's notation keeps its text as its name."""
    found: dict[str, dict[str, Any]] = {}
    declared = reading.dependencies if reading else {}
    if python := declared.get("python"):
        found["python"] = {"type": "platform", "bom-ref": "platform:python", "name": "python", "version": python}
    for line in declared.get("packages", []):
        library = _library(line)
        found.setdefault(library["bom-ref"], library)
    return list(found.values())


def _library(line: str) -> dict[str, Any]:
    try:
        wanted = Requirement(line)
    except InvalidRequirement:
        return {"type": "library", "bom-ref": f"text:{line}", "name": line}
    name = canonicalize_name(wanted.name)
    exact = next((s.version for s in wanted.specifier if s.operator == "==" and "*" not in s.version), "")
    purl = f"pkg:pypi/{name}" + (f"@{exact}" if exact else "")
    library = {"type": "library", "bom-ref": purl, "name": name, "purl": purl}
    if exact:
        library["version"] = exact
    elif wanted.specifier:
        return library | {"properties": [{"name": "controlplane:declared", "value": line}]}
    return library


def _properties(version: ModelVersion, reading: VersionReading | None) -> list[dict[str, str]]:
    facts = {
        "format": version.format,
        "artifact_state": ArtifactState(version.artifact_state).label,
        "risk_tier": str(version.model.risk_tier),
        "source": version.source,
        "mlflow_run": version.run_id,
        "training_job": str(version.job_id or ""),
        "reading_job": str(reading.job_id or "") if reading else "",
        "flavors": ", ".join(reading.flavors) if reading else "",
    }
    return [{"name": f"controlplane:{name}", "value": value} for name, value in facts.items() if value]
