# What a contributor and a CI machine run. A machine needs Python 3.11 to 3.14 and make, nothing else: the targets
# make .venv themselves, from uv.lock. `make help` lists them; PYTHON=/path/to/python picks an interpreter.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= $(shell sh scripts/find-python)
BIN := .venv/bin
LOCKED := pyproject.toml uv.lock scripts/bootstrap.py
# Every target with a real Python starts with this, so that its absence is one sentence.
HAVE_PYTHON = @test -n "$(PYTHON)" || exit 1

.PHONY: help
help: ## List the targets.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | while IFS='|' read -r name what; do \
		printf '%-20s %s\n' "$$name" "$$what"; done

.venv/.runtime: $(LOCKED)
	$(HAVE_PYTHON)
	@"$(PYTHON)" scripts/bootstrap.py --runtime

.venv/.dev: $(LOCKED)
	$(HAVE_PYTHON)
	@"$(PYTHON)" scripts/bootstrap.py

.PHONY: demo
demo: .venv/.runtime ## Start a backend, run a pipeline over real data through it, show the result.
	@$(BIN)/python scripts/demo.py

.PHONY: test
test: .venv/.dev ## Everything: the whole suite here, most of it on every other Python (under 25 minutes).
	@$(BIN)/python scripts/test.py

.PHONY: check
check: lint types ## The inner loop: lint, types, and the tests without backends (under 3 minutes).
	@$(BIN)/python scripts/test.py --quick

.PHONY: lint
lint: .venv/.dev ## Style, formatting, the walls between the layers, what is generated.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/python scripts/generate_proto.py --check
	$(BIN)/python scripts/generate_compatibility.py --check

.PHONY: format
format: .venv/.dev ## Format, and fix what can be fixed.
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.PHONY: types
types: .venv/.dev ## mypy, strict.
	$(BIN)/mypy

.PHONY: proto
proto: .venv/.dev ## Generate src/flyte/wire/gen from proto/, and check that it matches.
	$(BIN)/python scripts/generate_proto.py
	$(BIN)/python scripts/generate_proto.py --check

.PHONY: bench
bench: .venv/.dev ## Measure, also against Prefect and Dagster; writes bench/RESULTS.md.
	$(BIN)/python bench/run.py

.PHONY: bench-quick
bench-quick: .venv/.dev ## The same with few rounds and children; writes .cache/bench/RESULTS.md.
	$(BIN)/python bench/run.py --quick

.PHONY: build
build: .venv/.dev ## The wheel and the source archive, in dist/.
	@uv=.venv-tools/bin/uv; test -x $$uv || uv=uv; $$uv build --quiet --out-dir dist && ls dist

.PHONY: clean
clean: ## Delete everything that was made here: environments, caches, dist/, the demo's data.
	@test ! -e .demo/backend/backend.json || FLYTE_HOME=.demo $(BIN)/flyte stop backend || true
	rm -rf .venv .venv-* .demo .cache dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
