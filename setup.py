"""Packaging that pyproject.toml cannot express.

``trainers/``, ``dataset_conversion/`` and ``workflow/`` live at the top level of the repository and are installed as
``nnunet_tv.trainers``, ``nnunet_tv.dataset_conversion`` and ``nnunet_tv.workflow``. Two start-up files go next to the
package, so that nnU-Net finds the trainers without set-up: ``nnunet_tv.pth``, and ``nnunet_tv.start`` for Python 3.15
and later (PEP 829), where import lines in ``.pth`` files are deprecated.
"""

import setuptools  # provides distutils, so it is imported first

from distutils.command.install_data import install_data  # isort: skip


class InstallNextToPackage(install_data):
    """Install ``data_files`` in site-packages instead of ``sys.prefix``."""

    def finalize_options(self):
        """Take the folder of the packages."""
        self.set_undefined_options("install", ("install_lib", "install_dir"))
        super().finalize_options()


class DistributionWithData(setuptools.Distribution):
    """Have editable installs install ``data_files`` too: setuptools checks ``has_data`` there."""

    has_data = setuptools.Distribution.has_data_files


# Namespace packages: nnunet_tv/templates holds no Python files.
packages = setuptools.find_namespace_packages(include=["nnunet_tv", "nnunet_tv.*"], exclude=["*.__pycache__"])
setuptools.setup(
    packages=[*packages, "nnunet_tv.trainers", "nnunet_tv.dataset_conversion", "nnunet_tv.workflow"],
    package_dir={
        "nnunet_tv": "nnunet_tv",
        "nnunet_tv.trainers": "trainers",
        "nnunet_tv.dataset_conversion": "dataset_conversion",
        "nnunet_tv.workflow": "workflow",
    },
    data_files=[("", ["nnunet_tv.pth", "nnunet_tv.start"])],
    cmdclass={"install_data": InstallNextToPackage},
    distclass=DistributionWithData,
)
