"""Rows and what is true of them: files, splits, folds, roles, leaks."""
