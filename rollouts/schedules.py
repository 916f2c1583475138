"""What rollouts does by the clock."""

from jobs.schedules import Schedule

SCHEDULES = [
    Schedule("Publish the routing table", "rollouts.tasks.publish_routing", 1),
    Schedule("Move rollouts on", "rollouts.tasks.reconcile", 1),
    Schedule("Publish who may call the gateway", "rollouts.tasks.publish_callers", 1),
    Schedule("Note what gateways would not load", "rollouts.tasks.observe_gateways", 5),
]
