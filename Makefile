# Errand. `make` tells what there is to do.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
JOBS ?= 3
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help setup web web-if-possible sandbox-image demo run images test test-fast test-containers check docs pictures format bench clean lock

help: ## What there is to do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' Makefile

# A company's proxy signs with a CA that the system trusts: pip and uv are told to trust it too.
SYSTEM_CA = ca=$$($(BIN)/python -c 'import ssl; print(ssl.get_default_verify_paths().cafile or "")')
PIP_INSTALL = $(BIN)/python -m pip install --quiet --require-hashes --only-binary :all: -r requirements-uv.txt

setup: $(READY) ## Make .venv and install everything, hash-locked

$(READY): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else "Errand needs Python 3.11 or newer; this is %d.%d. Install a newer one and say: make PYTHON=python3.12" % v[:2])'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(SYSTEM_CA); PIP_CERT="$${PIP_CERT:-$$ca}" $(PIP_INSTALL) 2>/dev/null || $(PIP_INSTALL)
	@$(SYSTEM_CA); env $${ca:+UV_SYSTEM_CERTS=$${UV_SYSTEM_CERTS:-1}} $(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements-uv.txt requirements-dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# Built again when a file of it is newer; its packages are installed again when their list is.
WEB := clients/web
WEB_SOURCES := $(shell find $(WEB) -type f -not -path '*/node_modules/*' -not -path '$(WEB)/dist/*' -not -path '$(WEB)/build/*')
WEB_PACKAGES := $(WEB)/node_modules/.installed
WEB_BUILT := $(WEB)/dist/.built

web: $(WEB_BUILT) ## Build the web app, which the gateway serves at / (needs Node.js with npm)

$(WEB_PACKAGES): $(WEB)/package.json $(WEB)/package-lock.json
	@command -v npm >/dev/null || { echo "The web app is built with npm, and there is none on PATH. Install Node.js 20.19 or newer, then say: make web" >&2; exit 1; }
	@cd $(WEB) && npm ci --loglevel=error
	@touch $@

$(WEB_BUILT): $(WEB_PACKAGES) $(WEB_SOURCES)
	@cd $(WEB) && npm run --silent build
	@touch $@

# What runs the whole stack runs without the web app too.
web-if-possible:
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory web || echo "The web app was not built; the gateway serves everything else. Try again with: make web" >&2; \
	else echo "There is no npm here, so the web app is not built: the gateway serves everything else. With Node.js 20.19 or newer, say: make web" >&2; fi

demo: $(READY) web-if-possible ## One real task, end to end (KILL=worker kills the worker on the way)
	@$(BIN)/python -m infra.local demo $(if $(KILL),--kill $(KILL))

# Docker is the sandbox wherever an engine answers; SANDBOX=bubblewrap does without.
sandbox-image:
	@sh infra/deploy/sandbox_image.sh

images: ## Build the images of the sandbox and of a task's machine (needs Docker; DOCKER_BUILD_OPTIONS)
	@docker build $(DOCKER_BUILD_OPTIONS) --tag errand-sandbox:local - <infra/deploy/sandbox.Dockerfile
	@docker build $(DOCKER_BUILD_OPTIONS) --tag errand-worker:local --file infra/deploy/worker.Dockerfile .

run: $(READY) web-if-possible sandbox-image ## Everything up, until Ctrl-C; prints the phone's address (HOST=0.0.0.0 lets phones in, PORT=n)
	@$(BIN)/python -m infra.local run $(if $(HOST),--host $(HOST)) $(if $(PORT),--port $(PORT))

# Every program of the suite would translate all its modules again if none might keep them.
test: export PYTHONDONTWRITEBYTECODE :=
# tests/conftest.py puts the longest files first; xdist alone would put those with most tests first.
test: $(READY) ## The whole suite, on real servers (ONLY=path runs a part, JOBS=n at once)
	@$(BIN)/python -m pytest $(or $(ONLY),--numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder)

test-fast: export PYTHONDONTWRITEBYTECODE :=
# What is tried at random is tried less often than in the whole suite.
test-fast: $(READY) ## Every test that needs no server (ONLY=path runs a part)
	@SCHEDULES=400 EVENTS=120 $(BIN)/python -m pytest $(ONLY) -m "not server" --numprocesses 2 --dist loadfile

test-containers: export PYTHONDONTWRITEBYTECODE :=
test-containers: $(READY) ## The contract and journey suites, on servers in containers (ONLY=path runs a part)
	@TEST_CONTAINERS=1 $(BIN)/python -m pytest -rs $(or $(ONLY),tests/contract tests/journeys)

check: $(READY) ## What CI runs before the suite: format, lint, types, architecture
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest tests/architecture

docs: $(READY) ## Write what is made from the code: references, docs/asyncapi.json, docs/schemas/, the golden corpus
	@$(BIN)/python -m docs
	@$(BIN)/python -m tests.events.specimens

pictures: $(READY) web ## Take the pictures of docs/guide/phone.md again, from a real run (needs Chromium)
	@$(BIN)/python -m tests.clients.web.pictures $(FOLDER)

format: $(READY) ## Put the code in order
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(READY) ## The benchmarks (NAME=start runs one); the last line is JSON
	@$(BIN)/python -m tests.bench $(NAME)

clean: ## Forget the stack's data and the environment
	rm -rf .errand .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis errand.egg-info clients/web/node_modules clients/web/dist clients/web/build

COMPILE = $(BIN)/uv pip compile --quiet --no-emit-index-url --no-annotate --no-header --universal --python-version 3.11 --generate-hashes

lock: ## Write the lock files again: requirements.txt for production, requirements-dev.txt for everything
	@$(COMPILE) --all-extras pyproject.toml -o requirements-dev.txt
	@$(COMPILE) --constraint requirements-dev.txt pyproject.toml -o requirements.txt
	@printf 'uv\n' | $(COMPILE) - -o requirements-uv.txt
