"""The recipe's augmentation (TV paper 4.2, as implemented).

Each with probability 1/2: a flip along each axis; a rotation of up to ±90° about the anterior-posterior
axis; a shift of all intensities by up to ±0.1; Gaussian noise of standard deviation 0.1. The last two
are of an image scaled to [0, 1] between its 0.5 and 99.5 percentiles; nnU-Net z-scores instead, so they
are multiplied by 5.15, the distance between those percentiles of a unit normal distribution. Plans that
scale to [0, 1] (imported published weights) leave them as they are.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from nnunet_tv.planning.plans import UnsupportedPlan

#: Distance between the 0.5 and 99.5 percentiles after each of nnU-Net's normalisations.
INTENSITY_SPANS = {"ZScoreNormalization": 5.15, "CTNormalization": 5.15, "RescaleTo01Normalization": 1.0}
#: Largest shift and standard deviation of the noise, as shares of that distance.
SHIFT, NOISE_STD = 0.1, 0.1
MAX_ROTATION_RAD = math.pi / 2
PROBABILITY = 0.5


@dataclass(frozen=True)
class Augmentation:
    """Changes of one patch, drawn before any voxel is read; none by default."""

    angle_rad: float | None = None  #: Rotation about the anterior-posterior axis; None: not rotated.
    flipped: tuple[int, ...] = ()  #: Array axes along which the patch is mirrored, after the rotation.
    shift: float = 0.0  #: Added to all voxels of all channels.
    noise_std: float = 0.0  #: Standard deviation of the noise; 0: none.
    noise_seed: int = 0


def draw_augmentation(rng: np.random.Generator, *, span: float) -> Augmentation:
    """Draw the recipe's augmentation of one patch; `span` is that of :func:`intensity_span`."""
    rotated, shifted, noisy, *mirrored = rng.random(6) < PROBABILITY
    angle, shift, seed = (rng.uniform(-MAX_ROTATION_RAD, MAX_ROTATION_RAD), rng.uniform(-SHIFT * span, SHIFT * span),
                          rng.integers(2**63))  # drawn whether used or not: no draw depends on another
    return Augmentation(
        angle_rad=float(angle) if rotated else None,
        flipped=tuple(axis for axis, flip in enumerate(mirrored) if flip),
        shift=float(shift) if shifted else 0.0,
        noise_std=NOISE_STD * span if noisy else 0.0,
        noise_seed=int(seed),
    )


def change_intensities(image: np.ndarray, augmentation: Augmentation) -> None:
    """Add the shift and the noise (drawn for every voxel of every channel) to a patch (C, *spatial), in place."""
    if augmentation.shift:
        image += np.float32(augmentation.shift)
    if augmentation.noise_std:
        generator = torch.Generator().manual_seed(augmentation.noise_seed)  # torch's is three times as fast as NumPy's
        noise = torch.from_numpy(np.empty(image.shape, np.float32))
        image += noise.normal_(std=augmentation.noise_std, generator=generator).numpy()


def clear_outside(image: np.ndarray, labels: np.ndarray, use_mask_for_norm: Sequence[bool] | None) -> None:
    """Set channels that nnU-Net normalised inside the mask to 0 outside of it (labels of -1), in place.

    `use_mask_for_norm` is the plan's, for each channel; nothing is cleared without it.
    """
    if use_mask_for_norm is None or not any(use_mask_for_norm):
        return
    outside = labels < 0
    for channel, masked in zip(image, use_mask_for_norm, strict=True):
        if masked:
            np.copyto(channel, 0, where=outside)


def intensity_span(normalization_schemes: Sequence[str]) -> float:
    """Distance between the 0.5 and 99.5 percentiles of the normalised channels.

    UnsupportedPlan for a normalisation without an entry in :data:`INTENSITY_SPANS`, or channels of different scales.
    """
    spans = {INTENSITY_SPANS.get(scheme, math.nan) for scheme in normalization_schemes}
    if len(spans) != 1 or any(map(math.isnan, spans)):
        raise UnsupportedPlan(
            "the recipe's intensity augmentation needs one scale for all channels "
            f"({', '.join(INTENSITY_SPANS)}), but the plan normalises by {', '.join(normalization_schemes)}. Plan "
            "again with one of those, or use a loss-only trainer.")
    return spans.pop()


def anterior_posterior_axis(properties: dict, transpose_forward: Sequence[int]) -> int:
    """Array axis nearest to anterior-posterior in a preprocessed case.

    `properties` has the geometry as nnU-Net's reader stores it: SimpleITK's direction, or nibabel's affine (the
    reoriented one if there is one). Without either the second NIfTI axis is used, which is right for RAS and LPS
    images alike. `transpose_forward` is the plan's axis order.
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
