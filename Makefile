# Every target makes the environment it needs: only python3 (3.11 or newer) with venv, and pip's
# package index, have to be there. `make demo` and `make test` are the two to know.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python
PIP := $(RUN) -m pip --disable-pip-version-check
WHEEL := build/wheel
WHEEL_RUN := $(WHEEL)/venv/bin/python

TWO_AT_ONCE := -n 2 --dist loadfile

# Stamps are newer than pyproject.toml when the environment holds what it asks for.
INSTALLED := $(VENV)/.installed
DEVELOP := $(VENV)/.develop

# An advertisement on each build of the documentation.
export NO_MKDOCS_2_WARNING := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint format types imports docs pytest wheel test-statistical \
	test-resilience test-frontends benchmark clean

help:
	@echo "make demo              fit a real data set; results go to out/"
	@echo "make test              everything that must pass: style, types, imports, docs, tests, wheel"
	@echo "make test-statistical  the long statistical suite (about an hour on two cores)"
	@echo "make test-resilience   500 kills and thousands of failures of the disk (twenty minutes)"
	@echo "make test-frontends    front ends of the package index drive this package (needs gigabytes)"
	@echo "make benchmark         compare with the public package; what pools buy and run files cost"
	@echo "make lint | docs | pytest | wheel   one part of make test"
	@echo "make format            let the formatter and the safe fixes of the linter do their work"
	@echo "make clean             remove the environment and all that was built"

# Groups of dependencies need pip 25.1.
$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$(PYTHON) is older than 3.11; use make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --upgrade "pip>=25.1"
	$(PIP) install --quiet --editable ".[plot]"
	touch $@

$(DEVELOP): $(INSTALLED)
	$(PIP) install --quiet --group dev
	touch $@

demo: $(INSTALLED)
	$(RUN) examples/k2_24.py

test: lint types imports docs pytest wheel

lint: $(DEVELOP)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

format: $(DEVELOP)
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

types: $(DEVELOP)
	$(RUN) -m mypy

imports: $(DEVELOP)
	$(BIN)/lint-imports

docs: $(DEVELOP)
	$(RUN) -m mkdocs build --strict --quiet

# Tests of pools come one after the other.
pytest: $(DEVELOP)
	$(RUN) -m pytest $(TWO_AT_ONCE) -m "not long" tests/unit tests/property tests/resilience \
		tests/statistical src/nautilus
	$(RUN) -m pytest -m "not long" tests/parallel

# What users get is the wheel and not this folder: its tests must pass on it alone.
wheel: $(DEVELOP)
	rm -rf $(WHEEL)
	$(PIP) wheel --quiet --no-deps --wheel-dir $(WHEEL) .
	$(PYTHON) -m venv $(WHEEL)/venv
	$(WHEEL_RUN) -m pip install --quiet --upgrade "pip>=25.1"
	$(WHEEL_RUN) -m pip install --quiet $(WHEEL)/*.whl --group unit
	$(WHEEL_RUN) -P -c 'import nautilus; assert "site-packages" in nautilus.__file__'
	$(WHEEL_RUN) -P -m pytest -q -p no:cacheprovider $(TWO_AT_ONCE) -m "not long" tests/unit

test-statistical: $(DEVELOP)
	$(RUN) -m pytest -m long --timeout=0 tests/statistical

# Counts go to the page of promises.
test-resilience: $(DEVELOP)
	NAUTILUS_KILLS=500 NAUTILUS_COUNTS=docs/promises.md $(RUN) -m pytest --timeout=0 \
		tests/resilience

# The table goes to the page of compatibility.
test-frontends: $(DEVELOP)
	$(RUN) tests/frontends/run_all.py --page

benchmark: $(DEVELOP)
	$(RUN) benchmarks/parallel.py --page
	OMP_NUM_THREADS=1 $(RUN) benchmarks/timeline.py
	$(RUN) benchmarks/runfile.py --page
	$(RUN) benchmarks/compare.py

clean:
	rm -rf $(VENV) build dist site out .benchmark .frontends .pytest_cache .mypy_cache .ruff_cache \
		.import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
