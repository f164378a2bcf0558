# Options for pip, such as PIP_OPTIONS='--extra-index-url https://…' for another build of torch (see README.md).
PIP_OPTIONS ?=
PYTHON ?= python3
THREADS ?= 1
# Side by side, threads of two halves would wait for each other's: with more than one, the halves take turns.
HALVES := $(if $(filter 1,$(THREADS)),2,1)
BIN := .venv/bin
COURSE := tests/notebooks/test_run.py tests/notebooks/test_run_pages.py tests/docs/test_slides.py tests/notebooks/test_colab.py tests/course/test_runner.py tests/gallery notebooks/solutions
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: lab course test test-library test-processors test-course notebooks bench site slides
.DELETE_ON_ERROR:

course: .venv/installed
	landscape-nb run all --out build/course

lab: .venv/installed
	MALLOC_ARENA_MAX=1 ONEDNN_PRIMITIVE_CACHE_CAPACITY=200 jupyter lab notebooks/00_start_here.ipynb

test: .venv/tested
	ruff format --check .
	ruff check .
	pyrefly check
	OMP_NUM_THREADS=$(THREADS) $(MAKE) -j$(HALVES) test-library test-course

# One thread each: for networks this small, two halves side by side are done sooner.
# -v writes a test's name before it runs: where the process dies, the log says in which.
test-library: .venv/tested
	python -m pytest -v $(COURSE:%='--ignore-glob=%*')
	$(MAKE) test-processors

test-processors: .venv/tested
	python tests/processors.py

test-course: .venv/tested
	python -m pytest -v $(COURSE)

bench: .venv/installed
	$(BIN)/python -m pip install $(PIP_OPTIONS) --quiet --editable '.[bench]'
	python benchmarks/run.py

site: build/course/index.html
	python -m sphinx -q -W --keep-going -c docs -D course=$(CURDIR)/build/course -b html . build/site

slides: build/course/index.html
	python docs/slides.py build/course build/slides

# What moves on the site and the slides are pictures that a run of the course draws.
build/course/index.html: .venv/installed $(wildcard notebooks/*.ipynb landscape_nb/course/*.py landscape_nb/course/*.js)
	landscape-nb run all --out build/course

notebooks: .venv/installed
	python notebooks/build.py

.venv/installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install $(PIP_OPTIONS) --editable '.[course,export,dev]'
	touch $@

# What only tests use. (xarray imports Dask wherever it finds it, and that takes 35 MB of every notebook.)
.venv/tested: .venv/installed
	$(BIN)/python -m pip install $(PIP_OPTIONS) --editable '.[course,export,dev,cluster,third-party]'
	touch $@
