"""The methods for brain masks, one row each; importing this module loads none of them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnunet_tv.imaging.affine import Affine
    from nnunet_tv.imaging.volume import Volume


class BrainMethod:
    """A way to find the brain in a T1w; this base class keeps the whole head."""

    def check(self) -> None:
        """Raise a :class:`~nnunet_tv.utils.errors.NnunetTVError` with advice where it is not installed."""

    def version(self) -> str:
        """Version of the program behind it; may be empty."""
        return ""

    def find(self, t1: Volume, t1_to_mni: Affine) -> Volume | None:
        """Brain mask of a T1w with axes near RAS: uint8 on the template's grid; None to keep the whole head."""
        return None


#: Help of each value of ``--brain``. The module of that name (``_`` for ``-``) has a :class:`BrainMethod`, ``METHOD``.
BRAIN_METHODS = {
    "deepbet": "a network (needs the package deepbet)",
    "template": "the template's mask, refined by intensity",
    "fsl": "BET (needs FSL)",
    "hd-bet": "HD-BET (needs the package hd-bet)",
    "synthstrip": "SynthStrip (needs FreeSurfer 7.3 or later)",
    "none": "keeps the skull",
}
#: ``deepbet`` if it is installed, else ``template``.
AUTO = "auto"
BRAIN_CHOICES = (AUTO, *BRAIN_METHODS)


def get_method(key: str) -> BrainMethod:
    """Method by its key; raises a `ValueError` for an unknown one."""
    if key not in BRAIN_METHODS:
        raise ValueError(f"brain is one of {', '.join(BRAIN_CHOICES)}, not {key!r}")
    return import_module(f"nnunet_tv.brain.{key.replace('-', '_')}").METHOD
