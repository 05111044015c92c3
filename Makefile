# Each target works alone, as the first command after a clone. Needs python3 (3.11 or newer) and a package index.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: demo test check bench stack soak lock clean
.DEFAULT_GOAL := help

help:  ## what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml requirements.lock
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(STAMP)

demo: $(STAMP)  ## the case of 2014, start to finish, in words
	@$(BIN)/prefledger demo

test: $(STAMP)  ## every test that this machine allows, and what was left out
	@$(BIN)/python -m pytest -n 3 --dist loadscope --durations 20

check: $(STAMP)  ## format, lint, types, architecture, docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m schemas.generate --check
	$(BIN)/python -m consumers.cli.reference --check
	$(BIN)/python -m stack.compose --check
	$(BIN)/python -m stack.asyncapi --check
	$(BIN)/python -m projections.adapters.dictionary --check

bench: $(STAMP)  ## what BENCHMARKS.md shows, measured again (some three hours)
	@$(BIN)/python -m bench

stack: $(STAMP)  ## Kafka, PostgreSQL, workers, gateways and the projector on this machine, without Docker, until Ctrl-C
	@$(BIN)/python -m stack

soak: $(STAMP)  ## long randomised runs
	@$(BIN)/python -m pytest tests/soak -p no:randomly --timeout 7200 --soak

lock: $(STAMP)  ## pin every package anew; names, versions and hashes, no index
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-annotate \
		--python-version 3.11 --group dev pyproject.toml --output-file requirements.lock

clean:  ## remove what the targets made
	rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache
