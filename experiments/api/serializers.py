"""What the API shows of data sets, training runs and evaluations."""

from rest_framework import serializers

from experiments.models import Dataset, DatasetVersion, Evaluation, TrainingRun


class DatasetSerializer(serializers.ModelSerializer[Dataset]):
    """A data set; its rows lie in its versions."""

    team = serializers.CharField(source="team.slug")
    created_by = serializers.CharField(source="created_by.username")
    version_count = serializers.IntegerField(source="last_number", help_text="how many there are; numbered from 1")

    class Meta:
        model = Dataset
        fields = ("name", "team", "description", "version_count", "created_by", "created_at", "path")


class DatasetVersionSerializer(serializers.ModelSerializer[DatasetVersion]):
    """A data set version without its profile."""

    dataset = serializers.CharField(source="dataset.name")
    golden = serializers.BooleanField(source="is_golden", help_text="confirmed: nothing is trained on it")
    measured_split = serializers.CharField(
        allow_null=True, help_text="whose rows models are measured on; empty: all rows; null: none are held out"
    )
    parent_number = serializers.IntegerField(source="parent.number", allow_null=True, default=None)
    created_by = serializers.CharField(source="created_by.username")

    class Meta:
        model = DatasetVersion
        fields: tuple[str, ...] = (
            "dataset", "number", "digest", "rows", "time_column", "target", "target_kind", "key", "starts_at", "ends_at",
            "splits", "split_policy",
            "checks", "source", "made_from", "frozen", "golden", "measured_split", "query", "parent_number", "job", "created_by", "created_at", "path",
        )  # fmt: skip


class DatasetVersionDetailSerializer(DatasetVersionSerializer):
    """A data set version with its columns and profile."""

    class Meta(DatasetVersionSerializer.Meta):
        fields = (*DatasetVersionSerializer.Meta.fields, "columns", "profile")


class TrainingRunSerializer(serializers.ModelSerializer[TrainingRun]):
    """From which rows, by which pipeline, which version was made."""

    model = serializers.CharField(source="version.model.name")
    version = serializers.IntegerField(source="version.number")
    dataset = serializers.CharField(source="dataset_version.dataset.name")
    dataset_version = serializers.IntegerField(source="dataset_version.number")
    data_digest = serializers.CharField(source="dataset_version.digest")

    class Meta:
        model = TrainingRun
        fields = (
            "model", "version", "pipeline", "params", "metrics", "importance", "detail", "dataset", "dataset_version",
            "data_digest", "run_id", "experiment_id", "job", "created_at",
        )  # fmt: skip


class EvaluationSerializer(serializers.ModelSerializer[Evaluation]):
    """One measuring of a version; what it found is the version's evidence."""

    model = serializers.CharField(source="version.model.name")
    version = serializers.IntegerField(source="version.number")
    dataset = serializers.CharField(source="dataset_version.dataset.name")
    dataset_version = serializers.IntegerField(source="dataset_version.number")
    against = serializers.IntegerField(
        source="against.number", allow_null=True, default=None, help_text="the champion of that moment"
    )
    state = serializers.CharField(source="job.state")

    class Meta:
        model = Evaluation
        fields = ("model", "version", "dataset", "dataset_version", "suite", "against", "state", "job", "created_at")
