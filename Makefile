# The desk's own commands. `make run` and `make test` need Python 3.11 and Node 20, nothing else.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
# One test worker per core, but never more than four: each starts processes of its own.
WORKERS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$(( n > 4 ? 4 : n )))
# The journeys in a browser are two halves, each with a desk of its own.
BROWSERS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$(( n > 2 ? 2 : n )))

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Container images like to set it; then each of the desk's processes and test workers compiles every module at its start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

.PHONY: run
run: install ## install, set up and start the desk (PORT=8000, DESK_DATA=var)
	@exec $(BIN)/python -m kalshi_desk.supervisor

.PHONY: test
test: install-dev ## install and pass the tests
	npm test --silent
	$(BIN)/pytest -q -n $(WORKERS) --dist loadgroup -m "not browser and not long" --ignore tests/browser $(PYTEST)
	$(BIN)/pytest -q -n $(BROWSERS) --dist loadgroup -m "browser and not long" tests/browser

.PHONY: test-long
test-long: install-dev ## the tests that take many seconds each: kills, recordings, whole days, loaded pages
	$(BIN)/pytest -q -n $(WORKERS) --dist loadgroup -m "long and not browser and not drill" --ignore tests/browser $(PYTEST)
	$(BIN)/pytest -q -n $(BROWSERS) --dist loadgroup -m "long and browser" tests/browser

.PHONY: drills
drills: install-dev ## the outage drills of FIX at full size: 10,000 execution reports each by resend and by drop copy
	$(BIN)/pytest -q -n $(WORKERS) -m drill $(PYTEST)

.PHONY: test-sql
test-sql: install-dev ## the tests that touch SQL, on the database that DATABASE_URL names
	$(BIN)/pytest -q -n $(WORKERS) --dist loadgroup -m "not browser and not process and not recorded and not long" \
		--ignore tests/paper --ignore tests/core --ignore tests/exchange/wire $(PYTEST)

.PHONY: contract
contract: install-dev ## Schemathesis against the paper exchange, for minutes (CONTRACT="--examples 200 --seed 7")
	$(BIN)/python -m tests.paper.server.contract.fuzzing $(CONTRACT)

.PHONY: fuzz-fix
fuzz-fix: install-dev ## any bytes into the FIX codec, messages and session; by atheris where it is installed (FUZZ="--what codec")
	$(BIN)/python -m tests.fix.fuzz $(FUZZ)

.PHONY: faults
faults: install-dev ## 2,000 histories of commands, faults and deaths: exchange truth against the ledger (FAULTS="--replay SEED")
	$(BIN)/python -m tests.faults $(FAULTS)
	$(BIN)/python -m tests.faults.storm --seconds 60

.PHONY: soak
soak: install-dev ## half an hour of kill -9 of the desk's processes under orders (SOAK="--seconds 600 --seed 7")
	$(BIN)/python -m tests.faults.storm --seconds 1800 $(SOAK)

.PHONY: soak-rfq
soak-rfq: install-dev ## 2,000 accepted quotes at windows of 3 s under kills and lost answers (SOAK="--accepts 200 --seed 7")
	$(BIN)/python -m tests.faults.rfq_soak $(SOAK)

.PHONY: security
security: install-dev ## the tests that docs/security.md names as evidence of its 50 checks
	$(BIN)/pytest -q -n $(WORKERS) --dist loadgroup tests/security $$($(BIN)/python -m tests.security) $(PYTEST)

.PHONY: check
check: install-dev ## format, lint, types, imports, migrations, templates, lock files, components, advisories
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	npm run --silent check
	$(BIN)/pytest -q tests/architecture/test_imports.py
	DJANGO_SETTINGS_MODULE=kalshi_desk.settings.test $(BIN)/python -W error manage.py makemigrations --check --dry-run
	DJANGO_SETTINGS_MODULE=kalshi_desk.settings.test $(BIN)/python -W error manage.py check --fail-level WARNING
	$(BIN)/djlint templates --lint --quiet
	$(BIN)/python tools/check_project.py
	$(BIN)/python tools/sbom.py --check
	$(BIN)/python tools/advisories.py

.PHONY: sbom
sbom: install-dev ## write sbom.cdx.json, the list of components (CycloneDX), from the lock files
	$(BIN)/python tools/sbom.py

.PHONY: format
format: install-dev ## put every file into its format
	$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .
	npx prettier --log-level warn --write static/js static/css tests/js

.PHONY: lock
lock: install-dev ## renew the hash-pinned requirement files
	$(BIN)/pip install --quiet uv
	for name in base dev; do $(BIN)/uv pip compile --quiet --python-version 3.11 --universal --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-header requirements/$$name.in -o requirements/$$name.txt; done

.PHONY: install
install: $(VENV)/.base node_modules/.stamp

.PHONY: install-dev
install-dev: $(VENV)/.dev node_modules/.stamp

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: install it, or say make PYTHON=/path/to/python3.11"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Say make PYTHON=/path/to/python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: requirements/base.txt | $(BIN)/python
	$(BIN)/pip install --quiet --require-hashes --only-binary :all: -r requirements/base.txt
	@touch $@

$(VENV)/.dev: requirements/dev.txt | $(BIN)/python
	$(BIN)/pip install --quiet --require-hashes --only-binary :all: -r requirements/dev.txt
	@touch $@ $(VENV)/.base

node_modules/.stamp: package-lock.json
	@command -v npm >/dev/null || { echo "Node 20 with npm is needed (https://nodejs.org), then run this again."; exit 2; }
	npm ci --silent --no-progress
	@touch $@
