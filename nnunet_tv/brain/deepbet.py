"""Brain mask by deepbet (Fisch et al., Comput Biol Med 2024): a network for T1w, with its weights in the package."""

import importlib.util
import warnings
from functools import lru_cache

import nibabel as nib
import numpy as np

from nnunet_tv.brain.registry import BrainMethod
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.external import package_version


class Deepbet(BrainMethod):
    """Method ``deepbet``, computed on the CPU."""

    def check(self) -> None:
        if importlib.util.find_spec("deepbet") is None:
            raise NnunetTVError("the package deepbet, which finds the brain, is not installed: pip install deepbet")

    def version(self) -> str:
        return package_version("deepbet")

    def find(self, t1: Volume) -> Volume:
        with warnings.catch_warnings():  # of torch, about how deepbet calls it
            warnings.simplefilter("ignore")
            _, mask, _ = _network().run(nib.Nifti1Image(np.asarray(t1.data, np.float32), t1.affine))
        return Volume((np.asarray(mask.dataobj) > 0).astype(np.uint8), t1.affine)


@lru_cache(maxsize=1)
def _network():
    """The networks (20 MB); on the CPU they give equal bits whatever the machine's GPU."""
    from deepbet.bet import BrainExtraction

    return BrainExtraction(no_gpu=True)


METHOD = Deepbet()
