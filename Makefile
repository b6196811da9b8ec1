# What a human types, and what CI runs. PYTHON chooses the interpreter (3.11 or newer) that .venv is made with.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: help setup run test check bench chaos protos docs format lock clean

help:  ## What can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## */  make \1\t/' | expand -t 16

$(STAMP): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Mailgate needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + ": make PYTHON=python3.12 …")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing into .venv (once; half a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

setup: $(STAMP)  ## Make .venv with everything that development needs

run: setup  ## Gateway, two sender nodes and an inbox on this machine, until Ctrl-C
	@exec $(BIN)/mailgate up

# Two files at a time: most of them wait for processes. In their order, the longest first.
test: setup  ## All tests; real servers are installed where that is possible
	@.ci/servers
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

check: setup  ## Style, types, the import law, the protos and the freshness of their stubs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python protos/check.py

format: setup  ## Format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

protos: setup  ## Make the stubs anew
	$(BIN)/python protos/generate.py

docs: setup  ## Make docs/settings.md anew, from the docstrings of the settings
	$(BIN)/python docs/generate.py

bench: setup  ## The benchmarks against peers, in full (minutes; BENCH=--quick for less)
	@.ci/servers
	for name in pieces balancing smtp_handoff demand idle_sites end_to_end backlog startup sdk failover; do $(BIN)/python benchmarks/$$name.py $(BENCH) || exit; done

chaos: setup  ## Twenty kills of each kind, under load, and a soak of 200,000 mails (about an hour)
	@.ci/servers
	MAILGATE_TEST_KILLS=20 MAILGATE_TEST_SOAK=200000 $(BIN)/python -m pytest tests/chaos -s --timeout 3600

lock:  ## Choose the newest dependencies anew
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 --all-extras --group dev pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 --no-annotate --extra otlp --constraint requirements.lock pyproject.toml -o deploy/requirements.lock

clean:  ## Remove what was made, but never mail
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
