# `make demo` and `make test` set up everything they need in .venv; no other step comes before them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= out/demo

.PHONY: demo test test-slow fuzz mutants coverage bench lint pictures docs tutorial setup tools clean

demo: $(VENV)/.base
	$(BIN)/hwsim run --out $(OUT)
	$(BIN)/hwsim compare lenet5_digits/baseline lenet5_digits/sparse
	@echo "The report: $(OUT)/report.html"

test: $(VENV)/.dev tools
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -m "not slow" --numprocesses auto --dist loadfile

test-slow: $(VENV)/.dev tools
	$(BIN)/python -m pytest -m slow

# Tries to break the readers for so many seconds (make fuzz SECONDS=3600), or some of them (TARGETS="toml traces");
# what does is kept in build/fuzz, to be mended and then moved to tests/fuzz/corpus.
SECONDS ?= 120
fuzz: $(VENV)/.dev
	PYTHONPATH=tests $(BIN)/python -m fuzz --seconds $(SECONDS) $(TARGETS)

# Breaks the code on purpose, in a seeded sample of places; OPTIONS="--all" or "--seed 7 --sample 200".
mutants: $(VENV)/.dev
	$(BIN)/python tests/mutants.py $(OPTIONS)

# Loops of the engine run uncompiled, or their lines would not count as covered; so properties have ten examples.
COVERED := machine export report sweep quantize
coverage: $(VENV)/.dev
	PYTHONPATH=tests $(BIN)/python -m pytest -q -m "not slow" -p uncompiled -p few_examples --cov-report=term \
	  $(COVERED:%=--cov=hwsim.%) tests/machine tests/export tests/report tests/sweep tests/test_quantize.py

bench: $(VENV)/.dev
	$(BIN)/python -m pytest benchmarks --benchmark-enable --benchmark-only

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/mypy

# The pictures of the README and of docs/, from the shipped trace and from the RTL.
pictures: $(VENV)/.dev
	$(BIN)/hwsim run --quiet --out build/pictures
	mkdir -p docs/images
	cp build/pictures/speedup.png docs/images/lenet5_speedup.png
	cp build/pictures/breakdown.png docs/images/lenet5_breakdown.png
	$(BIN)/hwsim run --quiet --timeline conv2 --out build/pictures
	cp build/pictures/timeline.png docs/images/lenet5_conv2_timeline.png
	$(BIN)/python docs/pictures/rtl_timing.py
	$(BIN)/python docs/pictures/registers.py
	$(BIN)/python docs/pictures/reproducing.py
	$(BIN)/python docs/pictures/imports.py

# The variable silences an advertisement that mkdocs-material prints. (--quiet would silence --strict.)
docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "The site: build/site/index.html"

# Runs the notebook anew and keeps what it prints; a test compares.
tutorial: $(VENV)/.dev
	$(BIN)/python docs/site/execute.py docs/tutorial.ipynb

setup: $(VENV)/.dev

# A stamp is newer than pyproject.toml once its packages are in.
$(VENV)/.base: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e '.[dev,rtl,dse,train,onnx,docs]'
	@touch $@ $(VENV)/.base

# Debian ships python3 without ensurepip; python3-venv brings it.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "hwsim needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq python3-venv; } \
	  || { echo "python3-venv is missing: run 'sudo apt-get install python3-venv', then make again"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# Icarus Verilog runs the RTL benches, g++ compiles the RTL for verify, Chromium opens the pages.
tools:
	@for tool in iverilog g++ chromium; do \
	  command -v $$tool >/dev/null \
	    || { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq $$tool; } \
	    || { echo "$$tool is missing: run 'sudo apt-get install $$tool', then make again"; exit 1; }; \
	done

clean:
	rm -rf $(VENV) out build .pytest_cache .ruff_cache .mypy_cache .hypothesis
