"""``import nnunet_tv``: the public names, loaded when they are used."""

import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import nnunet_tv

ROOT = Path(__file__).parents[1]


def imported_by(code: str, *flags: str, folder: Path = ROOT) -> set[str]:
    """Modules that a fresh interpreter in `folder` has loaded after `code`."""
    shown = subprocess.run([sys.executable, *flags, "-c", f"import sys; {code}; print('!', *sys.modules)"], cwd=folder,
                           capture_output=True, text=True, check=True).stdout
    return set(shown.rpartition("!")[2].split())


@pytest.mark.parametrize("name", nnunet_tv.__all__)
def test_a_public_name_exists_and_is_documented(name):
    thing = getattr(nnunet_tv, name)
    assert thing.__module__.startswith("nnunet_tv.")
    assert len(inspect.getdoc(thing)) > 20
    assert name in dir(nnunet_tv)


def test_the_functions_behind_the_commands_are_public():
    scripts = re.findall(r"^nnunet-tv-([\w-]+) =", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M)
    functions = {name.replace("-", "_") for name in scripts} - {"doctor", "demo"}
    assert functions | {"score", "score_case", "ClusterFilter", "DiceLoss", "DiceTVLoss"} <= set(nnunet_tv.__all__)


def test_star_imports_and_unknown_names():
    space: dict = {}
    exec("from nnunet_tv import *", space)
    assert space["DiceTVLoss"] is nnunet_tv.losses.DiceTVLoss
    with pytest.raises(AttributeError, match="no attribute 'DiceLos'"):
        nnunet_tv.DiceLos  # noqa: B018
    assert not hasattr(nnunet_tv, "__wrapped__")


def test_the_import_itself_loads_no_other_module(tmp_path):
    """The start-up line of every interpreter must cost less than 5 ms: what would cost more is an import."""
    package = tmp_path / "nnunet_tv"
    (package / "trainers").mkdir(parents=True)
    for name in ("__init__.py", "startup.py"):
        shutil.copy(ROOT / "nnunet_tv" / name, package)
    new = imported_by("import nnunet_tv.startup", "-S", folder=tmp_path) - imported_by("import os", "-S")
    assert new == {"nnunet_tv", "nnunet_tv.startup"}


def test_a_name_loads_only_what_it_needs():
    assert not {"torch", "matplotlib", "nnunetv2"} & imported_by("from nnunet_tv import HitRule, score_case")
    assert not {"matplotlib", "pandas", "SimpleITK"} & imported_by("from nnunet_tv import DiceTVLoss")


def test_type_checkers_see_the_public_names(tmp_path):
    user = tmp_path / "user.py"
    user.write_text("from nnunet_tv import DiceTVLoss, score\nreveal_type(DiceTVLoss)\nreveal_type(score)\n")
    done = subprocess.run([sys.executable, "-m", "mypy", "--follow-imports=silent", "--ignore-missing-imports",
                           "--cache-dir", str(ROOT / ".mypy_cache" / "user"), str(user)], cwd=ROOT,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert re.search(r"-> nnunet_tv\.losses\.[\w.]+\.DiceTVLoss", done.stdout)
    assert re.search(r"reference: str \| pathlib\.Path, .* -> nnunet_tv\.scoring\.", done.stdout)
