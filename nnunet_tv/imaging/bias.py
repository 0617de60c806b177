"""Correction of the bias field by N4 (Tustison et al., IEEE TMI 2010), at a low resolution."""

import numpy as np
import SimpleITK as sitk

from nnunet_tv.imaging.sampling import at_resolution, itk_image
from nnunet_tv.imaging.volume import Volume

_RESOLUTION_MM = 4.0
_ITERATIONS = (30, 20)


def correct_bias(image: Volume, mask: Volume) -> Volume:
    """`image` divided by its bias field, float32; the field is estimated within `mask`, which is in the same mm.

    Returns the image unchanged where no field can be estimated, as in a flat image or under an empty mask.
    """
    low = itk_image(at_resolution(image, _RESOLUTION_MM))
    inside = sitk.Resample(itk_image(mask), low, sitk.Transform(), sitk.sitkLinear, 0.0) > 0.5
    filter_ = sitk.N4BiasFieldCorrectionImageFilter()
    filter_.SetMaximumNumberOfIterations(_ITERATIONS)
    filter_.SetNumberOfThreads(1)  # sums of threads differ in their last bits
    try:
        filter_.Execute(sitk.Clamp(low, lowerBound=1e-3), inside)
    except RuntimeError:
        return image
    full = itk_image(image)
    corrected = sitk.GetArrayFromImage(full / sitk.Exp(filter_.GetLogBiasFieldAsImage(full))).T
    return Volume(corrected, image.affine) if np.isfinite(corrected).all() else image
