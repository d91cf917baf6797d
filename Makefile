# Every target builds the virtual environment it needs: `make demo`, `make test`, `make lint`, `make bench`.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: install demo test lint bench clean

install: .venv/.installed

.venv/.installed: setup.cfg pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 to 3.13 is needed: make PYTHON=python3.11" if not (3, 11) <= sys.version_info[:2] < (3, 14) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/.test: .venv/.installed
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@

.venv/.lint: .venv/.installed
	$(BIN)/python -m pip install --quiet --editable '.[lint]'
	touch $@

demo: .venv/.installed
	$(BIN)/python train.py data/support_tickets.csv --minutes 1 --name demo --overwrite
	@echo
	$(BIN)/python evaluate.py models/demo data/support_tickets_test.csv

test: .venv/.test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

lint: .venv/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy benchmarks
	$(BIN)/lint-imports
	$(BIN)/python data/make_samples.py --check

# They need public data beside the checkout: see benchmarks/README.md. Not lstm_training.py: it also needs a peer's script,
# and what that imports: .venv/bin/pip install -e '.[bench]'.
bench: .venv/.installed
	$(BIN)/python benchmarks/classifiers.py
	$(BIN)/python benchmarks/serving.py

clean:
	rm -rf .venv .venvs build *.egg-info .pytest_cache .mypy_cache .ruff_cache
