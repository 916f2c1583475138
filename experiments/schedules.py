"""What experiments do by the clock, as data."""

from jobs.schedules import WATCH, Schedule

SCHEDULES = [
    Schedule("Read sources that are due", "experiments.tasks.read_sources", 60),
    Schedule("Go on with searches", "experiments.tasks.step_searches", 5),
    Schedule("Delete uploads that waited too long", "experiments.tasks.forget_uploads", 3600, WATCH),
]
