"""Alignment of a case's scans: the grid to work on, the map from it to each scan, and the brain mask.

Every image is interpolated once: the maps are composed, and the chain resamples from the scan.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

from nnunet_tv.brain.brain_mask import brain_on_scan, check_method, find_brain
from nnunet_tv.brain.coverage import find_coverage, missing_brain
from nnunet_tv.brain.registry import WITHOUT_TEMPLATE
from nnunet_tv.imaging.affine import Affine
from nnunet_tv.imaging.grid import Grid
from nnunet_tv.imaging.resample import grids_overlap, resample_mask
from nnunet_tv.imaging.volume import Volume, canonical
from nnunet_tv.preparation.provenance import T1_NAMES
from nnunet_tv.registration.pipeline import flair_to_t1, t1_to_template
from nnunet_tv.registration.plausibility import check_outline
from nnunet_tv.registration.registry import get_backend
from nnunet_tv.registration.template import NAME, TEMPLATE_GRID
from nnunet_tv.utils.errors import CaseError

FLAIR_NAME = "FLAIR"


@dataclass(frozen=True)
class RegistrationOptions:
    """How scans are registered and brains found; ignored for the space ``none``."""

    backend: str = "simpleitk"  #: a key of :data:`nnunet_tv.registration.registry.BACKENDS`
    brain: str = WITHOUT_TEMPLATE  #: a key of :data:`nnunet_tv.brain.registry.BRAIN_METHODS`


def check_options(options: RegistrationOptions) -> RegistrationOptions:
    """`options`; a `ValueError` for unknown names, and a `NnunetTVError` where something is not installed."""
    get_backend(options.backend)
    check_method(options.brain)
    return options


@dataclass(frozen=True)
class Alignment:
    """The grid of a case and the maps from it to the scans."""

    grid: Grid  #: of every output
    #: By scan name, from the scanner space of `grid`; a scan that is not listed is placed by its own header.
    to_scan: Mapping[str, Affine] = field(default_factory=dict)
    notes: tuple[str, ...] = ()  #: for the conversion table
    brain: Volume | None = None  #: uint8 mask on `grid`; images are 0 outside of it
    clip: bool = False  #: whether intensities are limited to percentiles, of the brain where there is a mask
    flags: tuple[str, ...] = ()  #: signs that the alignment is wrong
    flair_to_t1: Affine | None = None
    t1_to_template: Affine | None = None
    details: Mapping[str, Any] = field(default_factory=dict)  #: metrics and parameters for the provenance


def keep_headers(case: str, scans: Mapping[str, Volume], options: RegistrationOptions) -> Alignment:
    """Grid of the first scan; every scan is placed by its own header and keeps its values."""
    return Alignment(next(iter(scans.values())).grid)


def register_scans(case: str, scans: Mapping[str, Volume], options: RegistrationOptions, *, to_mni: bool) -> Alignment:
    """FLAIR registered to the T1w and the T1w to the template.

    With `to_mni` the grid is MNI152 at 1 mm, 182 x 218 x 182; otherwise that of the T1w with RAS axes, and the
    template serves only to find the brain. A :class:`CaseError` for other scans than one T1w (or T1c) and one FLAIR, a
    constant scan, or a T1w that was not found on the template.
    """
    t1_name = next((name for name in scans if name in T1_NAMES), "T1w")
    if set(scans) != {t1_name, FLAIR_NAME}:
        raise CaseError(case, f"registration needs one {t1_name} and one {FLAIR_NAME}, found {', '.join(scans)}")
    for name, scan in scans.items():
        if scan.data.min() == scan.data.max():
            raise CaseError(case, f"every voxel of the {name} is {scan.data.flat[0]:g}: nothing can be registered; "
                            "export the scan again")
    backend = get_backend(options.backend)
    t1, flair = canonical(scans[t1_name]), canonical(scans[FLAIR_NAME])
    on_t1 = brain_on_scan(t1)
    if not on_t1.data.any():
        raise CaseError(case, f"no brain was found in the {t1_name}: look at the scan")
    to_template = t1_to_template(t1, on_t1, backend=backend)
    t1_to_mni = to_template.affine
    if not grids_overlap(TEMPLATE_GRID, t1.grid, world=t1_to_mni):
        raise CaseError(case, f"the {t1_name} was not found on the template: look at the scan and its header")
    to_t1 = flair_to_t1(flair, t1, t1_to_mni=t1_to_mni, backend=backend)
    brain = find_brain(t1, t1_to_mni, method=options.brain)
    t1_to_flair, mni_to_t1 = to_t1.affine.inverse(), t1_to_mni.inverse()
    from_mni = {t1_name: mni_to_t1, FLAIR_NAME: t1_to_flair @ mni_to_t1}
    missing = {name: missing_brain(scan, from_mni[name]) for name, scan in ((t1_name, t1), (FLAIR_NAME, flair))}
    outline, outline_flags = check_outline(brain.outline, ~missing[t1_name])
    to_template = replace(to_template, metrics={**to_template.metrics, **outline},
                          flags=(*outline_flags, *to_template.flags))
    mask = brain.mask
    doubtful = [*from_mni] if to_template.flags else [FLAIR_NAME] if to_t1.flags else []
    coverage = find_coverage(missing, from_mni, doubtful=doubtful)
    if to_mni:
        grid, to_scan = TEMPLATE_GRID, from_mni
    else:
        grid, to_scan = t1.grid, {FLAIR_NAME: t1_to_flair}
        mask = resample_mask(mask, grid, world=t1_to_mni) if mask else None
    details = {
        "metrics": {"flair_to_t1": to_t1.metrics, "t1_to_template": to_template.metrics,
                    "brain": brain.metrics,
                    "coverage": {f"{one.scan}_missing_ml": one.missing_ml for one in coverage}},
        "coverage": [asdict(one) for one in coverage],
        "parameters": {"flair_to_t1": to_t1.parameters, "t1_to_template": to_template.parameters,
                       "brain": {"method": brain.method, "version": brain.version},
                       "template": NAME},
    }
    flags = (*to_template.flags, *to_t1.flags, *brain.flags,
             *(one.text for one in coverage if one.flagged))
    notes = tuple(one.text for one in coverage if one.stated and not one.flagged)
    return Alignment(grid, to_scan, notes=notes, brain=mask, clip=True, flags=flags, flair_to_t1=to_t1.affine,
                     t1_to_template=t1_to_mni, details=details)


#: Values of ``--space``: functions from a case's name, its scans and the options to an alignment.
SPACES: dict[str, Callable[[str, Mapping[str, Volume], RegistrationOptions], Alignment]] = {
    "none": keep_headers,
    "t1": partial(register_scans, to_mni=False),
    "mni": partial(register_scans, to_mni=True),
}
