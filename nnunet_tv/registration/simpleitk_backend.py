"""Registration with SimpleITK, the default: nothing to install beyond the dependencies.

Mattes mutual information from random samples with a fixed seed. Rigid maps: coarse to fine, 4 mm by conjugate
gradients, 2 mm and 1 mm by regular steps. Affine maps, whose starts are affine: conjugate gradients at 2 mm. Images are
first resampled to cubes, so that thick slices have the same weight as thin ones. The result of a level is dropped where
it fits clearly worse than its start, by a measure independent of ITK's sampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from nnunet_tv.imaging.affine import itk_matrix, nearest_rotation, transform
from nnunet_tv.imaging.sampling import at_resolution, crop_around, itk_image, random_points, sample
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.registration.mutual_information import binned, limits, mutual_information

_BINS, _SEED, _SAMPLES = 32, 20221, 120_000
#: Starts with a fit below this share of the best are left out; so is a level's result, against its start.
_PROMISING, _NO_WORSE = 0.7, 0.97
#: Levels finer than this share of the scans' voxels are skipped.
_FINER = 0.6
#: Margin kept around the mask of the fixed image.
_MARGIN_MM = 16.0
_COARSEST = 4.0
_ITERATIONS = {4.0: 40, 2.0: 60, 1.0: 40}
#: Resolution of affine maps: at 1 mm, real scans were not aligned better (docs/preparation.md).
_AFFINE_MM = 2.0


@dataclass(frozen=True)
class SimpleITKBackend:
    """Backend ``simpleitk``; see :class:`~nnunet_tv.registration.registry.Backend`.

    ITK's metric runs in one thread, with which equal inputs give equal bits (SimpleITK 2.5.7, three runs); with two,
    matrices differed by 8e-14. Cases in parallel use the cores better than threads do.
    """

    name: str = "simpleitk"

    def version(self) -> str:
        return sitk.Version_VersionString()

    def align(self, fixed: Volume, moving: Volume, *, degrees_of_freedom: int, fixed_mask: Volume,
              starts: Sequence[np.ndarray]) -> np.ndarray:
        """Refine the best of `starts`, coarse to fine."""
        fit = _Fit(fixed, moving, fixed_mask)
        if degrees_of_freedom == 12:
            best = max(starts, key=fit)
            return self._accepted(fit, best, self._level(fit, best, _AFFINE_MM, 12))
        promising = [start for start in starts if fit(start) > _PROMISING * fit(starts[0])]
        best = max((self._level(fit, start, _COARSEST, 6) for start in promising), key=fit)
        finest_mm = max(min(fixed.spacing_mm), min(moving.spacing_mm))
        for resolution in _ITERATIONS:
            if resolution >= _FINER * finest_mm and resolution != _COARSEST:
                best = self._accepted(fit, best, self._level(fit, best, resolution, 6))
        return best

    def _accepted(self, fit: _Fit, start: np.ndarray, found: np.ndarray) -> np.ndarray:
        """`found` unless it fits clearly worse at 2 mm than its start: blurred images are best a little off."""
        return found if fit(found) > _NO_WORSE * fit(start) else start

    def _level(self, fit: _Fit, start: np.ndarray, resolution_mm: float, degrees_of_freedom: int) -> np.ndarray:
        fixed, moving, mask = fit.level(resolution_mm, start)
        method = sitk.ImageRegistrationMethod()
        method.SetMetricAsMattesMutualInformation(_BINS)
        method.SetMetricFixedMask(mask)
        inside = int(np.count_nonzero(sitk.GetArrayViewFromImage(mask)))
        share = min(1.0, _SAMPLES / max(inside, 1))  # ITK draws from the whole box, then applies the mask
        method.SetMetricSamplingStrategy(method.REGULAR if share == 1 else method.RANDOM)
        method.SetMetricSamplingPercentage(share, _SEED)
        if resolution_mm == _COARSEST or degrees_of_freedom == 12:
            method.SetOptimizerAsConjugateGradientLineSearch(2.0, _ITERATIONS[resolution_mm], 1e-5, 8)
        else:
            method.SetOptimizerAsRegularStepGradientDescent(resolution_mm / 4, 0.01, _ITERATIONS[resolution_mm],
                                                            relaxationFactor=0.6, gradientMagnitudeTolerance=1e-6)
        return optimise(method, fixed, moving, start, fit.centre, degrees_of_freedom)


class _Fit:
    """The two images at every level, and a measure of fit shared by all levels."""

    def __init__(self, fixed: Volume, moving: Volume, mask: Volume):
        self.points = random_points(mask, 60_000)
        self.centre = self.points.mean(axis=0)
        fixed, mask = (crop_around(volume, self.points, _MARGIN_MM) for volume in (fixed, mask))
        self._volumes = (fixed, moving, mask)
        self._levels: dict[float, Any] = {}
        small = [at_resolution(volume, 2.0) for volume in (fixed, moving)]
        self._fixed = binned(sample(small[0], self.points), limits(small[0]))
        self._moving, self._limits = small[1], limits(small[1])

    def level(self, resolution_mm: float, pose: np.ndarray) -> tuple[sitk.Image, sitk.Image, sitk.Image]:
        """Fixed image, moving image and fixed mask in cubes of `resolution_mm`.

        At the finer levels the moving image is cropped to the mask under `pose`: ITK computes gradients of the whole
        image (24 bytes a voxel).
        """
        if resolution_mm in self._levels:
            return self._levels[resolution_mm]
        fixed, moving, mask = self._volumes
        if resolution_mm < _COARSEST:
            moving = crop_around(moving, transform(pose, self.points), _MARGIN_MM)
        where = itk_image(at_resolution(Volume(mask.data.astype(np.float32), mask.affine), resolution_mm)) > 0.5
        images = (itk_image(at_resolution(fixed, resolution_mm)), itk_image(at_resolution(moving, resolution_mm)),
                  sitk.Cast(where, sitk.sitkUInt8))
        if resolution_mm == _COARSEST:  # used by every start
            self._levels[resolution_mm] = images
        return images

    def __call__(self, pose: np.ndarray) -> float:
        return mutual_information(self._fixed, binned(sample(self._moving, transform(pose, self.points)), self._limits))


def optimise(method: sitk.ImageRegistrationMethod, fixed: sitk.Image, moving: sitk.Image, start: np.ndarray,
             centre: np.ndarray, degrees_of_freedom: int) -> np.ndarray:
    """Pose (4 x 4) that `method`, which has its metric and optimiser, finds from `start`, about `centre` (mm).

    Runs in one thread; `start` is returned where too little of the images overlaps.
    """
    method.SetNumberOfThreads(1)
    method.SetNumberOfWorkUnits(1)  # the metric is divided into these, independent of the threads
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerScalesFromPhysicalShift()
    itk = _centred_transform(start, centre, degrees_of_freedom)
    method.SetInitialTransform(itk, inPlace=True)
    try:
        method.Execute(fixed, moving)
    except RuntimeError:
        return start
    return itk_matrix(itk)


def _centred_transform(matrix: np.ndarray, centre: np.ndarray, degrees_of_freedom: int) -> sitk.Transform:
    """SimpleITK transform with a 4 x 4 `matrix`, optimised about `centre` (mm): rigid with 6 degrees of freedom."""
    rigid = degrees_of_freedom == 6
    linear = nearest_rotation(matrix[:3, :3]) if rigid else matrix[:3, :3]
    itk = sitk.VersorRigid3DTransform() if rigid else sitk.AffineTransform(3)
    itk.SetCenter(centre.tolist())
    itk.SetMatrix(linear.ravel().tolist(), *((1e-6,) if rigid else ()))
    itk.SetTranslation((transform(matrix, centre) - centre).tolist())
    return itk
