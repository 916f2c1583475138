"""Settings, addresses, the process supervisor and the demo: the only package that knows all others."""
