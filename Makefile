# `make` lists the commands. Nothing here needs root or a running server.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# More test processes than two help little: most tests compute. `make test WORKERS=0` runs in one.
WORKERS ?= auto

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONDONTWRITEBYTECODE ?=

.DEFAULT_GOAL := help
.PHONY: help setup check test test-deep bench demo docs clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.dev ## A virtual environment with everything that development needs

check: $(VENV)/.dev ## Linters, formats, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: $(VENV)/.dev ## All tests that take seconds
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup $(ARGS)

test-deep: $(VENV)/.dev ## The tests that take minutes or hours: crashes, big inputs, 10,000 random segments
	$(BIN)/pytest -m deep $(ARGS)

bench: $(VENV)/.dev ## How fast, next to what is possible on this machine
	@for script in benchmarks/*.py; do \
		case $$script in */_*) continue;; esac; \
		echo "== $$script"; $(BIN)/python $$script $(ARGS) || exit 1; \
	done

demo: $(VENV)/.core ## A generated shop, played forward, then its dashboard (ARGS=--no-serve stops before)
	$(BIN)/rekindle demo $(ARGS)

docs: $(VENV)/.dev ## Check that the documentation matches the program
	$(BIN)/pytest tests/test_documentation.py $(ARGS)

clean: ## Remove the virtual environment, the demo and all caches
	rm -rf $(VENV) demo-shop node_modules dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- virtual environment: stamp files say which lock is installed -------------------------------

# uv where it is already there, since it is much faster; otherwise pip
ifneq ($(shell command -v uv),)
INSTALL = VIRTUAL_ENV=$(abspath $(VENV)) uv pip install --quiet
else
INSTALL = $(BIN)/python -m pip install --quiet
endif

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Rekindle needs Python 3.11 or newer, and $(PYTHON) is not. Try: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "Python's venv module is missing. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: $(BIN)/python requirements.lock pyproject.toml
	@test -e $(VENV)/.dev || echo "Installing Rekindle into $(VENV)/ (once) ..."
	@test -e $(VENV)/.dev || $(INSTALL) --require-hashes -r requirements.lock
	@test -e $(VENV)/.dev || $(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(BIN)/python requirements-dev.lock pyproject.toml
	@echo "Installing Rekindle and its tools into $(VENV)/ (once) ..."
	@$(INSTALL) --require-hashes -r requirements-dev.lock
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@
