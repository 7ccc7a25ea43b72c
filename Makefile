# Two commands do everything: `make run` and `make test`. Nothing but Python >= 3.11 is needed.

# The newest Python that every pinned package supports and that runs; `make run PYTHON=/path/to/python` overrides.
NEW_ENOUGH := -c 'import sys; sys.exit(sys.version_info < (3, 11))'
FIND_PYTHON = $(shell for p in python3.13 python3.12 python3.11 python3; do $$p $(NEW_ENOUGH) 2>/dev/null && command -v $$p && break; done)
ifndef PYTHON
PYTHON = $(eval PYTHON := $(FIND_PYTHON))$(PYTHON)# looked for once, and only when it is needed
endif
# More options for pip, such as an index that holds a smaller build of torch.
PIP_ARGS ?=
# More options for pytest, such as `-k csv`.
PYTEST_ARGS ?=
# Which recipe `make claims` checks.
RECIPE ?= quick
# Which modules are mutated, and how many changes are tried of each, such as `atomic --sample 50`.
MUTANTS ?=

VENV := .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check --quiet
STAMP := $(VENV)/installed
DEV_STAMP := $(VENV)/installed-dev
TORCH := $(shell sed -n '/^torch==/p' constraints.txt)

# One thread a process: the tests run in two, training takes one thread a member anyway, and threads of numba that wait for
# each other on cores that have other work spin there for seconds.
PYTEST := OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n 2 $(PYTEST_ARGS)

.DEFAULT_GOAL := help
.PHONY: help setup setup-locked run test test-all claims mutants lint docs lock audit clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv with pinned versions of all that tenfold uses

setup-locked: ## make .venv with everything from requirements.lock: a file whose hash is not listed there is not installed
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install $(PIP_ARGS) --require-hashes -r requirements.lock
	@$(PIP) install $(PIP_ARGS) --no-deps -e .
	@touch $(STAMP) $(DEV_STAMP)

run: setup ## train the default recipe on MNIST: report, submission and model
	@$(VENV)/bin/tenfold run
	@echo "From here on: $(VENV)/bin/tenfold --help; or make its commands known to this shell: . $(VENV)/bin/activate; tenfold --help"

test: lint ## format, lint, types, and all tests but the slow ones
	$(PYTEST) -m "not slow"

test-all: lint ## the slow tests too
	$(PYTEST)

claims: setup ## train RECIPE and compare with its [expected]; TRAIN=train.csv for figures of held-out rows
	$(VENV)/bin/python lab/benchmarks/claims.py $(RECIPE) $(if $(TRAIN),--train $(TRAIN)) $(if $(TEST),--test $(TEST))

mutants: $(DEV_STAMP) ## change the code that guards files, tables and models at random places; how many changes the tests notice
	@$(PIP) install $(PIP_ARGS) mutmut==3.8.1
	$(VENV)/bin/python tests/mutants.py $(MUTANTS)

lint: $(DEV_STAMP) ## format, lint and types only
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

docs: $(DEV_STAMP) ## write the generated pages anew, and the site from all pages: site/index.html
	$(VENV)/bin/python docs/generate.py
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --quiet

lock: $(DEV_STAMP) ## write requirements.lock anew: constraints.txt with the hash of every file that a package index has of it
	@$(PIP) install $(PIP_ARGS) uv
	$(VENV)/bin/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11.5 -c constraints.txt \
	  --generate-hashes --no-annotate --no-header --quiet -o requirements.lock

# --strict: an index that knows nothing of a part must not pass for one that knows of no hole in it.
audit: $(DEV_STAMP) ## write a list of what requirements.lock pins, build/sbom.json, and ask the index for known holes in it
	@$(PIP) install $(PIP_ARGS) pip-audit cyclonedx-bom
	@mkdir -p build
	$(VENV)/bin/cyclonedx-py requirements requirements.lock --output-format JSON --output-file build/sbom.json
	$(VENV)/bin/pip-audit --strict --disable-pip --require-hashes -r requirements.lock

clean: ## remove .venv and every cache; runs stay
	rm -rf $(VENV) build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src tests docs -name __pycache__ -type d -prune -exec rm -rf {} +

# torch goes first and alone: the index then offers its newest matching build before anything else asks for one.
$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "tenfold needs Python 3.11 or newer, and none was found; install one, or run: make $(MAKECMDGOALS) PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) $(NEW_ENOUGH) || { echo "tenfold needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) -V 2>&1); run: make $(MAKECMDGOALS) PYTHON=/path/to/python"; exit 1; }
	@test -x $(VENV)/bin/python || { echo "Making $(VENV) with $$($(PYTHON) -V) ..."; $(PYTHON) -m venv $(VENV); } || { rm -rf $(VENV); echo "python -m venv failed; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Installing $(TORCH) (about 200 MB) ..."
	@$(PIP) install $(PIP_ARGS) -c constraints.txt $(TORCH)
	@echo "Installing tenfold and the rest ..."
	@$(PIP) install $(PIP_ARGS) -c constraints.txt -e '.[train,explore,tune,serve]'
	@touch $@

# Only tests need the rest, so `make run` does not wait for it.
$(DEV_STAMP): $(STAMP)
	@echo "Installing what the tests need ..."
	@$(PIP) install $(PIP_ARGS) -c constraints.txt -e '.[all,docs,dev]'
	@touch $@
