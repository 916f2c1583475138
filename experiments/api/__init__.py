"""The REST API of experiments, mounted under `/api/v1/`."""
