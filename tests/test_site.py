"""The documentation site builds without a warning; the workflows are valid and run what .ci/run runs."""

import inspect
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest
import yaml

import nnunet_tv
from nnunet_tv.metrics.registry import MEASURES
from nnunet_tv.reporting.report import ReportOptions

ROOT = Path(__file__).parents[1]
WORKFLOWS = ROOT / ".github" / "workflows"
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run([sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
                          cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_site_has_a_page_for_each_document_and_loads_nothing_from_elsewhere(site):
    for page in (ROOT / "docs").rglob("*.md"):
        assert (site / page.relative_to(ROOT / "docs")).with_suffix(".html").is_file()
    for name in ("index", "api", "contributing", "changelog"):
        assert (site / f"{name}.html").is_file()
    page = (site / "index.html").read_text(encoding="utf-8")
    assert 'src="http' not in page and 'stylesheet" href="http' not in page


def test_the_api_page_shows_every_public_name_with_its_parameters(site):
    page = (site / "api.html").read_text(encoding="utf-8")
    for name in nnunet_tv.__all__:
        assert f'id="{name.lower()}"' in page
        for parameter in inspect.signature(getattr(nnunet_tv, name)).parameters:
            assert parameter in page


def test_the_page_of_the_report_defines_every_measure(site):
    page = unescape((site / "report.html").read_text(encoding="utf-8"))
    for measure in MEASURES:
        shown = measure.with_settings(ReportOptions().settings())
        assert f"<li>{shown.label}: {shown.explanation}</li>" in page
    assert "The list of measures, from" not in page


@pytest.mark.parametrize("path", sorted(WORKFLOWS.glob("*.yml")), ids=lambda path: path.stem)
def test_a_workflow_runs_what_ci_runs(path):
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow[True] and workflow["jobs"]  # YAML 1.1 reads the key "on" as true
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    assert {"run": ".ci/run"} in steps
    assert all(("uses" in step) != ("run" in step) for step in steps)


def test_the_matrix_is_that_of_the_classifiers():
    workflow = yaml.safe_load((WORKFLOWS / "tests.yml").read_text(encoding="utf-8"))
    for version in workflow["jobs"]["tests"]["strategy"]["matrix"]["python-version"]:
        assert f'"Programming Language :: Python :: {version}"' in PROJECT
    assert 'requires-python = ">=3.10"' in PROJECT


def test_the_workflows_call_targets_that_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = makefile.partition(".PHONY:")[2].partition("\n")[0].split()
    called = 0
    for path in WORKFLOWS.glob("*.yml"):
        for job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values():
            matrix = job.get("strategy", {}).get("matrix", {})
            versions = {row["versions"] for row in matrix.get("include", [])} | set(matrix.get("versions", []))
            for step in job["steps"]:
                target = step.get("run", "").partition("make ")[2]
                names = [f"test-{name}" for name in versions] if "${{ matrix.versions }}" in target else [target]
                if step.get("run", "").startswith("make "):
                    called += 1
                    assert names and set(names) <= set(phony)
    assert called >= 3


def test_the_weekly_job_can_remove_the_upper_bound():
    job = (WORKFLOWS / "newest-dependencies.yml").read_text(encoding="utf-8")
    pattern, replacement = re.search(r"sed -i -E 's/(.*)/(.*)/' pyproject.toml", job).groups()
    bounded, n = re.subn(pattern, replacement, PROJECT)
    assert n == 1 and re.search(r'"nnunetv2>=[\d.]+",', bounded)


def test_pre_commit_runs_the_tools_of_make_lint():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    lint = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\nlint:")[2].partition("\n\n")[0]
    assert [hook["id"] for hook in hooks] == ["ruff", "autopep8", "mypy"]
    assert all(f"-m {hook['id']}" in lint for hook in hooks)
