# `make` lists the targets; the sentence after `##` is also what docs/reference/make.md shows.
PYTHON ?= python3
BIN := .venv/bin
# Checks need settings but no server: nothing connects.
CHECK_ENV := DEPLOYMENT=test SECRET_KEY=check DATABASE_URL=postgresql://none@127.0.0.1:1/none BROKER_URL=redis://127.0.0.1:1/0

.DEFAULT_GOAL := help
SCENARIOS := good errors latency inconclusive drift
.PHONY: help demo scenarios stop reset backup restore test ui check fmt bench conformance faults mutants lock docs clean env dev-env chromium pango

help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' Makefile

demo: env pango ## Start the whole product with real data, or say where it runs; DETACH=1 returns once all is healthy.
	@$(BIN)/python -m controlplane.supervisor demo $(if $(filter-out 0,$(DETACH)),--detach)

scenarios: env ## Rehearse on the running demo: four rollouts, of which one succeeds, two are rolled back and one waits, and a model that is trained anew by itself; ARGS="--speed 4".
	@$(BIN)/python manage.py scenario $(SCENARIOS) $(ARGS)

stop: ## Stop the demo, wherever it was started; its data stays.
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m controlplane.supervisor stop; else echo "No demo runs."; fi

reset: env ## Stop the demo and delete all its data, after asking; YES=1 does not ask.
	@YES=$(YES) $(BIN)/python -m controlplane.supervisor reset

backup: env ## Write database, files and keys to one folder, running or not: TO=folder (backups/<time>).
	@TO=$(TO) $(BIN)/python -m controlplane.supervisor backup

restore: env ## Replace what is there by a backup, after checking it and asking: FROM=folder; YES=1 does not ask.
	@FROM=$(FROM) YES=$(YES) $(BIN)/python -m controlplane.supervisor restore

test: dev-env chromium pango ## Run all tests, with a PostgreSQL, a broker and a browser of their own; ARGS is passed to pytest.
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

ui: dev-env chromium pango ## Take the pictures of every page and of the kit anew, into docs/ui, wide and on a phone, light and dark; fail where axe calls something serious, the console shows an error or a request fails.
	@UPDATE_DOCS=1 $(BIN)/python -m pytest -q -n 0 tests/test_ui_kit.py $(addprefix tests/test_product.py::,test_one_models_whole_life_by_four_people test_pictures_of_every_page) $(ARGS)

check: dev-env ## Check style, types, imports, templates, migrations and reference pages; changes nothing.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(CHECK_ENV) $(BIN)/mypy .
	$(BIN)/lint-imports
	git ls-files -z 'templates/*.html' | xargs -0r $(BIN)/djade --check --target-version 5.2
	git ls-files -z 'templates/*.html' | xargs -0r $(BIN)/djhtml --check -t 2
	$(CHECK_ENV) $(BIN)/python -W ignore manage.py makemigrations --check --dry-run
	$(CHECK_ENV) $(BIN)/python manage.py reference --check

fmt: dev-env ## Format code and templates in place, and mend what can be mended safely.
	$(BIN)/ruff check --fix-only -q .
	$(BIN)/ruff format .
	git ls-files -z 'templates/*.html' | xargs -0r $(BIN)/djade --target-version 5.2 || true
	git ls-files -z 'templates/*.html' | xargs -0r $(BIN)/djhtml -t 2

bench: dev-env ## Run every benchmark, or those that ARGS names, and write what they say into docs/benchmarks.md.
	@$(BIN)/python -m benchmarks $(ARGS)

faults: dev-env ## Kill workers and web processes, wipe the broker, stop PostgreSQL, set clocks wrong, fill disks, race decisions, and put a gateway through the like at 500 requests a second. Print what went wrong: nothing may.
	@$(BIN)/python -m benchmarks.faults $(ARGS)

conformance: dev-env ## Compare with MLflow: calls, older clients, and its own tests where MLFLOW_TESTS names a checkout; ARGS="--url … --token …" asks a server that runs. Then fuzz the control plane and the gateway by their OpenAPI documents, and ask the gateway with KServe's and Triton's clients.
	@failed=0; for part in "conformance $(ARGS)" conformance.api conformance.gateway; do $(BIN)/python -m $$part || failed=1; done; exit $$failed

mutants: dev-env ## Put small faults into arithmetic and state tables, one at a time, and print those that no test notices; ARGS="verdicts slo" tries these alone.
	@$(BIN)/python -m mutation $(ARGS)

lock: dev-env ## Resolve requirements*.in into pinned requirements*.txt.
	@for name in requirements requirements-dev; do $(BIN)/pip-compile -q --strip-extras --no-header --no-emit-index-url \
	  --no-emit-trusted-host --no-emit-find-links -o $$name.txt $$name.in || exit 1; done

docs: dev-env ## Rewrite docs/reference from the code.
	@$(CHECK_ENV) $(BIN)/python manage.py reference

clean: ## Delete caches; the virtual environment and the demo's data stay.
	@rm -rf .mypy_cache .ruff_cache .hypothesis .import_linter_cache test-results
	@find . -name __pycache__ -not -path './var/*' -not -path './.venv/*' -prune -exec rm -rf {} +

env: .venv/.created
	@$(BIN)/python -m controlplane.install requirements.txt requirements-data.txt

dev-env: env
	@$(BIN)/python -m controlplane.install requirements-dev.txt

.venv/.created:
	@sh deploy/venv.sh $(PYTHON)

chromium:
	@sh deploy/chromium.sh

pango:
	@sh deploy/pango.sh
