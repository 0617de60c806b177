"""The wheel and the editable install carry everything, and the start-up line works from both."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ("setup.py", "pyproject.toml", "README.md", "LICENSE", "nnunet_tv", "trainers", "dataset_conversion")
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


def build(source, kind):
    out = source.parent / kind
    out.mkdir()
    subprocess.run([sys.executable, "-c", BUILD, kind, str(out)], cwd=source, check=True, capture_output=True)
    return next(out.glob("*.whl"))


def external_trainers(site_folder):
    """What nnUNet_extTrainer is in an interpreter that knows `site_folder` alone."""
    code = f"import os, site; site.addsitedir({str(site_folder)!r}); print(os.environ.get('nnUNet_extTrainer', ''))"
    clean = {name: value for name, value in os.environ.items() if name != "nnUNet_extTrainer"}
    done = subprocess.run([sys.executable, "-S", "-c", code], env=clean, cwd=site_folder, capture_output=True,
                          text=True, check=True)
    return done.stdout.strip()


def test_the_wheel_carries_everything(source, tmp_path):
    wheel = build(source, "build_wheel")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "site packages")
    for folder, package in (("nnunet_tv", "nnunet_tv"), ("trainers", "nnunet_tv/trainers"),
                            ("dataset_conversion", "nnunet_tv/dataset_conversion")):
        for path in (ROOT / folder).rglob("*.py"):
            assert f"{package}/{path.relative_to(ROOT / folder)}" in names
    assert {"nnunet_tv.pth", "nnunet_tv/py.typed", "nnunet_tv/__init__.pyi"} <= names
    for path in (ROOT / "nnunet_tv").rglob("*.j2"):  # templates of pages
        assert f"nnunet_tv/{path.relative_to(ROOT / 'nnunet_tv')}" in names
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"nnunet_tv", "nnunet_tv.pth"}
    record = next(name for name in names if name.endswith("RECORD"))
    assert "nnunet_tv.pth," in (tmp_path / "site packages" / record).read_text()  # so that pip uninstall removes it
    assert external_trainers(tmp_path / "site packages") == str(tmp_path / "site packages" / "nnunet_tv" / "trainers")


def test_the_editable_install_points_into_the_sources(source, tmp_path):
    wheel = build(source, "build_editable")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    assert external_trainers(tmp_path) == str(source / "trainers")


def test_the_start_up_line_imports_the_standard_library_alone(source):
    """The start-up time is measured in docs, not here; what would cost it is an import."""
    code = "import sys; import nnunet_tv.startup; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-S", "-c", code], cwd=source, capture_output=True, text=True, check=True)
    tops = {name.split(".")[0] for name in shown.stdout.split()}
    assert tops - sys.stdlib_module_names - {"__main__"} == {"nnunet_tv"}


def test_the_version_is_the_same_everywhere():
    import re

    from nnunet_tv import __version__

    assert re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.M)[1] == __version__
    assert f"version: {__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()
