# Every target does its own set-up in .venv; paths are relative, so a folder with spaces is fine.
PYTHON ?= python3
RUN = .venv/bin/python
export MPLBACKEND = agg

.PHONY: demo test test-slow lint clean

.venv/installed: setup.py pyproject.toml
	$(PYTHON) -m venv .venv
	$(RUN) -m pip install --quiet --upgrade pip
	$(RUN) -m pip install --quiet --editable '.[test]'
	touch .venv/installed

demo: .venv/installed
	$(RUN) -m nnunet_tv.cli.demo --fast -o demo

test: .venv/installed
	$(RUN) -m ruff check .
	$(RUN) -m pytest

test-slow: .venv/installed
	$(RUN) -m pytest -m slow

lint: .venv/installed
	$(RUN) -m ruff check .

clean:
	rm -rf .venv demo build dist *.egg-info
