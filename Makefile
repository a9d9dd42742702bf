# Every target makes the environment it needs: only python3 (3.11 or newer) with venv, and pip's
# package index, have to be there. `make demo` and `make test` are the two to know.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python
PIP := $(RUN) -m pip --disable-pip-version-check
WHEEL := build/wheel
WHEEL_RUN := $(WHEEL)/venv/bin/python

# For two cores: tests wait for processes now and then, those of pools half of the time. Tests of
# one file share what takes long to start.
ON_CORES := -n 2 --dist worksteal
ON_POOLS := -n 4 --dist loadfile

# Rooms whose tests `make test-fast` runs: the algorithm, and all that it stands on.
ALGORITHM := door emulator envelope evaluator gaps geometry plan posterior prior proposal run \
	sampler tasks walls

# Tests that a wheel can fail although those of the source pass: files, imports, commands, a script
# with workers. The examples in its docstrings are run too.
OF_WHEEL := $(addprefix tests/unit/test_,door.py info.py package.py \
	public_scripts.py::test_parallel_as_a_script_without_a_guard)

# How often `make test-parallel` runs its tests, and whether it runs the long ones too.
N ?= 1
ALL ?=

# Stamps are newer than pyproject.toml when the environment holds what it asks for.
INSTALLED := $(VENV)/.installed
DEVELOP := $(VENV)/.develop

# Tests start hundreds of interpreters: each would compile the package.
export PYTHONDONTWRITEBYTECODE :=

# An advertisement on each build of the documentation.
export NO_MKDOCS_2_WARNING := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test checks lint format types imports docs pytest parallel wheel \
	wheel-installed test-fast test-long test-parallel test-statistical test-calibration \
	test-resilience test-wheel test-frontends benchmark scoreboard clean

help:
	@echo "make demo              fit a real data set; results go to out/"
	@echo "make test              everything that must pass: style, types, imports, docs, tests, wheel"
	@echo "make test-fast         tests of the algorithm, and of one pool: a minute on two cores"
	@echo "make test-long         tests of the rest that make test leaves out (minutes)"
	@echo "make test-parallel     tests of pools, N=20 times; with ALL=1 all combinations"
	@echo "make test-statistical  the long statistical suite (about an hour on two cores)"
	@echo "make test-calibration  simulated data sets, Bayes factors, two modes (many hours)"
	@echo "make test-resilience   500 kills and thousands of failures of the disk (twenty minutes)"
	@echo "make test-wheel        all unit tests on the wheel"
	@echo "make test-frontends    front ends of the package index drive this package (needs gigabytes)"
	@echo "make benchmark         compare with the public package; what pools buy and run files cost"
	@echo "make scoreboard        right, wrong and silently wrong runs, and their cost (half an hour)"
	@echo "make checks | lint | docs | pytest | parallel | wheel   one part of make test"
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

test: checks pytest parallel wheel

# Two of them at once; what each says stays together.
checks: $(DEVELOP)
	$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint types imports docs

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

pytest: $(DEVELOP)
	$(RUN) -m pytest $(ON_CORES) -m "not long" tests/unit tests/property tests/resilience \
		tests/statistical src/nautilus

parallel: $(DEVELOP)
	$(RUN) -m pytest $(ON_POOLS) -m "not long" tests/parallel

test-fast: $(DEVELOP)
	NAUTILUS_TEST_POOL=2 $(RUN) -m pytest -q $(ON_CORES) -m "not long" \
		$(ALGORITHM:%=tests/unit/test_%.py) tests/property/test_prior.py \
		tests/property/test_proposal.py tests/parallel/test_pools.py

# More combinations and more damage of what make test tries a part of.
test-long: $(DEVELOP)
	$(RUN) -m pytest $(ON_CORES) -m long tests/unit tests/property tests/resilience

# The environment of the wheel stays, and has what unit tests need beside the wheel.
$(WHEEL)/.installed: pyproject.toml
	rm -rf $(WHEEL)
	$(PYTHON) -m venv $(WHEEL)/venv
	$(WHEEL_RUN) -m pip install --quiet --upgrade "pip>=25.1"
	$(WHEEL_RUN) -m pip install --quiet --group unit
	touch $@

# What users get is the wheel and not this folder: it must do without this folder.
wheel-installed: $(DEVELOP) $(WHEEL)/.installed
	rm -f $(WHEEL)/*.whl
	$(PIP) wheel --quiet --no-deps --wheel-dir $(WHEEL) .
	$(WHEEL_RUN) -m pip uninstall --quiet --yes nautilus-ins
	$(WHEEL_RUN) -m pip install --quiet $(WHEEL)/*.whl
	$(WHEEL_RUN) -P -c 'import nautilus; assert "site-packages" in nautilus.__file__'

wheel: wheel-installed
	$(WHEEL_RUN) -P -m pytest -q -p no:cacheprovider $(ON_CORES) -m "not long" --pyargs nautilus \
		$(OF_WHEEL)

test-wheel: wheel-installed
	$(WHEEL_RUN) -P -m pytest -q -p no:cacheprovider $(ON_CORES) -m "not long" --pyargs nautilus \
		tests/unit

# Each run's output is kept; who starts this again goes on after those that have ended. Another
# state of the code has another folder.
test-parallel: $(DEVELOP)
	$(RUN) tests/parallel/repeat.py $(N) \
		build/parallel/$$(find src tests pyproject.toml -name '*.py' -o -name '*.toml' | sort \
			| xargs cat | cksum | cut -d ' ' -f 1) \
		$(RUN) -m pytest $(ON_POOLS) $(if $(ALL),,-m "not long") tests/parallel

test-statistical: $(DEVELOP)
	$(RUN) -m pytest -m long --timeout=0 tests/statistical

# What was run once is not run again; the page is docs/calibration.md.
test-calibration: $(DEVELOP)
	$(RUN) -m nautilus.testing.calibration

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

scoreboard: $(DEVELOP)
	$(RUN) benchmarks/scoreboard.py --quick

clean:
	rm -rf $(VENV) build dist site out .benchmark .frontends .pytest_cache .mypy_cache .ruff_cache \
		.import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
