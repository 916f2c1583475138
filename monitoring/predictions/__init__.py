"""The prediction log: its table in the lake, finding one request, keeping it tidy."""
