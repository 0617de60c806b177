"""Packaging that pyproject.toml cannot express.

``trainers/`` and ``dataset_conversion/`` live at the top level of the repository and are
installed as ``nnunet_tv.trainers`` and ``nnunet_tv.dataset_conversion``. A start-up line
(``nnunet_tv.pth``) goes next to the package, so that nnU-Net finds the trainers without set-up.
"""

from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.editable_wheel import editable_wheel

STARTUP = "nnunet_tv.pth"
STARTUP_LINE = "import nnunet_tv.startup\n"


class BuildWithStartup(build_py):
    """Put the start-up line at the root of the wheel."""

    def run(self):
        super().run()
        if not self.editable_mode:
            Path(self.build_lib, STARTUP).write_text(STARTUP_LINE)


class StartupStrategy:
    """An editable-install strategy of setuptools that also writes the start-up line."""

    def __init__(self, strategy):
        self.strategy = strategy

    def __enter__(self):
        self.strategy.__enter__()
        return self

    def __exit__(self, *exception):
        return self.strategy.__exit__(*exception)

    def __call__(self, wheel, files, mapping):
        self.strategy(wheel, files, mapping)
        wheel.writestr(STARTUP, STARTUP_LINE)


class EditableWithStartup(editable_wheel):
    """Setuptools' own ``.pth`` (``__editable__…``) sorts before ours, so ours can import the package."""

    def _select_strategy(self, *arguments):
        return StartupStrategy(super()._select_strategy(*arguments))


packages = find_packages(include=["nnunet_tv", "nnunet_tv.*"])
setup(
    packages=[*packages, "nnunet_tv.trainers", "nnunet_tv.dataset_conversion"],
    package_dir={
        "nnunet_tv": "nnunet_tv",
        "nnunet_tv.trainers": "trainers",
        "nnunet_tv.dataset_conversion": "dataset_conversion",
    },
    cmdclass={"build_py": BuildWithStartup, "editable_wheel": EditableWithStartup},
)
