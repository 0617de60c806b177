"""The recipe's augmentation (TV paper 4.2, as implemented), with batchgeneratorsv2 transforms.

Each with probability 1/2: a flip along each axis; a rotation of up to ±90° about the anterior-posterior
axis; a shift of all intensities by up to ±0.1; Gaussian noise of standard deviation 0.1. The last two
are of an image scaled to [0, 1] between its 0.5 and 99.5 percentiles; nnU-Net z-scores instead, so they
are multiplied by 5.15, the distance between those percentiles of a unit normal distribution. Plans that
scale to [0, 1] (imported published weights) leave them as they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform, ImageOnlyTransform
from batchgeneratorsv2.transforms.intensity.gaussian_noise import GaussianNoiseTransform
from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.nnunet_masking import MaskImageTransform
from batchgeneratorsv2.transforms.utils.random import RandomTransform
from batchgeneratorsv2.transforms.utils.remove_label import RemoveLabelTansform

from nnunet_tv.training.plans import UnsupportedPlan

#: Distance between the 0.5 and 99.5 percentiles after each of nnU-Net's normalisations.
INTENSITY_SPANS = {"ZScoreNormalization": 5.15, "CTNormalization": 5.15, "RescaleTo01Normalization": 1.0}
#: Largest shift and standard deviation of the noise, as shares of that distance.
SHIFT, NOISE_STD = 0.1, 0.1
MAX_ROTATION_RAD = math.pi / 2


class UniformShift(ImageOnlyTransform):
    """Add one number, uniform in ±`limit`, to all voxels and channels."""

    def __init__(self, limit: float):
        super().__init__()
        self.limit = limit

    def get_parameters(self, **data_dict) -> dict:
        """Draw the shift."""
        return {"shift": float(torch.empty(1).uniform_(-self.limit, self.limit))}

    def _apply_to_image(self, img: torch.Tensor, **params) -> torch.Tensor:
        return img + params["shift"]


class RotationAbout:
    """Angle about one array axis, uniform in ±`limit_rad`; 0 about the others."""

    def __init__(self, axis: int, limit_rad: float):
        self.axis, self.limit_rad = axis, limit_rad

    def __call__(self, image: torch.Tensor, dim: int) -> float:
        """Angle about axis `dim`; called by ``SpatialTransform`` for each axis."""
        if dim != self.axis:
            return 0.0
        return float(np.random.uniform(-self.limit_rad, self.limit_rad))  # noqa: NPY002


def intensity_span(normalization_schemes: Sequence[str]) -> float:
    """Distance between the 0.5 and 99.5 percentiles of the normalised channels.

    Raises
    ------
    UnsupportedPlan
        A normalisation whose scale is not known here, or channels of different scales.
    """
    spans = {INTENSITY_SPANS.get(scheme) for scheme in normalization_schemes}
    if len(spans) != 1 or None in spans:
        raise UnsupportedPlan(
            f"the recipe's intensity augmentation needs one known scale for all channels "
            f"({', '.join(INTENSITY_SPANS)}), but the plan normalises by {', '.join(normalization_schemes)}. Plan "
            "again with one of those, or use a loss-only trainer.")
    return spans.pop()


def anterior_posterior_axis(properties: dict, transpose_forward: Sequence[int]) -> int:
    """Array axis nearest to anterior-posterior in a preprocessed case.

    Parameters
    ----------
    properties : dict
        What nnU-Net's reader stored of the geometry: SimpleITK's direction, or nibabel's affine (the
        reoriented one where there is one). Without either the second NIfTI axis is taken, which is right
        for RAS and LPS images alike.
    transpose_forward : sequence of int
        The plan's axis order.
    """
    direction = properties.get("sitk_stuff", {}).get("direction")
    nibabel = properties.get("nibabel_stuff", {})
    affine = nibabel.get("reoriented_affine", nibabel.get("original_affine"))
    if direction is not None:
        axes = np.reshape(direction, (3, 3))
    elif affine is not None:
        axes = np.asarray(affine)[:3, :3] / np.linalg.norm(np.asarray(affine)[:3, :3], axis=0)
    else:
        axes = np.eye(3)
    nifti_axis = int(np.abs(axes[1]).argmax())
    return list(transpose_forward).index(2 - nifti_axis)  # nnU-Net arrays are (z, y, x)


def rotated_patch_size(patch_size: Sequence[int], axis: int) -> tuple[int, ...]:
    """Size to cut so that any rotation about `axis` leaves no empty corner in the final patch.

    >>> rotated_patch_size((128, 128, 128), 1)
    (182, 128, 182)
    """
    diagonal = math.ceil(math.hypot(*(size for i, size in enumerate(patch_size) if i != axis)))
    return tuple(size if i == axis else diagonal for i, size in enumerate(patch_size))


def training_transforms(
    patch_size: Sequence[int], axis: int, *, span: float, use_mask_for_norm: Sequence[bool] | None
) -> BasicTransform:
    """Transforms of one training patch, from :func:`rotated_patch_size` to `patch_size`.

    Takes and gives ``image`` (C, *spatial) float32 and ``segmentation`` (1, *spatial) with -1 outside
    the mask; -1 becomes 0 at the end. Channels that nnU-Net normalised inside the mask stay 0 outside.
    `span` is that of :func:`intensity_span`.
    """
    rotation = SpatialTransform(
        tuple(patch_size), patch_center_dist_from_border=0, random_crop=False,
        p_rotation=0.5, rotation=RotationAbout(axis, MAX_ROTATION_RAD),
        border_mode_seg="constant", padding_value_seg=-1,
    )
    transforms = [
        rotation,
        MirrorTransform(allowed_axes=(0, 1, 2)),
        RandomTransform(UniformShift(SHIFT * span), apply_probability=0.5),
        RandomTransform(GaussianNoiseTransform(NOISE_STD * span, p_per_channel=1, synchronize_channels=True),
                        apply_probability=0.5),
    ]
    masked = [i for i, masked in enumerate(use_mask_for_norm or ()) if masked]
    if masked:
        transforms.append(MaskImageTransform(apply_to_channels=masked, channel_idx_in_seg=0, set_outside_to=0))
    return ComposeTransforms([*transforms, RemoveLabelTansform(-1, 0)])
