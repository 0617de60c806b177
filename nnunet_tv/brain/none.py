"""No brain mask: the skull is kept."""

from __future__ import annotations

from nnunet_tv.brain.registry import BrainMethod
from nnunet_tv.imaging.affine import Affine
from nnunet_tv.imaging.volume import Volume


class KeepSkull(BrainMethod):
    """Method ``none``."""

    def find(self, t1: Volume, t1_to_mni: Affine) -> Volume | None:
        return None


METHOD = KeepSkull()
