"""Affine starting pose from a brain mask: independent of the contrast between grey and white matter.

On real T1w with little of it, whole heads were registered to a wrong optimum: the brain was shrunk until the template's
edge met the skull. Smoothed brain masks have no such optimum; alone they determine the affine map to 2 to 3 mm.
"""

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from nnunet_tv.imaging.affine import transform
from nnunet_tv.imaging.sampling import at_resolution, itk_image
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.registration.initial_pose import PoseScore, candidate_poses
from nnunet_tv.registration.simpleitk_backend import optimise
from nnunet_tv.registration.template import load_template

#: Resolution at which masks are compared, and the sigma of their smoothing.
_RESOLUTION_MM, _SIGMA_MM = 4.0, 4.0
_ITERATIONS = 60
#: Rotations with a fit below this share of the best are left out.
_PROMISING = 0.8


def brain_pose(brain: Volume, extracted: Volume, region: Volume) -> np.ndarray:
    """Affine map (4 x 4) from points of the template to points of a T1w, RAS+ mm.

    `brain` is the mask of the T1w's brain and `extracted` the T1w with zeros outside of it; both are compared with the
    template within `region`. The rotation is searched with the contrast of the brain, since masks do not determine it;
    centre and size are those of the mask, and the map is then optimised by the mean squared difference of the masks.
    """
    template = load_template()
    score = PoseScore(template.t1, extracted, region)
    starts = candidate_poses(template.t1, extracted, region, header_pose=False)
    centres = [one.grid.to_mm(np.argwhere(one.data)).mean(axis=0) for one in (template.brain, brain)]
    volumes = [float(one.data.sum()) * one.grid.voxel_mm3 for one in (template.brain, brain)]
    scale = (volumes[1] / volumes[0]) ** (1 / 3)
    sized = []
    for start in starts:
        pose = np.eye(4)
        pose[:3, :3] = scale * start[:3, :3]
        pose[:3, 3] = centres[1] - transform(pose, centres[0])
        sized.append(pose)
    best = max(map(score, sized))
    fixed, moving = _smoothed(template.brain), _smoothed(brain)
    return max((_fit_masks(fixed, moving, pose, centres[0]) for pose in sized if score(pose) >= _PROMISING * best),
               key=score)


def outline_shift(brain: Volume, seen: np.ndarray) -> np.ndarray:
    """Affine map (4 x 4) that moves the template's brain, without contrast, onto the mask `brain` near it.

    Both masks are on the template's grid, as is `seen`, the part of it that the scan of `brain` shows, bool.
    """
    template = load_template().brain
    centre = template.grid.to_mm(np.argwhere(template.data)).mean(axis=0)
    covered = Volume(template.data * seen, template.affine)
    return _fit_masks(_smoothed(covered), _smoothed(brain), np.eye(4), centre)


def _smoothed(mask: Volume) -> sitk.Image:
    data = ndimage.gaussian_filter(mask.data.astype(np.float32), [_SIGMA_MM / size for size in mask.spacing_mm])
    return itk_image(at_resolution(Volume(data, mask.affine), _RESOLUTION_MM))


def _fit_masks(fixed: sitk.Image, moving: sitk.Image, start: np.ndarray, centre_mm: np.ndarray) -> np.ndarray:
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMeanSquares()
    method.SetOptimizerAsConjugateGradientLineSearch(2.0, _ITERATIONS, 1e-5, 8)
    return optimise(method, fixed, moving, start, centre_mm, 12)
