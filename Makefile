# Every target is enough on a fresh machine with make and Python >= 3.11: it makes .venv and
# installs what it needs. The lists of what is needed stand in pyproject.toml, nowhere else.

VENV := .venv
BIN := $(VENV)/bin
# The first Python that is new enough; PYTHON=/path/to/python overrides it.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PYTEST_ARGS ?= -n auto

.DEFAULT_GOAL := help
.PHONY: help demo test test-python bench faults docs check dist curl clean

help:  ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

demo: $(VENV)/.made  ## a small client against the mock server, and a failing expectation
	@$(BIN)/python examples/demo.py

test: $(VENV)/.test curl  ## all tests
	$(BIN)/python -m pytest $(PYTEST_ARGS)

# The environment of such a run stands beside .venv and is kept.
OTHER = .venv-$(shell $(PYTHON) -c 'import platform; print(platform.python_version())')$(AIOHTTP:%=-aiohttp-%)
test-python:  ## all tests on another one: PYTHON=/path/to/python, AIOHTTP=3.13.3, or both
	$(MAKE) --no-print-directory $(OTHER)/.test VENV=$(OTHER)
	$(if $(AIOHTTP),$(OTHER)/bin/python -m pip --quiet install aiohttp==$(AIOHTTP))
	$(MAKE) --no-print-directory test VENV=$(OTHER)

bench: $(VENV)/.test  ## the speed beside that of the peers, in one run
	$(BIN)/python -m bench $(BENCH_ARGS)

faults: $(VENV)/.test curl  ## docs/faults.md: what five clients make of every fault
	$(BIN)/python -m bench.faults

docs: $(VENV)/.docs  ## the site, strictly: a dead link or a missing docstring fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

check: $(VENV)/.test $(VENV)/.lint  ## format, lint, types, layers, links, changelog
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/docs/test_links.py
	$(BIN)/towncrier build --draft --version next >/dev/null

dist: $(VENV)/.build  ## the wheel and the source distribution
	rm -rf dist
	$(BIN)/python -m build --quiet

# The tests drive curl too. A machine that is not ours gets nothing installed behind its back.
curl:
	@command -v curl >/dev/null || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; \
		then apt-get update -qq && apt-get install -y -qq curl; \
		else echo "curl is missing, its tests will be skipped: sudo apt-get install curl"; \
			test -z "$$CI"; fi; }

clean:  ## remove everything that is made here
	rm -rf $(VENV) .venv-* dist site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

# Stamps: a list is installed again when pyproject.toml has changed, and only then.
# pip reads dependency groups (PEP 735) from 25.1 on.
$(VENV)/.made: pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
		echo "python cannot make a virtualenv; on Debian: apt-get install python3-venv"; exit 1; }
	$(PIP) install --upgrade 'pip>=25.1'
	$(PIP) install --editable '.[all]'
	@touch $@

$(VENV)/.%: $(VENV)/.made
	$(PIP) install --group $*
	@touch $@
