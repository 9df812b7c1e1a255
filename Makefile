# Everything happens in a virtual environment of the checkout; a second call of a target installs nothing again.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Python compiles what is imported when it first is, which is less than half of what is installed.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt

PYTEST_ARGS ?=

.PHONY: help quickstart test tests test-fast slow bench audit lint format clean
.DEFAULT_GOAL := help

help:
	@echo "make quickstart   train λ = 0, 0.01, 0.1, 1.0 on packaged digits with figures and report (minutes)"
	@echo "make test         tests, lint and types (minutes); PYTEST_ARGS=… adds arguments of pytest"
	@echo "make tests        the tests alone"
	@echo "make test-fast    the tests that train nothing, draw nothing and start no process (under a minute)"
	@echo "make slow         the long tests"
	@echo "make bench        measure speed beside what we compare with (an hour; make bench BENCH=--list names its parts)"
	@echo "make audit        look the pinned packages up among known vulnerabilities (needs pypi.org or osv.dev)"
	@echo "make lint         lint and types only        make format   put the code in order"
	@echo "make clean        remove the environment and caches; runs/ is left alone"

quickstart: $(VENV)/.installed
	@run_dir=runs/quickstart-$$(date +%Y%m%d-%H%M%S) && \
	$(BIN)/cl sweep --config configs/quickstart.yaml --run-dir $$run_dir && \
	$(BIN)/cl plot $$run_dir && \
	$(BIN)/cl report $$run_dir && \
	echo "look at them in the browser: $(BIN)/cl plot $$run_dir --open; $(BIN)/cl report $$run_dir --open"

test: lint tests

# Three at a time also on two cores: the long tests are processes of their own, which wait for one another now and then.
# A file stays together with what it has trained.
tests: $(VENV)/.installed-dev
	$(BIN)/pytest -q -n 3 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

test-fast: $(VENV)/.installed-dev
	$(BIN)/pytest -q -n 2 --dist loadfile --fast $(PYTEST_ARGS)

slow: $(VENV)/.installed-slow
	$(BIN)/pytest -q -m slow $(PYTEST_ARGS)

bench: $(VENV)/.installed-bench
	$(BIN)/python -m benchmarks $(BENCH)

# In an environment of its own: what it needs must not mix with what is audited.
audit:
	@test -d $(VENV)-audit || $(PYTHON) -m venv $(VENV)-audit
	@$(VENV)-audit/bin/python -m pip install --quiet --disable-pip-version-check 'pip-audit>=2.7'
	$(VENV)-audit/bin/pip-audit --strict --requirement constraints.txt --no-deps --disable-pip

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(VENV)-audit build *.egg-info .pytest_cache .ruff_cache .mypy_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; say which: make PYTHON=python3.12 …" if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml setup.py constraints.txt | $(BIN)/python
	@echo "installing centerloss into $(VENV) (TensorFlow is large: this takes a minute or two) …"
	@$(PIP_INSTALL) --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml setup.py constraints.txt | $(BIN)/python
	@echo "installing centerloss and its test tools into $(VENV) (this takes a minute or two) …"
	@$(PIP_INSTALL) --editable '.[dev]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-slow: pyproject.toml setup.py constraints.txt | $(BIN)/python
	@echo "installing centerloss, its test tools, and the PyTorch losses that ours are held against, into $(VENV) (minutes) …"
	@$(PIP_INSTALL) --editable '.[dev,slow]'
	@touch $@ $(VENV)/.installed $(VENV)/.installed-dev

$(VENV)/.installed-bench: pyproject.toml setup.py constraints.txt | $(BIN)/python
	@echo "installing centerloss, and PyTorch to compare with, into $(VENV) (PyTorch is large: this takes minutes) …"
	@$(PIP_INSTALL) --editable '.[bench]'
	@touch $@
