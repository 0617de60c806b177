# Every target does its own set-up in .venv; paths are relative, so a folder with spaces is fine.
PYTHON ?= python3
RUN = .venv/bin/python
UV = .venv-uv/bin/python -m uv
# Extras of the package that users install; requirements.lock covers them.
LOCKED = greedy monai workflow
export MPLBACKEND = agg

VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')

.PHONY: demo test test-slow test-lowest test-newest test-locked lock lint format docs bench bench-gpu bench-real clean
SOURCES = nnunet_tv trainers dataset_conversion tests benchmarks docs setup.py

.venv/installed: setup.py pyproject.toml
	$(PYTHON) -m venv .venv
	$(RUN) -m pip install --quiet --upgrade pip
	$(RUN) -m pip install --quiet --editable '.[test]'
	touch .venv/installed

# Other phantoms: make demo SEED=1, in ./demo-seed1.
SEED ?= 0
demo: .venv/installed
	$(RUN) -m nnunet_tv.cli.demo --seed $(SEED) -o demo$(if $(filter-out 0,$(SEED)),-seed$(SEED))

test: lint
	$(RUN) -m pytest

test-slow: .venv/installed
	$(RUN) -m pytest -m slow -n 0

# The suite with the lowest or the newest versions that pyproject.toml admits, or with those of the lock file, for an
# interpreter: make test-lowest PYTHON=python3.10. uv, because pip does not resolve to the lowest versions.
TRIED = .venv-lowest-$(VERSION) .venv-newest-$(VERSION) .venv-locked-$(VERSION)
test-lowest test-newest test-locked: test-%: .venv-%-$(VERSION)/installed
	$(<D)/bin/python -m pytest

.venv-lowest-$(VERSION)/installed: CHOICE = --resolution lowest-direct
.venv-newest-$(VERSION)/installed: CHOICE = --upgrade
.venv-locked-$(VERSION)/installed: CHOICE = --constraint requirements.lock
.venv-locked-$(VERSION)/installed: requirements.lock
$(TRIED:%=%/installed): .venv-uv/installed setup.py pyproject.toml
	$(PYTHON) -m venv --clear $(@D)
	$(UV) pip install --quiet --python $(@D)/bin/python $(CHOICE) --editable '.[test]'
	touch $@

.venv-uv/installed:
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet uv
	touch $@

# Versions and hashes of everything that is installed, for every supported Python; only names and hashes, no addresses.
lock: .venv-uv/installed
	$(UV) pip compile --quiet --universal --python-version 3.10 --generate-hashes --upgrade $(LOCKED:%=--extra %) \
		--custom-compile-command 'make lock' --no-emit-index-url --no-emit-find-links \
		--output-file requirements.lock pyproject.toml

lint: .venv/installed
	$(RUN) -m ruff check .
	$(RUN) -m autopep8 --diff --exit-code $(SOURCES)
	$(RUN) -m mypy

format: .venv/installed
	$(RUN) -m ruff check --fix-only .
	$(RUN) -m autopep8 --in-place $(SOURCES)

# The documentation as a site, site/index.html; a broken link is an error.
docs: .venv/installed
	$(RUN) -m mkdocs build --strict

# Ratios of ours to a peer in the same run; results in benchmarks/results. Minutes to hours: see docs/speed.md.
bench: .venv/installed
	mkdir -p benchmarks/results
	cd benchmarks && ../$(RUN) startup.py --json results/startup.json
	cd benchmarks && ../$(RUN) postprocessing.py --json results/postprocessing.json
	cd benchmarks && ../$(RUN) hausdorff.py --json results/hausdorff.json
	cd benchmarks && ../$(RUN) training_step.py --patch 64 --batch 4 --no-compile --json results/training_step.json
	cd benchmarks && ../$(RUN) saved_for_backward.py --json results/saved_for_backward.json
	cd benchmarks && ../$(RUN) inference.py --shape 96 96 96 --patch 64 --train 200 --json results/inference.json
	cd benchmarks && ../$(RUN) score_volumes.py --json results/score_volumes.json
	cd benchmarks && ../$(RUN) data_loading.py --workers 2 --scale-to 12 --json results/data_loading.json
	cd benchmarks && ../$(RUN) interval_coverage.py --json results/interval_coverage.json
	cd benchmarks && ../$(RUN) comparison_error.py --json results/comparison_error.json
	cd benchmarks && ../$(RUN) growth.py patch --json results/growth_patch.json
	cd benchmarks && ../$(RUN) growth.py cases --json results/growth_cases.json

bench-gpu: .venv/installed
	mkdir -p benchmarks/results
	cd benchmarks && ../$(RUN) training_step.py --device cuda --patch 128 --batch 4 --amp --repeats 20 \
		--json results/training_step_gpu.json
	cd benchmarks && ../$(RUN) inference.py --device cuda --json results/inference_gpu.json
	cd benchmarks && ../$(RUN) losses.py --device cuda --repeats 50 --json results/losses_gpu.json
	cd benchmarks && ../$(RUN) data_loading.py --device cuda --workers 12 --json results/data_loading_gpu.json

# Sessions with reference registrations, laid out as benchmarks/real_scans.py describes: make bench-real DIR=folder
bench-real: .venv/installed
	@test -n "$(DIR)" || { echo "which folder? make bench-real DIR=folder" >&2; exit 2; }
	mkdir -p benchmarks/results
	$(RUN) benchmarks/real_scans.py "$(DIR)" --json benchmarks/results/real_scans.json

clean:
	rm -rf .venv .venv-* demo demo-seed* site build dist *.egg-info
