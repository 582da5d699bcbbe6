# `make` lists the targets. Those that run Python first run tools/setup.sh, which sets up what is
# missing and costs nothing once all is there; its head names the variables that it honours.
.DEFAULT_GOAL := help
.PHONY: help setup demo serve lint bench site test test-slow test-pythons torture lock audit clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' Makefile

setup: ## set up .venv (about two minutes the first time)
	@bash tools/setup.sh

demo: setup ## run the demonstration
	.venv/bin/python tools/demo.py

serve: setup ## open a page at http://127.0.0.1:8000/page that shows trained models at work
	.venv/bin/python tools/serve.py --page

bench: setup ## time MILA beside its official order and its rivals (about ten minutes)
	.venv/bin/python tools/benchmark.py --goals --rounds 3 --out work_dirs/bench

lint: setup ## check the code's style, format, types and imports
	.venv/bin/python -m ruff check .
	.venv/bin/python -m ruff format --check .
	.venv/bin/lint-imports
	.venv/bin/python -m mypy

test: lint ## check the code and run the tests
	.venv/bin/python -m pytest -m "not slow" -n auto --maxprocesses 4 --dist worksteal

test-slow: setup ## run the slow tests: whole trainings
# One process for each file: after exporters have run in a process, it can crash at a later signal.
	.venv/bin/python -m pytest -m slow --collect-only -q | grep :: | cut -d: -f1 | sort -u | \
	    xargs -n 1 -P 2 .venv/bin/python -m pytest -m slow -q

test-pythons: ## set up and try every other Python that is found, each in an environment of its own
	@bash tools/test_pythons.sh

torture: setup ## attack the project with thousands of hostile inputs and faults
	.venv/bin/python -m tests.robustness.torture

lock: ## derive requirements.txt from pyproject.toml anew (needs uv)
	@bash tools/lock.sh

audit: ## look for known vulnerabilities of what is locked (needs uv and a network)
	uvx pip-audit --strict --disable-pip --no-deps -r requirements.txt

site: setup ## make the web site of the documents in site/
	.venv/bin/python -m mkdocs build

clean: ## remove .venv and caches; keeps data/ and work_dirs/
	rm -rf .venv .pytest_cache .ruff_cache build *.egg-info
	find . -name __pycache__ -not -path './data/*' -prune -exec rm -rf {} +
