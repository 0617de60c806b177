"""Options that a data set offers; the command line is built from them without reading any data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

#: Spaces of the prepared images.
SPACES = {
    "mni": "T1w and FLAIR on the MNI152 1 mm grid, as in the paper, brain only",
    "t1": "FLAIR registered to the T1w (or T1c), brain only",
    "none": "all on the first channel's grid, by scanner coordinates, with skull where there is one",
}
CV5 = "five folds over all patients"


@dataclass(frozen=True)
class Option:
    """An option of one data set; ``read`` takes its value as the keyword :attr:`name`.

    Attributes
    ----------
    flag : str
        Such as ``--label``.
    help : str
        One line.
    default : str, optional
        None where ``read`` chooses.
    choices : tuple of str, optional
        All values, if they can be listed.
    """

    flag: str
    help: str
    default: str | None = None
    choices: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """The flag as a keyword."""
        return self.flag.lstrip("-").replace("-", "_")


@dataclass(frozen=True)
class DatasetSpec:
    """Options of a data set.

    Attributes
    ----------
    title : str
        One line of help.
    folder_name : str
        Default of ``--name``.
    splits : dict of str to str
        Keys of :data:`nnunet_tv.conversion.plan.SPLITS` with a line each; the first is the default.
    spaces : tuple of str
        Keys of :data:`SPACES`; the first is the default.
    no_other_space : str
        Why the other spaces are not offered.
    controls : bool
        Whether there are people without a lesion.
    no_controls : str
        Why not.
    source : str
        Help of ``-i``.
    options : tuple of Option
        Of this data set only.
    """

    title: str
    folder_name: str
    splits: Mapping[str, str]
    spaces: tuple[str, ...]
    no_other_space: str = ""
    controls: bool = False
    no_controls: str = ""
    source: str = "the downloaded data set"
    options: tuple[Option, ...] = ()


def data_sets() -> dict[str, ModuleType]:
    """Modules of :mod:`nnunet_tv.dataset_conversion` by data set, each with a ``SPEC`` and a function ``read``."""
    package = import_module("nnunet_tv.dataset_conversion")
    return {name.replace("_", "-"): import_module(f"{package.__name__}.{name}")
            for _, name, _ in iter_modules(package.__path__)}
