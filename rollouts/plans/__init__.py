"""A rollout's plan: what it may say, as text and form, and what it would have done. Pure."""
