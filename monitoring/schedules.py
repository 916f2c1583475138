"""What monitoring does by the clock: (name, task, every so many seconds)."""

SCHEDULES = [
    ("monitoring: ship the prediction log", "monitoring.tasks.ship", 2),
    ("monitoring: forget old telemetry", "monitoring.tasks.purge", 600),
    ("monitoring: join the lake's small files", "monitoring.tasks.compact", 1800),
]
