# make demo  the whole chain on the built-in world      make test  lint, and every test but the long ones
# make lint  ruff, mypy, import law                     make test-long  fuzz, kills and damage at length: before a release
# make golden  differences to compiled VIC-5, needs ../shared
PYTHON ?= python3
BIN := .venv/bin
RUN_DIR ?= runs/demo

.PHONY: demo test test-long lint golden clean

.venv/installed: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || \
	  { echo "make: '$(PYTHON) -m venv' failed; on Debian: apt-get install python3-venv"; exit 1; }
	$(BIN)/pip install --quiet -c constraints.txt torch -e '.[test]'
	@touch $@

demo: .venv/installed
	$(BIN)/paraformer demo --directory $(RUN_DIR)

lint: .venv/installed
	$(BIN)/ruff check src tests benchmarks examples
	$(BIN)/ruff format --check --quiet src tests benchmarks examples
	$(BIN)/mypy
	$(BIN)/lint-imports

# One worker per core, each with single-threaded kernels; tests of one module share its fixtures on one worker.
test: lint
	OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=2 $(BIN)/pytest -n 2 --dist loadscope --durations 15 -m 'not long'

test-long: .venv/installed
	OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=2 $(BIN)/pytest -n 2 --dist loadscope --durations 15 -m long

# Runs every reference of compiled VIC-5 in ../shared (minutes), writes docs/golden.md, fails on what it cannot explain.
golden: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/python tests/golden/report.py

clean:
	rm -rf .venv build dist src/*.egg-info
