# Everything starts from Python 3.11.5 to 3.13 and make alone: each target first builds .venv from requirements.lock, every
# wheel by its SHA-256. Another interpreter: make PYTHON=python3.12 demo
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
# Waiting OpenMP threads spin for a moment, then sleep. Images/s of a small network on two cores, calm and contended:
# always spinning 1,100 and 270, never spinning 630 and 530, this 910 and 430.
export GOMP_SPINCOUNT ?= 10000

.PHONY: demo test lab app book bench lint lock audit fuzz clean

demo: $(STAMP) ## clean against unlearnable, on this machine, in minutes
	$(BIN)/workbench demo

test: $(STAMP) ## all tests; no network, no data, no GPU needed
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal

lab: $(STAMP) ## JupyterLab on the notebooks; its options: make lab ARGS="--no-browser --port=8889"
	$(BIN)/workbench lab -- $(ARGS)

app: $(STAMP) ## the application for people's own photos, on this machine only
	$(BIN)/workbench app

book: $(STAMP) ## docs/ as a site that loads nothing from elsewhere, in runs/book/html; lessons run first: make book ARGS="--run course"
	$(BIN)/python docs/book/build.py $(ARGS)

bench: $(STAMP) ## the search schedules against each other in one run
	$(BIN)/python experiments/bench/schedules.py

lint: $(STAMP) ## format, lint, types, notebooks without outputs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/nbstripout --verify $(NBSTRIPOUT_KEYS) notebooks/*.ipynb notebooks/*/*.ipynb docs/answers/*.ipynb

NBSTRIPOUT_KEYS := --extra-keys "metadata.papermill cell.metadata.papermill metadata.language_info.version"

$(STAMP): pyproject.toml requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11, 5) <= sys.version_info[:3] < (3, 14) else "Python 3.11.5 to 3.13 is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing into .venv: some minutes, 6.5 GiB on Linux; nothing is said meanwhile"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

# An environment of their own: pip-audit brings rich, which Lightning would take for its progress bar.
TOOLS := .venv/tools
COMPILE := $(TOOLS)/bin/uv pip compile --quiet --universal --python-version 3.11.5 --no-python-downloads --generate-hashes --no-header --no-annotate $(UPGRADE)

lock: $(TOOLS)/.installed ## pin what pyproject.toml asks for, with hashes; UPGRADE=--upgrade: the newest
	echo 'setuptools>=77' | $(COMPILE) --all-extras --output-file requirements.lock pyproject.toml -
	printf 'uv\npip-audit\n' | $(COMPILE) --output-file .ci/tools.lock -

audit: $(TOOLS)/.installed ## known vulnerabilities of the locked packages; needs a network
	$(TOOLS)/bin/python .ci/audit.py requirements.lock .ci/tools.lock

$(TOOLS)/.installed: .ci/tools.lock
	test -x $(TOOLS)/bin/python || $(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes --requirement .ci/tools.lock
	touch $@

fuzz: $(STAMP) ## thousands of damaged files for every reader
	$(BIN)/python experiments/bench/fuzz.py --inputs 10000

clean: ## remove the environment; runs/ stays
	rm -rf .venv
