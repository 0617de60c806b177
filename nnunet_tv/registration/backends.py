"""Which points of one scan are which of another: FLAIR to T1w (rigid), T1w to the template (affine).

Matrices are 4 x 4, RAS+ mm, and map points of the first scan to points of the second. What aligns is a
backend; what judges the result is not: :mod:`nnunet_tv.preparation.plausibility` looks at every result the
same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol

import numpy as np
import SimpleITK as sitk

from nnunet_tv.imaging.resample import resample_mask
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.preparation.plausibility import check_flair, check_template
from nnunet_tv.registration.block_matching import balanced_affine
from nnunet_tv.registration.initial_pose import candidate_poses
from nnunet_tv.registration.mutual_information import itk_image
from nnunet_tv.registration.template import load_template

#: Names for ``--registration``: module and class.
BACKENDS = {
    "simpleitk": ("nnunet_tv.registration.simpleitk_backend", "SimpleITKBackend"),
    "fsl": ("nnunet_tv.registration.fsl_backend", "FSLBackend"),
    "greedy": ("nnunet_tv.registration.greedy_backend", "GreedyBackend"),
}
#: A T1w and the template are compared this far around the brain (beyond it the template is empty), T1w and
#: FLAIR as far as the scalp: with 12 mm the errors on phantoms were half of those with 3 mm.
TEMPLATE_MARGIN_MM, FLAIR_MARGIN_MM = 3, 12


class Backend(Protocol):
    """What aligns two scans: one method."""

    name: str

    def version(self) -> str:
        """Version of the program behind it."""

    def align(self, fixed: Volume, moving: Volume, *, degrees_of_freedom: int, fixed_mask: Volume,
              starts: Sequence[np.ndarray]) -> np.ndarray:
        """Refine a pose.

        Parameters
        ----------
        fixed, moving : Volume
            Axes near RAS.
        degrees_of_freedom : int
            6 (rigid) or 12 (affine).
        fixed_mask : Volume
            Where on `fixed` the two are compared.
        starts : sequence of ndarray, shape (4, 4)
            Rigid poses to start from, most promising first.

        Returns
        -------
        ndarray, shape (4, 4)
            Points of `fixed` to points of `moving`, RAS+ mm.
        """


@dataclass(frozen=True)
class Registration:
    """One result and how it looks.

    Attributes
    ----------
    matrix : ndarray, shape (4, 4)
        Points of the first scan to points of the second, RAS+ mm.
    metrics : dict of str to float
        Measures of fit, named with their units.
    flags : tuple of str
        What speaks against the result; empty if nothing does.
    parameters : dict
        Backend, version, degrees of freedom.
    """

    matrix: np.ndarray
    metrics: dict[str, float]
    flags: tuple[str, ...] = ()
    parameters: dict[str, Any] = field(default_factory=dict)


def get_backend(name: str) -> Backend:
    """Backend by name.

    Raises
    ------
    ValueError
        A name that is not in :data:`BACKENDS`.
    NnunetTVError
        The program behind it is not installed; says what to install.
    """
    if name not in BACKENDS:
        raise ValueError(f"registration backend is one of {', '.join(BACKENDS)}, not {name!r}")
    module, attribute = BACKENDS[name]
    factory: Callable[[], Backend] = getattr(import_module(module), attribute)
    return factory()


def t1_to_template(t1: Volume, *, backend: Backend) -> Registration:
    """Affine map (12 degrees of freedom) from the T1w to MNI152.

    What the backend finds is balanced over blocks of the brain: on phantoms whose brains differ from the
    template by bends of 2.5 to 2.8 mm, mean errors against the best affine map fell from 1.0 to 0.4 mm.

    Parameters
    ----------
    t1 : Volume
        Whole head, axes near RAS (:func:`~nnunet_tv.imaging.geometry.canonical`).
    backend : Backend
        What aligns.

    Returns
    -------
    Registration
        ``matrix`` maps scanner mm of the T1w to MNI mm.
    """
    template, mask = load_template(), template_region()
    starts = candidate_poses(template.t1, t1, mask, header_pose=False)
    to_t1 = backend.align(template.t1, t1, degrees_of_freedom=12, fixed_mask=mask, starts=starts)
    to_t1 = balanced_affine(to_t1, template.t1, t1, template.brain)
    metrics, flags = check_template(to_t1, t1)
    return Registration(np.linalg.inv(to_t1), metrics, flags, _parameters(backend, 12))


def flair_to_t1(flair: Volume, t1: Volume, *, t1_to_mni: np.ndarray, backend: Backend) -> Registration:
    """Rigid map (6 degrees of freedom) from the FLAIR to the T1w of the same person.

    Parameters
    ----------
    flair, t1 : Volume
        Axes near RAS.
    t1_to_mni : ndarray, shape (4, 4)
        From :func:`t1_to_template`. It tells where the brain is: neck and jaw move on their own.
    backend : Backend
        What aligns.

    Returns
    -------
    Registration
        ``matrix`` maps scanner mm of the FLAIR to scanner mm of the T1w.

    Raises
    ------
    ValueError
        No part of the template's brain lies on `t1`.
    """
    region = resample_mask(template_region(FLAIR_MARGIN_MM), t1, world=t1_to_mni)
    brain = resample_mask(load_template().brain, t1, world=t1_to_mni)
    if not brain.data.any():
        raise ValueError("no part of the template's brain lies on the T1w")
    starts = candidate_poses(t1, flair, region, header_pose=True)
    to_flair = backend.align(t1, flair, degrees_of_freedom=6, fixed_mask=region, starts=starts)
    metrics, flags = check_flair(to_flair, flair, t1, brain)
    return Registration(np.linalg.inv(to_flair), metrics, flags, _parameters(backend, 6))


def template_region(margin_mm: int = TEMPLATE_MARGIN_MM) -> Volume:
    """The template's brain and `margin_mm` around it, uint8, on the template's grid."""
    brain = load_template().brain
    grown = sitk.BinaryDilate(sitk.Cast(itk_image(brain), sitk.sitkUInt8), [margin_mm] * 3, sitk.sitkBall)
    return Volume(np.ascontiguousarray(sitk.GetArrayFromImage(grown).T), brain.affine)


def _parameters(backend: Backend, degrees_of_freedom: int) -> dict[str, Any]:
    return {"backend": backend.name, "version": backend.version(), "degrees_of_freedom": degrees_of_freedom}
