"""The wheel and the editable install carry everything, and the start-up line works from both."""

import os
import shutil
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STARTUP = ("nnunet_tv.pth", "nnunet_tv.start")
SOURCE = ("setup.py", *STARTUP, "pyproject.toml", "README.md", "LICENSE", "nnunet_tv", "trainers", "dataset_conversion",
          "workflow")
BUILD = "import sys; from setuptools import build_meta; print(getattr(build_meta, sys.argv[1])(sys.argv[2]))"


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of the sources under a path with spaces."""
    folder = tmp_path_factory.mktemp("a path") / "with spaces"
    folder.mkdir()
    for name in SOURCE:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, folder / name)
    return folder


@cache
def build(source, kind):
    out = source.parent / kind
    out.mkdir()
    subprocess.run([sys.executable, "-c", BUILD, kind, str(out)], cwd=source, check=True, capture_output=True)
    return next(out.glob("*.whl"))


def external_trainers(site_folder, entry_point=None):
    """nnUNet_extTrainer in an interpreter with `site_folder` alone: by the .pth file, or by calling an entry point."""
    call = f"; del os.environ['nnUNet_extTrainer']; pkgutil.resolve_name({entry_point!r})()" if entry_point else ""
    code = (f"import os, pkgutil, site; site.addsitedir({str(site_folder)!r}){call}; "
            "print(os.environ.get('nnUNet_extTrainer', ''))")
    clean = {name: value for name, value in os.environ.items() if name != "nnUNet_extTrainer"}
    done = subprocess.run([sys.executable, "-S", "-c", code], env=clean, cwd=site_folder, capture_output=True,
                          text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("kind", ["build_wheel", "build_editable"])
def test_both_start_up_files_announce_the_trainers(source, tmp_path, kind):
    site_folder = tmp_path / "site packages"
    with zipfile.ZipFile(build(source, kind)) as archive:
        archive.extractall(site_folder)
    trainers = site_folder / "nnunet_tv" / "trainers" if kind == "build_wheel" else source / "trainers"
    assert external_trainers(site_folder) == str(trainers)
    entry_point = (site_folder / "nnunet_tv.start").read_text().strip()  # what Python 3.15 reads (PEP 829)
    assert external_trainers(site_folder, entry_point) == str(trainers)
    record = next(site_folder.glob("*.dist-info/RECORD")).read_text()
    assert all(f"{name}," in record for name in STARTUP)  # so that pip uninstall removes them


def test_the_wheel_carries_everything_and_no_more(source):
    with zipfile.ZipFile(build(source, "build_wheel")) as archive:
        names = set(archive.namelist())
    for folder, package in (("nnunet_tv", "nnunet_tv"), ("trainers", "nnunet_tv/trainers"),
                            ("dataset_conversion", "nnunet_tv/dataset_conversion"),
                            ("workflow", "nnunet_tv/workflow")):
        for path in (ROOT / folder).rglob("*.py"):
            assert f"{package}/{path.relative_to(ROOT / folder)}" in names
    assert {"nnunet_tv/py.typed", "nnunet_tv/__init__.pyi"} <= names
    for path in (ROOT / "nnunet_tv").rglob("*.j2"):  # templates of pages
        assert f"nnunet_tv/{path.relative_to(ROOT / 'nnunet_tv')}" in names
    workflow = {str(path.relative_to(ROOT)) for path in (ROOT / "workflow").rglob("*")
                if path.is_file() and "__pycache__" not in path.parts}
    assert {f"nnunet_tv/{path}" for path in workflow} <= names and "workflow/Snakefile" in workflow
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"nnunet_tv", *STARTUP}


def test_the_version_is_the_same_everywhere():
    from nnunet_tv import __version__

    assert f"version: {__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()
