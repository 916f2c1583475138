"""What pages show of rollouts."""
