# `make run` and `make test` set up everything they need in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= $(shell nproc 2>/dev/null || echo 2)
# Where `make bench-lumin` keeps the environment of LUMIN, and what it asks pip for besides.
LUMIN ?= build/lumin
LUMIN_WITH ?=

.PHONY: install run test test-slow docs bench bench-lumin clean

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

run: install
	$(BIN)/msml run recipes/htautau_darts_robust.yaml

test: install
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup -m 'not slow'

test-slow: install
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup -m slow

# The pages of docs/ as a site that can be read without a network: build/site/index.html.
docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: install
	$(BIN)/python scripts/bench_events.py
	$(BIN)/python scripts/bench_reading.py
	$(BIN)/python scripts/bench_training.py
	$(BIN)/python scripts/bench_replicas.py
	$(BIN)/python scripts/bench_sets.py
	$(BIN)/python scripts/bench_graphs.py
	$(BIN)/python scripts/bench_search.py

# Not in `bench`: it installs PyTorch, 2 to 7 GB by its build.
bench-lumin: install
	$(BIN)/python scripts/bench_lumin.py $(LUMIN) --with $(LUMIN_WITH)

clean:
	rm -rf $(VENV) build dist .pytest_cache .hypothesis .mypy_cache .ruff_cache
