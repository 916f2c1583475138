"""What became of predictions: labels on their way in, and joined with what was predicted."""
