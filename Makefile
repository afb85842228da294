# Two commands for a fresh machine with Python >= 3.11 and make: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help install demo test test-slow lint format bench docs clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(READY) ## make the virtual environment in .venv

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Regionwise needs Python 3.11 or newer; this is $$($(PYTHON) --version). Try make PYTHON=python3.12"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $(READY)

demo: $(READY) ## render birds, explain and benchmark them, say where it all lies
	$(BIN)/python examples/demo.py demo

test: $(READY) ## run the tests, JOBS=2 of their files at a time
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile

test-slow: $(READY) ## run the tests that take minutes
	$(BIN)/python -m pytest -m slow

lint: $(READY) ## check style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(READY) ## put the code into its format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY) ## measure speed side by side with peers
	$(BIN)/python -m bench

docs: $(READY) ## make the pictures and tables of the documentation again
	$(BIN)/python scripts/make_docs.py

clean: ## remove what was made, but not the environment
	rm -rf demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
