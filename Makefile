# Every target makes the environment it needs: .venv in this checkout, with the versions of constraints.txt.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
ENV := $(VENV)/.installed

# Nothing here needs the hub, and what libraries want to remember stays in the checkout.
export HF_HUB_OFFLINE = 1
export HF_HOME = $(CURDIR)/.cache/huggingface
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# What Python compiles is kept, whatever the shell says: each process imports the same libraries.
unexport PYTHONDONTWRITEBYTECODE

# The first scored rows, wide enough to read the texts.
define SHOW
import polars as pl
columns = "review_id", "sentence", "score", "confidence", "score_status"
with pl.Config(tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True, tbl_width_chars=120, fmt_str_lengths=54, float_precision=3):
    print(pl.read_parquet("data/reviews.scored.parquet", columns=columns, n_rows=8))
endef
export SHOW

UNIT := not gpu and not ray and not slow and not torture

.DEFAULT_GOAL := help
.PHONY: help demo test check lint types unit format bench bench-gpu quality test-gpu test-ray test-slow torture reference pictures clean
.DELETE_ON_ERROR:

help: ## Show what can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

# Not compiled: Python compiles what is imported, and most of it never is.
$(ENV): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile -c constraints.txt -e '.[dev]'
	@touch $@

demo: data/reviews.parquet ## Make the sample, fit a model on it, score 20,000 reviews, show the first
	$(BIN)/scorer fit data/train.csv
	$(BIN)/scorer score data/reviews.parquet data/reviews.scored.parquet --force --report-html data/reviews.html
	@$(BIN)/python -c "$$SHOW"
	@echo "How good the model is: $$(cd models/latest && pwd -P)/report.html"
	@echo "What came out: $(CURDIR)/data/reviews.html"

data/reviews.parquet: data/make_reviews.py data/grammar.py data/phrases.py data/table.py | $(ENV)
	$(BIN)/python data/make_reviews.py

test: $(ENV) check ## Make the environment, then check: what a fresh clone needs

check: lint types unit ## Lint, types and tests: what CI runs

lint: $(ENV) ## Ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(ENV) ## Let ruff put the format right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(ENV) ## Mypy, strict
	$(BIN)/mypy

# Much of their time is waiting for processes that they start, so files of tests run side by side, one more than there are
# cores; those with a stopwatch come after them. OMP_WAIT_POLICY: threads of torch that have nothing to do leave the
# processor to the others.
unit: export OMP_WAIT_POLICY = PASSIVE
unit: $(ENV) ## The tests that need neither GPU, Ray nor minutes
	$(BIN)/python -m pytest -n $$($(BIN)/python -c "import os; print(os.cpu_count() + 1)") --maxprocesses 4 --dist loadscope -m "$(UNIT) and not stopwatch"
	$(BIN)/python -m pytest -m "$(UNIT) and stopwatch"

# Named, since other files import what a lean machine with a GPU lacks: polars, hypothesis and more. Without
# this environment: make test-gpu ENV= BIN=$$(dirname $$(command -v python3)); pytest and what scoring needs are enough.
test-gpu: $(ENV) ## The tests that need a CUDA device
	$(BIN)/python -m pytest -m gpu $(shell grep -rlE --include='test_*.py' '^ *(@|)pytest\.mark\.gpu' tests)

test-ray: $(ENV) ## The tests that need Ray; installs it into .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev,ray]'
	$(BIN)/python -m pytest -m ray

test-slow: $(ENV) ## The tests that take minutes or gigabytes
	$(BIN)/python -m pytest -m slow

torture: $(ENV) ## Crashes, disks and fuzz at full length (TESTS=tests/torture/test_kills.py); some need root, strace
	$(BIN)/python -m pytest -m torture -s $(TESTS)

bench: $(ENV) ## Measure scoring beside its peers (BENCH="--workload all --write"); installs the peers into .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev,bench]'
	$(BIN)/python jobs/bench/score_speed.py $(BENCH)

bench-gpu: $(ENV) ## Measure scoring on a CUDA device
	$(BIN)/python jobs/bench/score_gpu.py $(BENCH)

quality: $(ENV) ## Measure fitted models beside the plain Trainer script: hours; needs SCORER_REALDATA
	$(BIN)/python jobs/bench/fit_quality.py --write $(QUALITY)

reference: $(ENV) ## Make the reference of the command line again, from the commands
	$(BIN)/python -m jobs.make_reference > scorer/cli/REFERENCE.md

pictures: demo ## Make the pictures of the front page again; needs Chromium or Chrome
	$(BIN)/python -m jobs.pictures.make_pictures

clean: ## Remove the environment and everything made here, but not models
	rm -rf $(VENV) .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis dist build data/*.parquet
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
