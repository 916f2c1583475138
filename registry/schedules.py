"""What the registry does by the clock, as data."""

from jobs.schedules import WATCH, Schedule

SCHEDULES = [
    Schedule("Read the files of new versions", "registry.tasks.read_versions", 2),
    Schedule("Copy artifacts from S3 that gateways load", "registry.tasks.stage_versions", 30),
    Schedule("Tell people of alerts", "registry.tasks.tell_alerts", 5),
    Schedule("Watch reviews, waivers and re-validations", "registry.tasks.watch_deadlines", 60),
    Schedule("Watch jobs and queues", "registry.tasks.watch_jobs", 30),
    Schedule("Watch the age of evidence", "registry.tasks.watch_evidence", 3600),
    Schedule("Walk the audit chain", "registry.tasks.verify_audit_chain", 300, WATCH),
    Schedule("Export the head of the audit chain", "registry.tasks.export_audit_head", 3600),
]
