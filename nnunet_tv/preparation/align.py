"""The alignments ``t1`` and ``mni``: registrations and brain mask of one case, found once.

Every image is interpolated once: the maps are composed, and the chain resamples from the scan.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from nnunet_tv.brain import methods as brains
from nnunet_tv.imaging.geometry import canonical
from nnunet_tv.imaging.resample import grids_overlap, resample_mask
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.preparation.alignment import Alignment, RegistrationOptions
from nnunet_tv.preparation.provenance import T1_NAMES
from nnunet_tv.registration.backends import Registration, flair_to_t1, get_backend, t1_to_template
from nnunet_tv.registration.template import NAME, template_grid
from nnunet_tv.utils.errors import CaseError

FLAIR = "FLAIR"


def check_options(choices: RegistrationOptions) -> RegistrationOptions:
    """`choices` with ``auto`` replaced by what it means here; what is not installed is said before any case is begun.

    Raises
    ------
    ValueError
        Unknown names.
    NnunetTVError
        Says what to install.
    """
    get_backend(choices.backend)
    return replace(choices, brain=brains.check_method(choices.brain))


def align_to_t1(case: str, scans: Mapping[str, Volume], choices: RegistrationOptions) -> Alignment:
    """Grid of the T1w with its axes turned to RAS; the FLAIR is registered to it."""
    return _align(case, scans, choices, to_mni=False)


def align_to_mni(case: str, scans: Mapping[str, Volume], choices: RegistrationOptions) -> Alignment:
    """Grid of MNI152, 1 mm, 182 x 218 x 182; T1w registered to the template, FLAIR to the T1w."""
    return _align(case, scans, choices, to_mni=True)


def _align(case: str, scans: Mapping[str, Volume], choices: RegistrationOptions, *, to_mni: bool) -> Alignment:
    t1_name = next((name for name in scans if name in T1_NAMES), "T1w")
    if set(scans) != {t1_name, FLAIR}:
        raise CaseError(case, f"registration needs one {t1_name} and one {FLAIR}, found {', '.join(scans)}")
    for name, scan in scans.items():
        if scan.data.min() == scan.data.max():
            raise CaseError(case, f"every voxel of the {name} is {scan.data.flat[0]:g}: nothing can be registered; "
                            "export the scan again")
    backend = get_backend(choices.backend)
    t1, flair = canonical(scans[t1_name]), canonical(scans[FLAIR])
    to_template = t1_to_template(t1, backend=backend)
    if not grids_overlap(template_grid(), t1, world=to_template.matrix):
        raise CaseError(case, f"the {t1_name} was not found on the template: look at the scan and its header")
    to_t1 = flair_to_t1(flair, t1, t1_to_mni=to_template.matrix, backend=backend)
    brain = brains.find_brain(t1, to_template.matrix, method=choices.brain)
    t1_from_mni, flair_from_t1 = np.linalg.inv(to_template.matrix), np.linalg.inv(to_t1.matrix)
    if to_mni:
        grid, to_scan = template_grid(), {t1_name: t1_from_mni, FLAIR: flair_from_t1 @ t1_from_mni}
    else:
        grid, to_scan = Volume(np.zeros(t1.shape, np.uint8), t1.affine), {FLAIR: flair_from_t1}
    mask = None
    if brain is not None:
        mask = brain.mask if to_mni else resample_mask(brain.mask, grid, world=to_template.matrix)
    flags = (*to_template.flags, *to_t1.flags, *(brain.flags if brain else ()))
    return Alignment(grid, to_scan, brain=mask, clip=True, flags=flags, flair_to_t1=to_t1.matrix,
                     t1_to_template=to_template.matrix, details=_details(to_template, to_t1, brain, choices))


def _details(to_template: Registration, to_t1: Registration, brain: brains.Brain | None,
             choices: RegistrationOptions) -> dict[str, Any]:
    return {
        "metrics": {
            "flair_to_t1": to_t1.metrics, "t1_to_template": to_template.metrics,
            "brain": {} if brain is None else brain.metrics,
        },
        "parameters": {
            "flair_to_t1": to_t1.parameters, "t1_to_template": to_template.parameters,
            "brain": {"asked": choices.brain, "method": brain.method if brain else "none",
                      "version": brain.version if brain else ""},
            "template": NAME,
        },
    }
