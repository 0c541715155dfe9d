# `make test` and `make demo` need make, bash and Python 3.11 or newer; the rest is installed into this folder.
.DEFAULT_GOAL := help
.PHONY: help test test-thorough lint types docs demo bench bench-smoke prove prove-short clean

TOX := .ci/tox

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: ## run the tests: over every database, on every Python found, and with the lowest versions of the dependencies
	@.ci/test

test-thorough: ## run what takes long too, over every database
	@$(TOX) run -e every-database -- --thorough

lint: ## check style
	@$(TOX) run -e lint

types: ## check types
	@$(TOX) run -e types

docs: ## run the examples in the documentation
	@$(TOX) run -e docs

bench-smoke: ## call every benchmark once, and count what calls cost
	@$(TOX) run -e bench-smoke

bench: COMMAND = run
bench: ## measure the stores beside their peers, or COMMAND=http, cost, cleanup; ARGS="..." are options of that
	@$(TOX) run -e bench -- $(COMMAND) $(ARGS)

prove: ## try what the stores promise, for the better part of an hour; ARGS="--only crashes --backend sqlite" for a part
	@$(TOX) run -e prove -- $(ARGS)

prove-short: ## try what the stores promise, for some minutes
	@$(TOX) run -e prove -- --short $(ARGS)

demo: .venv-demo/complete ## serve the example application
	@exec .venv-demo/bin/python -m examples.demo

.venv-demo/complete: pyproject.toml
	@$(TOX) devenv -e demo .venv-demo
	@touch $@

clean: ## remove environments, caches and reports
	rm -rf .venv .venv-* .tox build dist htmlcov .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
