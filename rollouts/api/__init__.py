"""The REST API of rollouts, mounted under `/api/v1/`."""
