"""The REST API of the registry, mounted under `/api/v1/`."""
