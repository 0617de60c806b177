"""The MNI152 template on the grid of the results: 1 mm, 182 x 218 x 182.

nilearn ships the ICBM 2009a template (symmetric, skull-stripped) with its tissue and brain maps on
197 x 233 x 189 voxels of 1 mm; nothing is downloaded. The grid is that of FSL's MNI152 1 mm, stored with RAS axes.
"""

import warnings
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from nnunet_tv.imaging.grid import Grid
from nnunet_tv.imaging.resample import resample_image, resample_mask
from nnunet_tv.imaging.volume import Volume

TEMPLATE_GRID = Grid((182, 218, 182), np.array([[1.0, 0, 0, -90], [0, 1, 0, -126], [0, 0, 1, -72], [0, 0, 0, 1]]))
NAME = "ICBM 2009a nonlinear symmetric (MNI152), as nilearn ships it"


@dataclass(frozen=True)
class Template:
    """The target of the registration, on :data:`TEMPLATE_GRID`."""

    t1: Volume  #: float32, 0 to 1; 0 outside of the brain
    brain: Volume  #: uint8 mask that includes sulci and ventricles
    grey: Volume  #: share of the tissue, float32, 0 to 1
    white: Volume


@lru_cache(maxsize=1)
def load_template() -> Template:
    """Read the template from nilearn; kept in memory (about 90 MB)."""
    with warnings.catch_warnings():  # nilearn's own import warnings
        warnings.simplefilter("ignore")
        from nilearn import datasets

        images = [getattr(datasets, f"load_mni152_{name}")(resolution=1)
                  for name in ("template", "gm_template", "wm_template", "brain_mask")]
    *maps, mask = (Volume(np.asarray(image.dataobj, np.float32), np.asarray(image.affine, float)) for image in images)
    t1, grey, white = (resample_image(one, TEMPLATE_GRID) for one in maps)
    return Template(t1, resample_mask(mask, TEMPLATE_GRID), grey, white)
