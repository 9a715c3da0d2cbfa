# Every target does its own set-up in .venv and is quick when nothing changed. `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo test test-fast test-gpu lint types protos serve clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

install: $(STAMP) ## .venv with everything, so that .venv/bin/tunesmithd works

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one with PYTHON=")'
	@echo "Installing into .venv (about 500 MB of downloads the first time) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -q --upgrade pip
	@$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	@touch $@

demo: install ## fine-tune a real model on real tweets through the real service
	@$(BIN)/python examples/demo/demo.py

test: install ## every test but those for a GPU
	@$(BIN)/python -m pytest -q -m "not gpu"

test-fast: install ## the tests that take no training and no daemon
	@$(BIN)/python -m pytest -q -m "not gpu and not slow" tests/unit tests/contract

test-gpu: install ## the tests that need a CUDA device
	@$(BIN)/python -m pytest -q -m gpu

lint: install ## style, imports between layers, rules of the contract
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check -q .
	@$(BIN)/lint-imports
	@$(BIN)/python scripts/protos.py --lint

types: install ## mypy, strict
	@$(BIN)/mypy

protos: install ## regenerate the stubs of the contract
	@$(BIN)/python scripts/protos.py

serve: install ## tunesmithd on 127.0.0.1:50051, data in ./data
	@$(BIN)/tunesmithd serve

clean: ## remove .venv and every cache
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
