"""Brain mask by deepbet (Fisch et al., Comput Biol Med 2024): a network for T1w, weights in its package."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import nibabel as nib
import numpy as np

from nnunet_tv.imaging.volume import Volume


def deepbet_version() -> str:
    """Version of the installed deepbet, or ``unknown``."""
    try:
        return version("deepbet")
    except PackageNotFoundError:
        return "unknown"


def deepbet_mask(t1: Volume) -> Volume:
    """Brain mask of a T1w with axes near RAS, uint8, on its own grid; computed on the CPU.

    Raises
    ------
    ImportError
        deepbet is not installed; :func:`~nnunet_tv.brain.methods.check_method` says what to do.
    """
    from deepbet.bet import BrainExtraction

    # deepbet's network cuts a cube out of the head; on the CPU it gives equal bits whatever the machine's GPU
    network = BrainExtraction(no_gpu=True)
    _, mask, _ = network.run(nib.Nifti1Image(np.asarray(t1.data, np.float32), t1.affine))
    return Volume((np.asarray(mask.dataobj) > 0).astype(np.uint8), t1.affine)
