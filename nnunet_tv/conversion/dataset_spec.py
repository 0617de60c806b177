"""What a person can choose about one data set: from it the command line is made, without reading anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: Registrations of scans whose first channel is a whole head's T1w.
REGISTER_HELP = {
    "mni": "T1w and FLAIR on the MNI152 1 mm grid, as in the paper, brain only",
    "t1": "FLAIR registered to the T1w (or T1c), brain only",
    "none": "all on the first channel's grid, by scanner coordinates, with skull where there is one",
}
CV5 = "five folds over all patients"


@dataclass(frozen=True)
class Option:
    """An option that only one data set has; its value goes to ``read`` under its name without dashes.

    Attributes
    ----------
    flag : str
        Such as ``--label``.
    help : str
        One line.
    default : str, optional
        None where leaving it out means something of its own.
    choices : tuple of str, optional
        All values, if they can be listed.
    """

    flag: str
    help: str
    default: str | None = None
    choices: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """Keyword of ``read``."""
        return self.flag.lstrip("-").replace("-", "_")


@dataclass(frozen=True)
class DatasetSpec:
    """What can be chosen.

    Attributes
    ----------
    title : str
        One line of help.
    folder_name : str
        Default of ``--name``.
    splits : dict of str to str
        Keys of :data:`nnunet_tv.conversion.plan.SPLITS` with a line each; the first is the default.
    registrations : tuple of str
        Keys of :data:`REGISTER_HELP`; the first is the default.
    no_registration : str
        Why the others are not offered.
    controls : bool
        Whether there are people without a lesion.
    no_controls : str
        Why not.
    source : str
        What ``-i`` is.
    options : tuple of Option
        Of this data set only.
    """

    title: str
    folder_name: str
    splits: Mapping[str, str]
    registrations: tuple[str, ...]
    no_registration: str = ""
    controls: bool = False
    no_controls: str = ""
    source: str = "the downloaded data set"
    options: tuple[Option, ...] = ()
