"""``--help`` of every command: quick, since it imports no heavy library."""

import subprocess
import sys

import pytest

CODE = """
import sys
from importlib import import_module
try:
    import_module(sys.argv[1]).main(sys.argv[2:])
except SystemExit as stop:
    assert stop.code == 0
heavy = {"torch", "numpy", "scipy", "pandas", "matplotlib", "SimpleITK", "nibabel", "nilearn", "nnunetv2", "pydicom"}
print(sorted(heavy & set(sys.modules)))
"""


@pytest.mark.parametrize(("command", "option"), [
    ("table", "--masks"), ("convert ds004199", "--split"), ("convert", "pairs"), ("plan", "--network"),
    ("prepare", "--pair"), ("predict", "--brain"), ("report", "--pred-pp"), ("report", "Exit status"),
    ("restore", "--help"), ("import_weights", "99.5"), ("doctor", "--help"), ("demo", "index.html"),
    ("experiment", "--hours-per-run")])
def test_help_imports_nothing_heavy(command, option):
    name, *arguments = command.split()
    text = subprocess.check_output([sys.executable, "-c", CODE, f"nnunet_tv.cli.{name}", *arguments, "--help"],
                                   text=True)
    assert text.startswith(f"usage: nnunet-tv-{name.replace('_', '-')}") and option in text and text.endswith("[]\n")
