# Each target needs nothing but make and Python 3.11 or newer: the first one that runs makes .venv (see .ci/setup).
# A target's own options go into ARGS: make test ARGS="tests/cli -x"

MAKEFLAGS += --no-print-directory
BIN := .venv/bin
READY := .venv/.ready
PYTEST := $(BIN)/python -m pytest -q
QUICK := not (cluster or scenarios or bench or crash)
SIDE_BY_SIDE := -n 4 --dist worksteal # they mostly wait: for pods, proxies, time-outs
WHOLE := tests/contract tests/trouble tests/load # every fault and whole runs on the sandbox, and Locust itself
SHORT := payments-dark and (fixed or no-timeout) # the pair that the README tells of
PEERS := build/peers
UNSET := env -u PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test test-scenarios test-cluster test-crash test-crash-full bench lint format lock schema wheel clean

help:
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 18

setup: $(READY) ## make .venv (done by every other target when needed)
	@:

$(READY): requirements.lock pyproject.toml .ci/setup
	@$(UNSET) .ci/setup
	@touch $@

demo: $(READY) ## a shop breaks, is judged, is fixed: see it all once
	@$(BIN)/gameday demo $(ARGS)

ifdef ARGS
test: $(READY)
	@$(PYTEST) -m "$(QUICK)" $(ARGS)
else
test: $(READY) ## the unit tests, the contract of every fault on the sandbox, and one pair of scenarios
	@echo "unit tests"
	@$(PYTEST) $(SIDE_BY_SIDE) -m "$(QUICK)" $(WHOLE:%=--ignore %)
	@echo "Locust itself; on the sandbox, every fault lands, is felt, and leaves nothing"
	@$(PYTEST) $(SIDE_BY_SIDE) -m "$(QUICK)" $(WHOLE)
	@echo "a scenario: the weak shop breaches, the fixed one holds"
	@$(PYTEST) -m scenarios tests/scenarios -k "$(strip $(SHORT))"
endif

test-scenarios: $(READY) ## every scenario on the sandbox: the weak shop breaches, the fixed one holds
	@$(PYTEST) -m scenarios $(ARGS)

test-cluster: $(READY) ## on a real cluster: the one that KUBECONFIG names, else a kind cluster of its own
	@.ci/on-cluster $(PYTEST) -m cluster $(ARGS)

test-crash: $(READY) ## kill runners at every point and see that nothing is left behind
	@$(PYTEST) -n 2 --dist worksteal -m crash $(ARGS)

test-crash-full: $(READY) ## all of it, for hours; what is done is kept in build/crash, and another call goes on
	@$(BIN)/python tests/crash/full.py $(ARGS)

bench: $(READY) $(PEERS)/.ready ## benchmarks, side by side with pinned peers
	@$(UNSET) GAMEDAY_PEERS=$(PEERS) $(PYTEST) -m bench -s --timeout 1800 $(ARGS)

$(PEERS)/.ready: tests/bench/peers.txt
	@rm -rf $(PEERS)
	@$(BIN)/python -m venv $(PEERS)
	@$(UNSET) $(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

lint: $(READY) ## ruff, mypy, import layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(READY) ## let ruff format and sort
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

schema: $(READY) ## write the JSON Schemas anew after a change of the models
	@$(BIN)/python -m chaos.cli.schema

wheel: $(READY) ## build the wheel into dist/
	@rm -rf dist
	@$(BIN)/python -m hatchling build -t wheel -d dist

lock: ## resolve the dependencies anew into requirements.lock
	@command -v uv >/dev/null || { echo "make lock needs uv: pip install uv" >&2; exit 5; }
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --extra dev --extra build $(ARGS) pyproject.toml -o requirements.lock

clean: ## remove what the targets made
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
