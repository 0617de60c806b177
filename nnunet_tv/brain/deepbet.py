"""Brain mask by deepbet (Fisch et al., Comput Biol Med 2024): a network for T1w, with its weights in the package."""

import importlib.util

import nibabel as nib
import numpy as np

from nnunet_tv.brain.registry import BrainMethod
from nnunet_tv.imaging.affine import Affine
from nnunet_tv.imaging.resample import resample_mask
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.registration.template import TEMPLATE_GRID
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.external import package_version


def installed() -> bool:
    """Whether the package deepbet can be imported."""
    return importlib.util.find_spec("deepbet") is not None


class Deepbet(BrainMethod):
    """Method ``deepbet``, computed on the CPU."""

    def check(self) -> None:
        if not installed():
            raise NnunetTVError("--brain deepbet: the package deepbet is not installed: pip install deepbet, or use "
                                "--brain template")

    def version(self) -> str:
        return package_version("deepbet")

    def find(self, t1: Volume, t1_to_mni: Affine) -> Volume:
        from deepbet.bet import BrainExtraction

        # deepbet's network cuts a cube out of the head; on the CPU it gives equal bits whatever the machine's GPU
        network = BrainExtraction(no_gpu=True)
        _, mask, _ = network.run(nib.Nifti1Image(np.asarray(t1.data, np.float32), t1.affine))
        own = Volume((np.asarray(mask.dataobj) > 0).astype(np.uint8), t1.affine)
        return resample_mask(own, TEMPLATE_GRID, world=t1_to_mni.inverse())


METHOD = Deepbet()
