# Everything lives in .venv, which this file makes and keeps in step with pyproject.toml and
# constraints.txt. Stamps inside it say what is installed, so that set-up is done only when needed.

VENV := .venv
BIN := $(VENV)/bin

# A Python that we support. python3.11 first: the constraints are made with it. Each candidate is
# run, because a name on PATH (a version manager's shim, say) may stand for nothing.
IS_SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13; do \
	$$p -c '$(IS_SUPPORTED)' 2>/dev/null && { echo $$p; exit; }; done; echo python3)

# Further extras to install for the tests, such as EXTRAS=hf, and arguments for the command that a
# target runs, such as ARGS='-m "not slow and not long"'.
EXTRAS ?=
ARGS ?=

# The release of torch that the hf extra is tested with; a newer one may bring gigabytes of CUDA along.
TORCH := 2.13.0

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: browser-tools s3-server
.PHONY: help demo test lint format bench acceptance docs-check constraints clean stale

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/stamp-base ## the whole story in one go, on the reference network
	@$(BIN)/troth demo $(ARGS)

test: $(VENV)/stamp-dev $(EXTRAS:%=$(VENV)/stamp-%) ## the tests (EXTRAS=hf for torch and datasets; ARGS='-m "not slow and not long"')
	@$(BIN)/python -m pytest -q -n 2 -m "not long" --ignore=tests/acceptance --ignore=tests/spark $(ARGS)

lint: $(VENV)/stamp-dev ## style, types, and which part may import which
	@$(BIN)/ruff check --quiet --output-format=concise
	@$(BIN)/ruff format --check --quiet || { echo "not formatted as ruff would; see: make format"; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@out=$$($(BIN)/lint-imports --no-logo 2>&1) || { echo "$$out"; exit 1; }
	@echo "lint: fine"

format: $(VENV)/stamp-dev ## lay the code out, mend what can be mended
	@$(BIN)/ruff check --quiet --fix-only
	@$(BIN)/ruff format

bench: $(VENV)/stamp-bench $(VENV)/stamp-fast $(VENV)/stamp-dev ## the benchmarks
	@$(call exists,bench)
	@$(BIN)/python -m bench $(ARGS)

acceptance: $(VENV)/stamp-dev $(EXTRAS:%=$(VENV)/stamp-%) ## the acceptance tests
	@$(call exists,tests/acceptance)
	@mkdir -p tests/acceptance/results
	@$(BIN)/python -m pytest -q -m long --ignore=tests/acceptance --ignore=tests/spark
	@$(BIN)/python -m pytest -q tests/acceptance tests/spark $(ARGS)
	@$(BIN)/python -m tests.properties.coverage | tee tests/acceptance/results/$$(date -u +%F)-coverage.txt
	@$(BIN)/python -m tests.acceptance.mutations | tee tests/acceptance/results/$$(date -u +%F)-mutations.txt

docs-check: $(VENV)/stamp-dev ## that the docs say what the code does
	@$(call exists,tests/docs)
	@$(BIN)/python -m pytest -q tests/docs $(ARGS)

clean: ## remove .venv, caches and builds
	@rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find src tests -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# --- set-up ------------------------------------------------------------------------------------

check_python = $(PYTHON) -c '$(IS_SUPPORTED)' 2>/dev/null || { \
  echo "Troth needs Python 3.11, 3.12 or 3.13; $(PYTHON) is $$($(PYTHON) --version 2>/dev/null || echo missing)."; \
  echo "Name another: make PYTHON=python3.11"; exit 1; }

exists = [ -e $(1) ] || { echo "there is nothing in $(1) yet"; exit 1; }

# The virtual environment remembers the folder it was made in: in a copied tree it would still run
# the code of the old one.
ifneq ($(shell cat $(VENV)/made-in 2>/dev/null),$(CURDIR))
$(VENV)/made-in: stale
endif

$(VENV)/made-in:
	@$(check_python)
	@echo "making $(VENV) with $$($(PYTHON) --version)"
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "$(PYTHON) cannot make virtual environments (on Debian: apt-get install python3-venv)"; exit 1; }
	@echo "$(CURDIR)" > $@

$(VENV)/stamp-base: $(VENV)/made-in pyproject.toml constraints.txt
	@echo "installing Troth and what it needs"
	@$(BIN)/pip install -qq -c constraints.txt -e .
	@touch $@

$(VENV)/stamp-%: $(VENV)/stamp-base
	@echo "installing the $* extra"
	@$(BIN)/pip install -qq -c constraints.txt -e '.[$*]'
	@touch $@

# The accessibility checker of the browser tests: fetched, never committed; without npm its tests are skipped.
AXE := 4.14.1

$(VENV)/node_modules/axe-core/axe.min.js: $(VENV)/made-in
	@command -v npm > /dev/null || { echo "npm is not here: tests of accessibility will be skipped"; exit 0; }; \
	  npm install --silent --no-audit --no-fund --prefix $(VENV) axe-core@$(AXE) && touch $@

# An S3-compatible server for the tests, in an environment of its own: it asks for older libraries than ours.
MOTO := 5.2.5

$(VENV)/s3/bin/moto_server: $(VENV)/made-in
	@$(PYTHON) -m venv $(VENV)/s3
	@$(VENV)/s3/bin/pip install -qq 'moto[s3,server]==$(MOTO)'

s3-server: $(VENV)/s3/bin/moto_server

browser-tools: $(VENV)/node_modules/axe-core/axe.min.js

# --- pins --------------------------------------------------------------------------------------

# Resolved afresh in an empty environment. Left out of the list: what only one machine's index
# gives (local versions such as +cpu, CUDA's packages) and the project itself.
constraints: ## resolve constraints.txt anew
	@$(check_python)
	@echo "resolving; this takes some minutes"
	@set -e; work=$$(mktemp -d); trap 'rm -rf "$$work"' EXIT; \
	$(PYTHON) -m venv "$$work/venv"; \
	"$$work/venv/bin/pip" install -qq -e '.[dev,bench,fast,hf]' torch==$(TORCH); \
	{ echo "# Exact versions that Troth is tested with: base, dev, bench and hf, and all that they need."; \
	  echo "# Made by 'make constraints' with $$($(PYTHON) --version); not edited by hand."; \
	  "$$work/venv/bin/pip" freeze --exclude-editable --exclude troth \
	    | grep -Ev '^(nvidia-|cuda-|triton)' | sed -E 's/\+[a-z0-9.]+$$//'; } > "$$work/constraints.txt"; \
	! grep -n ' @ ' "$$work/constraints.txt"; \
	cp "$$work/constraints.txt" constraints.txt
	@grep -vc '^#' constraints.txt | sed 's/$$/ packages pinned in constraints.txt/'
