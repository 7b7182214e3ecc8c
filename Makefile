# One command for each thing that people do here. `make` alone lists them.

# The first of these that is at least 3.11; say PYTHON=... for another.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3 python; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v "$$python" && break; done)
# Processes that share the tests; most of a test is waiting for a real part, so three more than this machine has cores.
WORKERS ?= $(shell expr $$(nproc 2>/dev/null || echo 2) + 3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
READY := .venv/.ready
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml
CHECKED := watcher handlers config clickhouse_sql debezium stack demo tests benchmarks

.DEFAULT_GOAL := help
.PHONY: help setup demo test soak check bench lock docs

help: ## Say what there is
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

setup: $(READY) ## Make the virtual environment, from locked and checksummed versions; nothing when it is up to date

demo: $(READY) ## Run the whole topology on this machine for a minute and compare (ARGS="--seconds 20 --keep")
	@$(BIN)/python -m demo $(ARGS)

test: check ## Check, then run every test (ARGS="-k name" for some, WORKERS=0 for one after the other)
	@$(BIN)/python -m pytest --numprocesses $(WORKERS) $(ARGS)

soak: $(READY) ## An hour: what is marked so, 100,000 votes at once, a minute without ClickHouse, attacks in full
	@$(BIN)/python -m pytest --numprocesses 0 --soak -m soak $(ARGS)
	@$(BIN)/python -m pytest --numprocesses 0 --soak -m "not soak" tests/votes/test_at_size.py tests/api/abuse \
		tests/api/test_api_schemathesis.py tests/pipeline/test_connect_killed.py $(ARGS)

check: $(READY) ## Style, types and import rules, in seconds
	@$(BIN)/ruff check $(wildcard $(CHECKED))
	@$(BIN)/ruff format --check --quiet $(wildcard $(CHECKED)) || \
		{ echo "these files are not formatted: run $(BIN)/ruff format"; $(BIN)/ruff format --check $(wildcard $(CHECKED)); exit 1; }
	@$(BIN)/mypy
	@said=$$($(BIN)/lint-imports 2>&1) || { echo "$$said"; exit 1; }; echo "$$said" | tail -n 1

bench: $(READY) ## Measure speed and freshness (ONLY=cdc, ONLY=freshness, ONLY=idle: one thing)
	@$(BIN)/python -m benchmarks $(if $(ONLY),--only $(ONLY)) $(ARGS)

lock: $(READY) ## Write requirements/ anew from pyproject.toml
	@$(LOCK) --output-file requirements/run.txt
	@$(LOCK) --extra stack --extra dev --output-file requirements/dev.txt

docs: $(READY) ## Write the generated pages anew
	@$(BIN)/python -m watcher.cli.reference

# The stamp is newer than what it was made from, so a second `make` downloads nothing. It names the folder, because a
# virtual environment that was moved or copied points to where it was.
$(READY): requirements/dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed; name one: make PYTHON=/path/to/python3"; exit 1; }
	@test "$$(cat $(READY) 2>/dev/null)" = "$(CURDIR)" || rm -rf .venv
	@test -x $(BIN)/python || { echo "making .venv with $(PYTHON)"; $(PYTHON) -m venv .venv || { rm -rf .venv; \
		echo "this Python cannot make virtual environments: install its venv module, e.g. the package python3-venv"; exit 1; }; }
	@$(PIP) install --require-hashes --requirement requirements/dev.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@echo "$(CURDIR)" > $(READY)
