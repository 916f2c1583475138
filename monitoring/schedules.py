"""What monitoring does by the clock."""

from jobs.schedules import WATCH, Schedule

SCHEDULES = [
    Schedule("Ship the prediction log", "monitoring.tasks.ship", 2),
    Schedule("Ship labels", "monitoring.tasks.ship_labels", 10),
    Schedule("Join predictions of trials with their labels", "monitoring.tasks.count_labelled", 30, WATCH),
    Schedule("Count quality from late labels", "monitoring.tasks.count_quality", 30, WATCH),
    Schedule("Learn what quality is estimated from", "monitoring.tasks.fit_quality", 60, WATCH),
    Schedule("Tell the registry about budgets and traffic", "monitoring.tasks.push_facts", 30, WATCH),
    Schedule("Watch how fast error budgets burn", "monitoring.tasks.watch_burn", 15, WATCH),
    Schedule("Note the first inputs of champions", "monitoring.tasks.push_references", 60, WATCH),
    Schedule("See to retrainings", "monitoring.tasks.retrain", 5, WATCH),
    Schedule("Hold inputs to data contracts", "monitoring.tasks.hold_to_contracts", 60, WATCH),
    Schedule("Look for drift", "monitoring.tasks.look_for_drift", 60, WATCH),
    Schedule("Start drift reports that are due", "monitoring.tasks.start_drift_reports", 60, WATCH),
    Schedule("Sum up histograms of inputs", "monitoring.tasks.sum_up", 300, WATCH),
    Schedule("Forget old telemetry", "monitoring.tasks.purge", 600, WATCH),
    Schedule("Join the lake's small files", "monitoring.tasks.join_files", 1800, WATCH),
    Schedule("Forget old predictions", "monitoring.tasks.retain", 6 * 3600, WATCH),
]
