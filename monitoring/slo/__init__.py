"""Service level objectives in numbers, words and YAML. Pure."""
