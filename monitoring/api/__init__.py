"""The REST API of monitoring, mounted under `/api/v1/`."""
