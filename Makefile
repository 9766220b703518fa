# Every verb makes the environment that it needs. `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3.11
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
RIVALS_PIP := .venv-rivals/bin/python -m pip --disable-pip-version-check --quiet
FLINK_PIP := .venv-flink/bin/python -m pip --disable-pip-version-check --quiet
# Exit code 99 says that there was nothing to do, which is well.
ACCEPT := || { code=$$?; [ $$code -eq 99 ] || exit $$code; }

.PHONY: help run run-streaming engines scheduler prism test check prove bench docs clean
.DEFAULT_GOAL := help

help: ## list the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

.venv/core: requirements/core.lock requirements/build.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Guiyi needs Python 3.11: install it, or call make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv
	$(PIP) install --require-hashes -r requirements/build.lock
	$(PIP) install --require-hashes -r requirements/core.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev: .venv/core requirements/dev.lock
	$(PIP) install --require-hashes -r requirements/dev.lock
	@touch $@

.venv-rivals/done: requirements/rivals.lock requirements/build.lock
	@command -v $(PYTHON) >/dev/null || { echo "The rivals need Python 3.11: install it, or call make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv-rivals
	$(RIVALS_PIP) install --require-hashes -r requirements/build.lock
	$(RIVALS_PIP) install --require-hashes -r requirements/rivals.lock
	@touch $@

.venv-flink/done: requirements/flink.lock requirements/build.lock
	@command -v $(PYTHON) >/dev/null || { echo "Flink needs Python 3.11: install it, or call make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv-flink
	$(FLINK_PIP) install --require-hashes -r requirements/build.lock
	$(FLINK_PIP) install --require-hashes -r requirements/flink.lock
	@touch $@

.venv-scheduler/done: requirements/scheduler.lock requirements/build.lock
	@command -v $(PYTHON) >/dev/null || { echo "Dagster needs Python 3.11: install it, or call make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv-scheduler
	.venv-scheduler/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/build.lock
	.venv-scheduler/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/scheduler.lock
	@touch $@

.engines/prism/prism:
	@command -v go >/dev/null || { echo "Prism needs Go 1.25 or later: install it"; exit 1; }
	GOBIN=$(CURDIR)/.engines/prism go install github.com/apache/beam/sdks/v2/go/cmd/prism@v2.77.0

scheduler: .venv-scheduler/done ## Dagster in an environment of its own, for the test of docs/schedulers.md

prism: .engines/prism/prism ## Beam's portable runner, for the test that a pipeline runs on it

run: .venv/core ## make the sample world and run the year and its last seven days; ends with a report
	@$(BIN)/guiyi generate $(ACCEPT)
	@$(BIN)/guiyi run $(ACCEPT)

engines: .venv/dev .venv-flink/done ## what Kafka, Spark, Beam and Flink need: environments and jars
	@$(BIN)/guiyi engines install $(ACCEPT)

run-streaming: engines ## the sample world over Kafka and Flink, live; ends with the tables of the batch run
	@$(BIN)/guiyi generate $(ACCEPT)
	@$(BIN)/guiyi run $(ACCEPT)
	@rm -rf data-streaming
	@$(BIN)/guiyi stream run --from data --data data-streaming

check: .venv/dev ## the fast part: ruff, mypy, import contracts, tidy and unit tests
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow and not prove"

test: .venv/dev ## everything that a change must pass
	@$(BIN)/guiyi engines install kafka $(ACCEPT) || echo "no jars of Kafka: the tests on a broker are passed over"
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 2 --dist loadfile --durations=20 -m "not prove"

prove: .venv/dev ## the long proofs, whose results are committed in docs/proofs.md
	$(BIN)/python -m tests.proofs
	$(MAKE) bench

bench: .venv/dev .venv-rivals/done ## the benchmarks, each beside its rival
	$(BIN)/python -m benchmarks

docs: .venv/dev ## write the generated pages: commands, definitions, tables, rules
	$(BIN)/python -m jobs.pages

clean: ## remove the environment and the sample data
	rm -rf .venv .venv-rivals .venv-flink .venv-scheduler .engines data build *.egg-info
