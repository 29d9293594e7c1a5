# Two commands: `make demo` trains on the built-in faces, `make test` runs the whole test suite.
# Python 3.11 or newer with venv, and make, are all they need.

PYTHON ?= python3
BIN := .venv/bin
PYTEST = $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadscope --no-loadscope-reorder

.PHONY: demo test test-long test-coverage test-quick test-flags test-inputs test-mutations test-combinations lint types format lock clean

demo: .venv/.installed
	$(BIN)/lowerbound train --out runs/demo-$$(date +%Y%m%d-%H%M%S)

test: .venv/.installed-test
	$(PYTEST) -m "not long"

# What takes longest of the tests: whole recipes, pages of the documentation, every part compiled and not.
test-long: .venv/.installed-test
	$(PYTEST) -m long

# Measuring which lines the tests reach costs a tenth of their time.
test-coverage: .venv/.installed-test
	$(PYTEST) --cov --cov-report=term:skip-covered

# What most changes break first: settings, data, saved files, estimates, and the oracles that compile little.
QUICK := tests/mutations tests/config tests/data tests/storage tests/evaluation/test_estimates.py tests/evaluation/test_comparison.py \
	$(addprefix tests/oracles/test_,$(addsuffix .py,errors likelihoods counts bounds linear_gaussian objectives_elbo objectives_moments))

test-quick: .venv/.installed-test
	$(PYTEST) $(QUICK)

# The oracles compiled as for users; the other tests compile with less optimisation, because most programs run once.
test-flags: .venv/.installed-test
	LOWERBOUND_TEST_FLAGS=users $(PYTEST) tests/oracles

# Two thousand inputs made at random, over all commands and the estimator: each is answered with a result or a sentence.
test-inputs: .venv/.installed-test
	LOWERBOUND_TEST_INPUTS=60 $(BIN)/python -m pytest tests/inputs

# Mistakes planted in a copy of the source, each with the oracle that must notice it, then with the check of `verify`.
test-mutations: .venv/.installed-test
	$(BIN)/python tests/mutations/run.py
	$(BIN)/python tests/mutations/run.py --verify

# Every allowed combination of parts compiled and trained a step: about 15 minutes on 2 cores.
test-combinations: .venv/.installed-test
	LOWERBOUND_TEST_ALL_COMBINATIONS=1 $(PYTEST) tests/test_combinations.py

lint: .venv/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.installed-test
	$(BIN)/pyright

format: .venv/.installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The lock files pin every version with its hash, and name no package index.
lock: .venv/.installed-test
	$(BIN)/python -m pip install --quiet uv==0.13.9
	cd requirements && sh ./lock.sh ../$(BIN)/uv

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("lowerbound needs Python 3.11 or newer, this is " + sys.version) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv

# The lock files name every package there is to install, so pip need not resolve anything (--no-deps): its resolver
# takes "coverage[toml]", which one of the pinned packages asks for, for a package without a pin as soon as a newer
# coverage is published, and refuses it.
.venv/.installed: .venv/bin/python requirements/runtime.txt pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/runtime.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

.venv/.installed-test: .venv/.installed requirements/test.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/test.txt
	touch $@

clean:
	rm -rf .venv build dist .pytest_cache .ruff_cache .coverage
