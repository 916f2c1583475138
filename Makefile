SHELL := /bin/sh
PYTHON ?= python3
test:
	.venv/bin/python -m pytest -q
