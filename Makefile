# Options for pip, such as PIP_OPTIONS='--extra-index-url https://…' for another build of torch (see README.md).
PIP_OPTIONS ?=
PYTHON ?= python3
THREADS ?= 1
# Side by side, threads of two halves would wait for each other's: with more than one, the halves take turns.
HALVES := $(if $(filter 1,$(THREADS)),2,1)
BIN := .venv/bin
COURSE := tests/notebooks/test_run.py tests/course/test_runner.py tests/gallery notebooks/solutions
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: lab course test test-library test-processors test-course notebooks bench site
.DELETE_ON_ERROR:

course: .venv/installed
	landscape-nb run all --out build/course

lab: .venv/installed
	jupyter lab notebooks/00_start_here.ipynb

test: .venv/installed
	ruff format --check .
	ruff check .
	pyrefly check
	OMP_NUM_THREADS=$(THREADS) $(MAKE) -j$(HALVES) test-library test-course

# One thread each: for networks this small, two halves side by side are done sooner.
# -v writes a test's name before it runs: where the process dies, the log says in which.
test-library: .venv/installed
	python -m pytest -v $(COURSE:%='--ignore-glob=%*')
	$(MAKE) test-processors

test-processors: .venv/installed
	python tests/processors.py

test-course: .venv/installed
	python -m pytest -v $(COURSE)

bench: .venv/installed
	$(BIN)/python -m pip install $(PIP_OPTIONS) --quiet --editable '.[bench]'
	python benchmarks/run.py

site: .venv/installed
	python -m sphinx -q -W --keep-going -c docs -b html . build/site

notebooks: .venv/installed
	python notebooks/build.py

.venv/installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install $(PIP_OPTIONS) --editable '.[dev,cluster,third-party]'
	touch $@
