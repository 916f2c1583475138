"""Pages of rollouts: the rollouts themselves, their plans, and what gateways serve."""
