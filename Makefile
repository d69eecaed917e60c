# Needs python3 (3.11 or newer) with venv, and make; everything else goes into .venv, made on first use.
#
#   make demo                          the whole stack with faults, then the ledger compared
#   make demo ARGS="--seconds 20"      options for the command; `make demo -- --seconds 20` works, too
#   make storm                         twenty random storms of a minute, then ten promises checked
#   make simulate ARGS="--seed 17"     thousands of seeds in one process; or one again, told in full
#   make test  test-long  check  bench  coverage  format  venv  clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ARGS ?=
# Tests start hundreds of processes, each of which would compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE
# Tests wait more than they compute: for acks that never come, leases that end, servers that start.
TESTS_AT_ONCE ?= $(shell $(PYTHON) -c 'import os; print(3 * (os.cpu_count() or 1))')

# What stands after a first goal that takes options belongs to that goal: make demo -- --orders 500
FIRST := $(firstword $(MAKECMDGOALS))
ifneq ($(filter demo simulate storm bench test test-long coverage,$(FIRST)),)
  REST := $(wordlist 2,$(words $(MAKECMDGOALS)),$(MAKECMDGOALS))
  ifneq ($(filter -%,$(REST)),)
    override ARGS += $(REST)
    $(eval .PHONY: $(REST))
    $(eval $(REST):;@:)
  endif
endif

.PHONY: demo simulate storm test test-long check bench coverage format venv clean

demo: $(STAMP)
	@$(BIN)/order-router demo $(ARGS)

# Twenty seeds; `make storm -- --seed 7 --seeds 1` runs one of them.
storm: $(STAMP)
	@$(BIN)/order-router storm --seeds 20 $(ARGS)

# One process, a clock that jumps: thousands of seeds; `make simulate -- --seed 17` tells one again.
simulate: $(STAMP)
	@$(BIN)/python -m simulation $(ARGS)

test: $(STAMP)
	$(BIN)/python -m pytest -n $(TESTS_AT_ONCE) --dist worksteal $(ARGS)

# What takes minutes a test: every crash point with every action, and the like.
test-long: $(STAMP)
	$(BIN)/python -m pytest -n $(TESTS_AT_ONCE) --dist worksteal --timeout 3600 -m long $(ARGS)

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml

# Two runs that together run each test once: the tests beside the pure modules, then the rest.
OWN_TESTS := tests/router tests/workers tests/venues tests/strategy_sdk
OTHER_TESTS := $(filter-out $(OWN_TESTS),$(patsubst %/__init__.py,%,$(wildcard tests/*/__init__.py)))
COVER := $(BIN)/python -m pytest -n $(TESTS_AT_ONCE) --dist worksteal --timeout 300 -q --cov --cov-report=
coverage: $(STAMP)
	$(COVER) $(OWN_TESTS) $(ARGS)
	$(BIN)/coverage json -q -o .coverage-own.json
	$(COVER) --cov-append $(OTHER_TESTS) tests/test_*.py $(ARGS)
	$(BIN)/coverage json -q -o .coverage-all.json
	$(BIN)/coverage report --skip-covered --show-missing
	@$(BIN)/python -m tests.coverage_gates .coverage-own.json .coverage-all.json

bench: $(STAMP)
	@$(BIN)/order-router bench $(ARGS)

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

venv: $(STAMP)

# Installed again only when what is to be installed changed.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "make: $(PYTHON) is older than 3.11; give another with PYTHON=..." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "make: no venv; on Debian: apt-get install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  -c constraints.txt -e '.[test,check]'
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
