"""What is mutated, and the tests that protect it: fast ones, without a database."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """Modules with the tests that have to notice a fault in them.

    Attributes:
        sources: files, as patterns; all lie in one package.
        tests: files below ``tests/``.
        functions: the only ones of these files that are mutated; all where empty.
        deselected: tests that read the source itself, which is another one here; and long ones, which every mutant that is left would wait for.
    """

    name: str
    sources: tuple[str, ...]
    tests: tuple[str, ...]
    functions: tuple[str, ...] = ()
    deselected: tuple[str, ...] = ()

    @property
    def package(self) -> str:
        """The package that they lie in."""
        return self.sources[0].split("/")[0]


TARGETS = (
    Target(
        "verdicts",
        ("rollouts/verdicts/*.py",),
        (
            "test_verdicts_failures.py", "test_verdicts_labelled.py", "test_verdicts_levels.py", "test_verdicts_means.py",
            "test_verdicts_origins.py", "test_verdicts_pairs.py", "test_verdicts_sentences.py", "test_verdicts_sequences.py",
            "test_verdicts_waiting.py",
        ),
        deselected=("test_verdicts_origins.py::test_imports_numpy_and_the_standard_library_alone",),
    ),
    Target("decisions", ("rollouts/decisions.py", "rollouts/plans/freezes.py"), ("test_rollouts_decisions.py",)),
    Target(
        "routing",
        ("rollouts/routes.py",),
        ("test_routing_words.py",),
        functions=("_split", "_keys", "changes", "_difference", "_arms", "_arm"),
    ),
    Target(
        "slo",
        (
            "monitoring/slo/arithmetic.py", "monitoring/slo/burn.py", "monitoring/slo/cost.py", "monitoring/slo/tally.py",
            "monitoring/slo/windows.py",
        ),
        (
            "test_monitoring_slo_arithmetic.py", "test_monitoring_slo_rates.py", "test_monitoring_slo_tally.py",
            "test_monitoring_slo_windows.py",
        ),
    ),
    Target(
        "drifting",
        ("monitoring/drifting/*.py",),
        (
            "test_drifting.py", "test_drifting_chance.py", "test_drifting_classifier.py", "test_drifting_distances.py", "test_drifting_exact.py",
            "test_drifting_figures.py", "test_drifting_samples.py",
        ),
        deselected=(
            "test_drifting.py::test_a_quarter_of_a_standard_deviation_is_found_in_500_rows",
            "test_drifting.py::test_clean_windows_seldom_alarm",
            "test_drifting.py::test_many_features_are_allowed_for",
            "test_drifting_exact.py::test_evidently_mode_is_evidentlys_own_decision",
            "test_drifting_exact.py::test_other_statistics_are_evidentlys_too",
        ),
    ),
    Target("jobs", ("jobs/states.py", "jobs/state_table.py"), ("test_jobs_states.py", "test_state_tables.py")),
    Target("registry", ("registry/states.py",), ("test_state_tables.py",)),
)  # fmt: skip
