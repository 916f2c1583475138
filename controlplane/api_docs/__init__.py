"""The API's reference page, printed from its OpenAPI document."""
