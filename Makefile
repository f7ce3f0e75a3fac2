# make demo  the whole chain on the built-in world      make test  lint, and every test but the long ones
# make lint  ruff, mypy, import law                     make test-long  fuzz, kills and damage at length: before a release
# make browser  Chromium and axe-core for the tests of pages, where they can be had
# make docs  the documentation as a site, docs/_build/html/index.html, tutorials executed
# make maps   the maps of the package (paraformer models), needs ../shared (an hour)
# make golden  differences to compiled VIC-5, needs ../shared
PYTHON ?= python3
BIN := .venv/bin
RUN_DIR ?= runs/demo

.PHONY: demo test test-long lint docs browser golden maps clean

.venv/installed: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || \
	  { echo "make: '$(PYTHON) -m venv' failed; on Debian: apt-get install python3-venv"; exit 1; }
	$(BIN)/pip install --quiet -c constraints.txt torch -e '.[test]'
	@touch $@

.venv/installed-docs: .venv/installed
	$(BIN)/pip install --quiet -c constraints.txt -e '.[docs]'
	@touch $@

demo: .venv/installed
	$(BIN)/paraformer demo --directory $(RUN_DIR)

lint: .venv/installed
	$(BIN)/ruff check src tests benchmarks examples docs/conf.py docs/_site setup.py
	$(BIN)/ruff format --check --quiet src tests benchmarks examples docs/conf.py docs/_site setup.py
	$(BIN)/mypy
	$(BIN)/lint-imports

# One worker per core, each with single-threaded kernels; tests of one module share its fixtures on one worker.
test: lint
	OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=2 $(BIN)/pytest -n 2 --dist loadscope --durations 15 -m 'not long'

test-long: .venv/installed-docs browser
	OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=2 $(BIN)/pytest -n 2 --dist loadscope --durations 15 -m long

# Warnings are errors; nothing is fetched. Links that lead outside are listed in docs/_build/external_links.txt.
docs: .venv/installed-docs
	NUMBA_NUM_THREADS=2 $(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build/html
	$(BIN)/python docs/_site/links.py docs/_build/html

# What the tests of pages need; where it cannot be had they are skipped, with the reason.
browser:
	@command -v chromium >/dev/null || { apt-get install -y --no-install-recommends chromium; } >/dev/null 2>&1 || \
	  echo "make: no chromium (on Debian: apt-get install chromium); tests of pages in a browser are skipped"
	@test -f build/browser/node_modules/axe-core/axe.min.js || \
	  npm install --silent --no-audit --no-fund --prefix build/browser axe-core@4 >/dev/null 2>&1 || \
	  echo "make: axe-core not installed (needs npm); tests of pages in a browser are skipped"

# Runs every reference of compiled VIC-5 in ../shared (minutes), writes docs/golden.md, fails on what it cannot explain.
golden: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/python tests/golden/report.py

# Trains the maps of the package and writes them into it: the same bits on one machine. Maps through a line between
# model and satellite: make maps MORE="--set learners.history.loss.operator=cell_moments ..." (docs/apply.md).
maps: .venv/installed
	for n in 5 7; do \
	  test $$n = 5 && set -- --set 'parameters=[infilt,ds,dsmax,ws,expt]' || set --; \
	  OMP_NUM_THREADS=1 $(BIN)/paraformer run studies/maps.yaml "$$@" $(MORE) --directory runs/maps-$$n || exit 1; \
	  for method in attributes history; do \
	    $(BIN)/paraformer export runs/maps-$$n src/paraformer/maps/conus36-$$n-$$method --method $$method --half || exit 1; \
	  done; \
	done

clean:
	rm -rf .venv build dist src/*.egg-info
