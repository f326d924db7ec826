# make demo: from nothing to a trained GPT that is measured, sampled and looked into.
# make test: everything that CI checks. Waiting threads must not spin: two workers share the cores.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet -c constraints.txt
GPTCLI := $(CURDIR)/$(BIN)/gptcli

.PHONY: demo test test-faults bench lecture readme clean

demo: $(VENV)/installed
	GPTCLI=$(GPTCLI) sh examples/demo.sh

test: $(VENV)/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	OMP_WAIT_POLICY=passive $(BIN)/pytest -n 2

# Kills, full disks, damaged and hostile files, lost processes: each tried many times, as a table.
test-faults: $(VENV)/installed-dev
	OMP_WAIT_POLICY=passive OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults

# Figures, printed and not judged; PEER=path/to/nanoGPT adds the comparison.
bench: $(VENV)/installed-dev
	$(BIN)/python -m tests.benchmarks $(PEER)

# The lecture's chapters in full, and its ladder of models; TEXT=input.txt names Tiny Shakespeare.
TEXT ?= input.txt
CHAPTER := $(BIN)/python examples/lecture
lecture: $(VENV)/installed-dev
	$(CHAPTER)/reading_the_data.py $(TEXT)
	$(CHAPTER)/bigram.py $(TEXT)
	$(CHAPTER)/averaging_the_past.py
	$(CHAPTER)/notes_on_attention.py
	$(CHAPTER)/transformer.py
	$(CHAPTER)/norms_and_dropout.py
	$(CHAPTER)/blocks.py $(TEXT)
	$(CHAPTER)/scaled_up.py $(TEXT)
	$(CHAPTER)/classify.py
	$(CHAPTER)/word_order.py
	$(CHAPTER)/heads_as_batch.py
	$(BIN)/python examples/lecture_ladder.py $(TEXT)

# Writes the commands' help into their guides; a test fails where one is stale.
readme: $(VENV)/installed-dev
	$(BIN)/python tests/readme_help.py

clean:
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gptcli needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(VENV)/bin/python pyproject.toml constraints.txt
	$(INSTALL) -e .
	touch $@

$(VENV)/installed-dev: $(VENV)/bin/python pyproject.toml constraints.txt
	$(INSTALL) -e '.[dev]'
	touch $@ $(VENV)/installed
