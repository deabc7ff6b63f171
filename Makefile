# make train   set up .venv and train (see `python train.py --help`)
# make test    set up .venv with all three backends, then lint and test
# make quick   the same without the slowest tests
# make test-floor   the tests under constraints/kaggle.txt, in .venv-floor
PYTHON ?= python3
# Kaggle's Python where the machine has it; a name on PATH may not run.
PYTHON_FLOOR ?= $(shell for python in python3.12 \
	"$$HOME"/.pyenv/versions/3.12.*/bin/python3.12 python3; do \
	"$$python" -c "" 2>/dev/null && echo "$$python" && break; done)
# The CPU build of torch; any torch from 2.9 works.
TORCH ?= torch==2.13.0
ARGS ?=

BIN := .venv/bin
PYTEST_FLAGS := --numprocesses auto --dist loadfile --no-loadscope-reorder
PYTEST := $(BIN)/python -m pytest $(PYTEST_FLAGS)
FLOOR := .venv-floor

# glibc keeps what tests free, and gives it to the next: a twelfth of their time.
test test-floor quick: export MALLOC_ARENA_MAX := 1
test test-floor quick: export MALLOC_MMAP_THRESHOLD_ := 1073741824
test test-floor quick: export MALLOC_TRIM_THRESHOLD_ := 4294967296

.PHONY: train test test-floor quick lint format

train: .venv/installed
	$(BIN)/python train.py $(ARGS)

test: .venv/installed-dev lint
	$(PYTEST) $(ARGS)

quick: .venv/installed-dev lint
	$(PYTEST) -m "not slow" $(ARGS)

# Without torch, whose backend the newest versions test; with Beam, which keeps
# protobuf, pillow and pyarrow from their newest versions.
test-floor: $(FLOOR)/installed
	$(FLOOR)/bin/python -m pytest $(PYTEST_FLAGS) $(ARGS)

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

$(FLOOR)/installed: pyproject.toml constraints/kaggle.txt
	$(PYTHON_FLOOR) -m venv $(FLOOR)
	$(FLOOR)/bin/pip install --quiet --constraint constraints/kaggle.txt \
		--editable '.[dev,beam]'
	touch $@
