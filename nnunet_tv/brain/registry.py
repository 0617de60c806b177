"""The methods for brain masks, one row each; importing this module loads none of them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnunet_tv.imaging.volume import Volume


class BrainMethod:
    """A way to find the brain in a T1w; the base class stands for none."""

    def check(self) -> None:
        """Raise a :class:`~nnunet_tv.utils.errors.NnunetTVError` with advice where it is not installed."""

    def version(self) -> str:
        """Version of the program behind it; may be empty."""
        return ""

    def find(self, t1: Volume) -> Volume:
        """Brain mask of a T1w on the template's grid, uint8 on the same grid."""
        raise NotImplementedError


#: Help of each value of ``--brain``. The module of that name (``_`` for ``-``) has a :class:`BrainMethod`, ``METHOD``.
BRAIN_METHODS = {
    "deepbet": "a network",
    "template": "the template's mask, refined by intensity",
    "fsl": "BET (needs FSL)",
    "hd-bet": "HD-BET (needs the package hd-bet)",
    "synthstrip": "SynthStrip (needs FreeSurfer 7.3 or later)",
    "none": "keeps the skull",
}
#: The method that starts the registration and checks the template's mask; that mask; and no mask.
WITHOUT_TEMPLATE, TEMPLATE, NONE = "deepbet", "template", "none"


def get_method(key: str) -> BrainMethod:
    """Method by its key; raises a `ValueError` for an unknown one."""
    if key not in BRAIN_METHODS:
        raise ValueError(f"brain is one of {', '.join(BRAIN_METHODS)}, not {key!r}")
    return import_module(f"nnunet_tv.brain.{key.replace('-', '_')}").METHOD
