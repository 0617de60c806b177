"""Registration of FLAIR to T1w (rigid) and of T1w to the MNI152 template (affine), with any backend.

Within this package a pose is a 4 x 4 array that maps points of the fixed image to points of the moving one, RAS+ mm;
results are :class:`~nnunet_tv.imaging.affine.Affine` maps from the scan to its target.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import SimpleITK as sitk

from nnunet_tv.imaging.affine import FLAIR, MNI, T1, Affine
from nnunet_tv.imaging.bias import correct_bias
from nnunet_tv.imaging.resample import resample_mask
from nnunet_tv.imaging.sampling import itk_image
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.registration.block_matching import refine_affine
from nnunet_tv.registration.brain_pose import brain_pose
from nnunet_tv.registration.initial_pose import candidate_poses
from nnunet_tv.registration.plausibility import check_flair, check_template
from nnunet_tv.registration.registry import Backend
from nnunet_tv.registration.template import load_template

#: A T1w and the template are compared this far around the brain (beyond it the template is empty), T1w and
#: FLAIR as far as the scalp: with 12 mm the errors on phantoms were half of those with 3 mm.
TEMPLATE_MARGIN_MM, FLAIR_MARGIN_MM = 3, 12
#: Share of the step by block matching. The whole step is best on phantoms and against affine maps fitted to deformable
#: registrations of real scans; other tools' affine registrations of the same scans are nearer to none of it.
BLOCK_WEIGHT = 0.25


@dataclass(frozen=True)
class Registration:
    """A registration and its checks."""

    affine: Affine
    metrics: dict[str, float]  #: measures of fit, named with their units
    flags: tuple[str, ...] = ()  #: signs that the result is wrong
    parameters: dict[str, Any] = field(default_factory=dict)  #: backend, version, degrees of freedom


def t1_to_template(t1: Volume, brain: Volume, *, backend: Backend) -> Registration:
    """Affine map (12 degrees of freedom) from the T1w (whole head, axes near RAS) to MNI152.

    `brain` is a brain mask on the grid of the T1w, found without the template. It gives the start; the backend aligns
    the extracted brain, then the head as far as :data:`TEMPLATE_MARGIN_MM` around the brain; and the result takes
    :data:`BLOCK_WEIGHT` of the step of a refinement by block matching.
    """
    template, region = load_template(), template_region()
    t1 = correct_bias(t1, brain)
    extracted = Volume(np.where(brain.data > 0, t1.data, 0), t1.affine)
    pose = brain_pose(brain, extracted, region)
    for scan in (extracted, t1):
        pose = backend.align(template.t1, scan, degrees_of_freedom=12, fixed_mask=region, starts=[pose])
    pose = pose + BLOCK_WEIGHT * (refine_affine(pose, template.t1, t1, template.brain) - pose)
    metrics, flags = check_template(pose, t1)
    return Registration(Affine(pose, MNI, T1).inverse(), metrics, flags, _parameters(backend, 12))


def flair_to_t1(flair: Volume, t1: Volume, *, t1_to_mni: Affine, backend: Backend) -> Registration:
    """Rigid map (6 degrees of freedom) from the FLAIR to the T1w of the same person, both with axes near RAS.

    `t1_to_mni`, from :func:`t1_to_template`, restricts the comparison to the brain, since neck and jaw move
    independently; a `ValueError` where no part of the template's brain is on `t1`.
    """
    region = resample_mask(template_region(FLAIR_MARGIN_MM), t1.grid, world=t1_to_mni)
    brain = resample_mask(load_template().brain, t1.grid, world=t1_to_mni)
    if not brain.data.any():
        raise ValueError("no part of the template's brain lies on the T1w")
    starts = candidate_poses(t1, flair, region, header_pose=True)
    pose = backend.align(t1, flair, degrees_of_freedom=6, fixed_mask=region, starts=starts)
    # The bias fields differ between the scans: uncorrected, they moved the map of clinical phantoms by 1 to 2 mm.
    on_flair = resample_mask(brain, flair.grid, world=Affine(pose, T1, FLAIR).inverse())
    pose = backend.align(correct_bias(t1, brain), correct_bias(flair, on_flair), degrees_of_freedom=6,
                         fixed_mask=region, starts=[pose])
    metrics, flags = check_flair(pose, flair, t1, brain)
    return Registration(Affine(pose, T1, FLAIR).inverse(), metrics, flags, _parameters(backend, 6))


def template_region(margin_mm: int = TEMPLATE_MARGIN_MM) -> Volume:
    """The template's brain dilated by `margin_mm`, uint8, on the template's grid."""
    brain = load_template().brain
    grown = sitk.BinaryDilate(sitk.Cast(itk_image(brain), sitk.sitkUInt8), [margin_mm] * 3, sitk.sitkBall)
    return Volume(np.ascontiguousarray(sitk.GetArrayFromImage(grown).T), brain.affine)


def _parameters(backend: Backend, degrees_of_freedom: int) -> dict[str, Any]:
    return {"backend": backend.name, "version": backend.version(), "degrees_of_freedom": degrees_of_freedom}
