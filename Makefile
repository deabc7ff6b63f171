# make train   set up .venv and train (see `python train.py --help`)
# make test    set up .venv with all three backends, then lint and test
# make quick   the same without the slowest tests
PYTHON ?= python3
# The CPU build of torch; any torch from 2.9 works.
TORCH ?= torch==2.13.0
ARGS ?=

BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest --numprocesses auto --dist loadfile \
	--no-loadscope-reorder

.PHONY: train test quick lint format

train: .venv/installed
	$(BIN)/python train.py $(ARGS)

test: .venv/installed-dev lint
	$(PYTEST) $(ARGS)

quick: .venv/installed-dev lint
	$(PYTEST) -m "not slow" $(ARGS)

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: .venv/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.venv/bin/python:
	$(PYTHON) -c "import sys; assert sys.version_info >= (3, 11), sys.version"
	$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --editable .
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/pip install --quiet $(TORCH)
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@
