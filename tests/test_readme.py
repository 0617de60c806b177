"""Commands in README and the guide are accepted by their parsers; relative links point to existing files."""

import os
import re
import shlex
from pathlib import Path

import pytest
from command_lines import parse

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
OTHER_PROGRAMS = {"pip", "make", "export", "mkdir", "cd", "cp", "datalad", "pre-commit", "printf",
                  "nnunet-tv-doctor", "docker", "apptainer", "sbatch", "snakemake"}
#: What stands before a command that runs in a container: docs/containers.md.
IN_CONTAINER = re.compile(r"^(fcd|apptainer run .*\.sif) (?=nn)")


def command_lines():
    for page in PAGES:
        for block in re.findall(r"```bash\n(.*?)```", page.read_text(), re.S):
            for line in block.replace("\\\n", " ").splitlines():
                if line.split("#")[0].strip():
                    yield line.split("#")[0].strip()


@pytest.mark.parametrize("line", list(command_lines()))
def test_a_command_is_accepted_by_its_parser(line, monkeypatch):
    monkeypatch.setenv("nnUNet_raw", "/raw")
    monkeypatch.setenv("nnUNet_results", "/results")
    words = shlex.split(os.path.expandvars(IN_CONTAINER.sub("", line)))
    if words[0].startswith(("nnunet-tv-", "nnUNetv2_")) and words[0] != "nnunet-tv-doctor":
        options = vars(parse(words, monkeypatch))
        assert options and "$" not in " ".join(words)
        if "tr" in options:
            assert_resolves(options["tr"])
    else:
        assert words[0] in OTHER_PROGRAMS


def assert_resolves(name):
    from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

    assert recursive_find_trainer_class_by_name(name).__name__ == name


def test_commands_of_every_kind_are_shown():
    first = {line.split()[0] for line in command_lines()}
    assert {"nnunet-tv-convert", "nnunet-tv-plan", "nnunet-tv-report", "nnunet-tv-import-weights", "nnunet-tv-doctor",
            "nnUNetv2_train", "nnUNetv2_predict", "nnUNetv2_apply_postprocessing"} <= first


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_point_to_files(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_make_targets_of_the_readme_exist_and_ci_runs_its_test_command():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", "\n".join(command_lines()), re.M):
        assert re.search(rf"^{target}:", makefile, re.M)
    assert "\nmake test\n" in (ROOT / ".ci" / "run").read_text()
    assert "make test" in (ROOT / "README.md").read_text()


def test_every_dependency_is_explained():
    listed = re.search(r"^dependencies = \[(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.S | re.M)[1]
    page = (ROOT / "docs" / "dependencies.md").read_text()
    names = re.findall(r'"([A-Za-z0-9-]+)', listed)
    assert len(names) > 10
    for name in names:
        assert re.search(rf"^\| {name}( >=[^|]*)? \| \S", page, re.M), name
