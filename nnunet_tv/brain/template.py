"""The template's brain mask, refined by the T1w's intensities."""

import numpy as np
import SimpleITK as sitk

from nnunet_tv.brain.registry import BrainMethod
from nnunet_tv.imaging.bias import correct_bias
from nnunet_tv.imaging.sampling import itk_image
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.registration.template import load_template

#: How far the refined mask may extend beyond the template's brain, and the depth of certain brain, in mm.
_REACH_MM, _CORE_MM = 5, 8
#: Darkest brain, as shares of the median of certain brain: for a voxel by itself, and for a voxel next to one. The
#: second restores the rim of the cortex; used everywhere, it leaks into the skull of coarse scans.
_DARKEST, _DARKEST_RIM = 0.45, 0.42


class RefinedTemplate(BrainMethod):
    """Method ``template``."""

    def find(self, t1: Volume) -> Volume:
        return refined_template_mask(t1)


METHOD = RefinedTemplate()


def refined_template_mask(t1: Volume) -> Volume:
    """Brain mask of a T1w on the template's grid, uint8.

    Within 5 mm of the template's brain: voxels neither as dark as bone nor as bright as fat, compared with certain
    brain; opened by 2 mm (bridges to the scalp), the largest component with its rim, closed by 5 mm (sulci), filled.
    """
    prior = sitk.Cast(itk_image(load_template().brain), sitk.sitkUInt8)
    image = itk_image(correct_bias(t1, load_template().brain))
    reach = sitk.BinaryDilate(prior, [_REACH_MM] * 3, sitk.sitkBall)
    indices = np.argwhere(sitk.GetArrayViewFromImage(reach))[:, ::-1]
    low = np.maximum(indices.min(axis=0) - 4, 0)
    size = np.minimum(indices.max(axis=0) + 5, reach.GetSize()) - low
    prior, image, reach = (sitk.RegionOfInterest(one, size.tolist(), low.tolist()) for one in (prior, image, reach))
    values = sitk.GetArrayViewFromImage(image)
    core = values[sitk.GetArrayViewFromImage(sitk.BinaryErode(prior, [_CORE_MM] * 3, sitk.sitkBall)) > 0]
    middle, high = float(np.median(core)), 1.12 * float(np.percentile(core, 98))

    def brighter(share):
        return sitk.And(sitk.BinaryThreshold(image, share * middle, max(high, share * middle)), reach)

    opened = sitk.BinaryMorphologicalOpening(brighter(_DARKEST), [2] * 3, sitk.sitkBall)
    mask = sitk.RelabelComponent(sitk.ConnectedComponent(opened), sortByObjectSize=True) == 1
    mask = sitk.Or(mask, sitk.And(sitk.BinaryDilate(mask, [1] * 3, sitk.sitkBall), brighter(_DARKEST_RIM)))
    mask = sitk.BinaryMorphologicalClosing(mask, [5] * 3, sitk.sitkBall)
    mask = sitk.BinaryFillhole(sitk.And(mask, reach))
    whole = sitk.Paste(sitk.Image([int(n) for n in t1.shape], sitk.sitkUInt8), mask, mask.GetSize(),
                       destinationIndex=low.tolist())
    return Volume(np.ascontiguousarray(sitk.GetArrayFromImage(whole).T), t1.affine)
