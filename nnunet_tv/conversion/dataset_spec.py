"""Options that a data set offers; the command line is built from them without reading any data."""

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
    """An option of one data set; ``read`` takes its value as the keyword :attr:`name`."""

    flag: str  #: such as ``--label``
    help: str
    default: str | None = None  #: None where ``read`` chooses
    choices: tuple[str, ...] | None = None  #: all values, if they can be listed

    @property
    def name(self) -> str:
        """The flag as a keyword."""
        return self.flag.lstrip("-").replace("-", "_")


@dataclass(frozen=True)
class DatasetSpec:
    """Options of a data set."""

    title: str  #: one line of help
    folder_name: str  #: default of ``--name``
    splits: Mapping[str, str]  #: keys of :data:`nnunet_tv.conversion.plan.SPLITS` with a line each, the default first
    spaces: tuple[str, ...]  #: keys of :data:`SPACES`, the default first
    no_other_space: str = ""  #: why the other spaces are not offered
    controls: bool = False  #: whether there are people without a lesion
    no_controls: str = ""  #: why not
    source: str = "the downloaded data set"  #: help of ``-i``
    options: tuple[Option, ...] = ()


def data_sets() -> dict[str, ModuleType]:
    """Modules of :mod:`nnunet_tv.dataset_conversion` by data set, each with a ``SPEC`` and a function ``read``."""
    package = import_module("nnunet_tv.dataset_conversion")
    return {name.replace("_", "-"): import_module(f"{package.__name__}.{name}")
            for _, name, _ in iter_modules(package.__path__)}
