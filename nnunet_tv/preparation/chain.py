"""One case, from its files to volumes on one identical grid, ready for nnU-Net.

A registration is a function from the scans to an :class:`~nnunet_tv.preparation.alignment.Alignment`: the
grid to work on, where its points lie in each scan, and which of them are brain. The chain does not know
which one it has; a new one is a line in :data:`REGISTRATIONS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from nnunet_tv.brain.methods import clip_to_brain
from nnunet_tv.imaging.resample import grids_overlap, resample_image, resample_mask, share_inside
from nnunet_tv.imaging.volume import Volume, read_mask, read_volume, same_grid
from nnunet_tv.preparation.align import align_to_mni, align_to_t1
from nnunet_tv.preparation.alignment import Alignment, RegistrationOptions
from nnunet_tv.preparation.provenance import Grid, Provenance
from nnunet_tv.utils.errors import CaseError, NnunetTVError

#: Part of what decides whether a converted case is up to date: raise it when the output would differ.
CHAIN_VERSION = 3
#: A lesion whose volume changes by more than this share on its way is noted.
VOLUME_CHANGE = 0.2
#: A lesion of which more than this share lies outside of the brain mask is flagged.
OUTSIDE_BRAIN = 0.2
#: Files that are published on one grid may differ by this share of a voxel: headers are rounded.
ONE_GRID_TOLERANCE = 0.05
#: A scan that covers less than this share of the grid is noted; one that covers less than the second is refused.
COVERAGE, MINIMUM_COVERAGE = 0.5, 0.05


def no_registration(case: str, scans: Mapping[str, Volume], choices: RegistrationOptions) -> Alignment:
    """Grid of the first scan; every scan stays where its own header puts it, with the values it has."""
    return Alignment(next(iter(scans.values())), {})


REGISTRATIONS: dict[str, Callable[[str, Mapping[str, Volume], RegistrationOptions], Alignment]] = {
    "none": no_registration, "t1": align_to_t1, "mni": align_to_mni,
}


@dataclass(frozen=True)
class PreparedCase:
    """What :func:`prepare_case` returns.

    Attributes
    ----------
    images : dict of str to Volume
        float32, in the order of the channels, all on one grid.
    label : Volume
        uint8, 0 and 1, on the same grid; all 0 where there was no mask.
    notes : tuple of str
        What was done that is not self-evident, and what looks odd.
    record : Provenance
        For ``CASE.prep.json``: grids, transforms, metrics, versions, and what must be looked at (``flags``).
    """

    images: dict[str, Volume]
    label: Volume
    notes: tuple[str, ...]
    record: Provenance

    @property
    def flags(self) -> tuple[str, ...]:
        """What a person must look at before trusting the case."""
        return tuple(self.record.flags)

    @property
    def orientation(self) -> str:
        """Axis codes of the first scan as it was found, such as ``PSR``."""
        return "".join(nib.aff2axcodes(next(iter(self.record.sources.values())).matrix()))


def prepare_case(
    case: str,
    channels: Mapping[str, str | Path],
    label: str | Path | None = None,
    *,
    label_on: str | None = None,
    registration: str = "none",
    choices: RegistrationOptions | None = None,
    one_grid: bool = False,
) -> PreparedCase:
    """Read a case's scans and its lesion mask and put all of them on one grid.

    Parameters
    ----------
    case : str
        Case identifier for messages.
    channels : dict of str to Path
        Scans by name, such as ``{"T1w": ..., "FLAIR": ...}``. The first gives the grid when
        `registration` is ``none``.
    label : Path, optional
        Lesion mask; without it the label is all background (a control).
    label_on : str, optional
        Name of the scan on which the mask was drawn; the first if left out. The mask moves with it.
    registration : str
        A key of :data:`REGISTRATIONS`.
    choices : RegistrationOptions, optional
        Backends; the defaults if left out.
    one_grid : bool
        Refuse files that are not on the first scan's grid, instead of placing them by their own headers.

    Returns
    -------
    PreparedCase

    Raises
    ------
    ValueError
        Unknown registration or scan name: the caller's mistake.
    CaseError
        As :func:`~nnunet_tv.imaging.volume.read_volume` and :func:`~nnunet_tv.imaging.volume.read_mask`; grids that do
        not overlap, or with `one_grid` differ; an empty mask; a lesion that lies wholly outside the grid; a
        backend that failed on this case (:func:`~nnunet_tv.preparation.align.check_options` says before
        whether it is installed).
    """
    if registration not in REGISTRATIONS:
        raise ValueError(f"registration is one of {', '.join(REGISTRATIONS)}, not {registration!r}")
    first = next(iter(channels))
    label_on = label_on or first
    if label_on not in channels:
        raise ValueError(f"the mask is drawn on one of {', '.join(channels)}, not {label_on!r}")
    scans = {name: read_volume(path, case=case) for name, path in channels.items()}
    if one_grid:
        for name, scan in scans.items():
            _check_on(case, f"the {name}", scan, scans[first], first, channels[name])
    alignment = _aligned(case, scans, registration, choices or RegistrationOptions())
    notes, flags = list(alignment.notes), list(alignment.flags)
    images = {}
    for name, scan in scans.items():
        placed = _place_scan(case, name, scan, channels[name], alignment, notes, flags)
        images[name] = clip_to_brain(placed, alignment.brain) if alignment.clip else placed
    if label is None:
        target = Volume(np.zeros(alignment.grid.shape, np.uint8), alignment.grid.affine)
    else:
        mask = read_mask(label, case=case)
        if one_grid:
            _check_on(case, "the mask", mask, scans[first], first, label)
        _check_mask(case, mask, label, scans[label_on], label_on, notes)
        target = _place_mask(case, mask, label, alignment, alignment.to_scan.get(label_on), notes, flags)
    record = _record(case, registration, scans, alignment, flags)
    return PreparedCase(images, target, tuple(notes), record)


def _aligned(case: str, scans: Mapping[str, Volume], registration: str, choices: RegistrationOptions) -> Alignment:
    try:
        return REGISTRATIONS[registration](case, scans, choices)
    except CaseError:
        raise
    except NnunetTVError as error:  # a program that fails on one scan must not cost the others
        raise CaseError(case, str(error)) from error


def _record(case: str, registration: str, scans: Mapping[str, Volume], alignment: Alignment,
            flags: list[str]) -> Provenance:
    """What was done to a case; the identity stands for what was not registered."""
    matrices = {name: getattr(alignment, name).tolist() for name in ("flair_to_t1", "t1_to_template")
                if getattr(alignment, name) is not None}
    return Provenance(case, registration, Grid(alignment.grid.shape, alignment.grid.affine.tolist()),
                      {name: Grid(scan.shape, scan.affine.tolist()) for name, scan in scans.items()},
                      flags=list(flags), details={**alignment.details, "chain": CHAIN_VERSION}, **matrices)


def _check_on(case: str, what: str, image: Volume, grid: Volume, name: str, path: str | Path) -> None:
    """Raise where files whose voxels should correspond say otherwise: one of the two headers is wrong."""
    if not same_grid(image, grid, ONE_GRID_TOLERANCE):
        raise CaseError(case, f"expected {what} on the {name}'s grid (shape {grid.shape}, affine "
                        f"{grid.affine.round(3).tolist()}), found shape {image.shape}, affine "
                        f"{image.affine.round(3).tolist()}: download it again; where the voxels do correspond, copy "
                        f"the {name}'s header onto it", path)


def _place_scan(
    case: str, name: str, scan: Volume, path: str | Path, alignment: Alignment, notes: list[str],
    flags: list[str],
) -> Volume:
    grid, world = alignment.grid, alignment.to_scan.get(name)
    if not grids_overlap(scan, grid, world=world):
        raise CaseError(case, f"the {name} lies wholly outside the grid it is wanted on: it is not the same head "
                        "position or not the same person; check the headers of the case's scans", path)
    if scan.data.min() == scan.data.max():
        flags.append(f"{name}: every voxel is {scan.data.flat[0]:g}")
    share = 1.0 if grid is scan else _coverage(grid, scan, world)
    if share < MINIMUM_COVERAGE:
        raise CaseError(case, f"the {name} covers {share:.1%} of the grid it is wanted on, so the channel would be all "
                        "but empty: check the headers of the case's scans", path)
    if share < COVERAGE:
        notes.append(f"{name} covers {share:.0%} of the grid")
    return resample_image(scan, grid, world=world)


def _coverage(grid: Volume, scan: Volume, world: np.ndarray | None) -> float:
    """Share of the grid's voxels inside the scan, from every fourth voxel along each axis."""
    sparse = np.zeros(grid.shape, np.uint8)
    sparse[::4, ::4, ::4] = 1
    inverse = None if world is None else np.linalg.inv(world)
    return share_inside(Volume(sparse, grid.affine), scan, world=inverse)


def _check_mask(
    case: str, mask: Volume, path: str | Path, drawn_on: Volume, name: str, notes: list[str]
) -> None:
    if not mask.data.any():
        raise CaseError(case, "expected a lesion, found an empty mask (every voxel is 0): export the mask again, "
                        "or leave the case out (a list of your own may say that it has no lesion)", path)
    if same_grid(mask, drawn_on):
        return
    if not grids_overlap(mask, drawn_on):
        raise CaseError(case, f"the grid of the mask does not overlap the {name}'s: mask and {name} are not of "
                        "the same scan; find the mask that was drawn on it", path)
    notes.append(f"{Path(path).name}: grid differs from the {name}'s, placed by its own affine")


def _place_mask(
    case: str, mask: Volume, path: str | Path, alignment: Alignment, world: np.ndarray | None, notes: list[str],
    flags: list[str],
) -> Volume:
    grid = alignment.grid
    kept = share_inside(mask, grid, world=world)
    if kept == 0:
        raise CaseError(case, f"of the {int(mask.data.sum())} voxels of the lesion none lies on the grid of the "
                        "images: mask and scans do not belong together, or the scan misses the lesion", path)
    result = resample_mask(mask, grid, world=world)
    if kept < 1:
        notes.append(f"{max(1 - kept, 0.001):.1%} of the lesion's voxels lie outside the grid and are lost")
    size = 1.0 if world is None else abs(float(np.linalg.det(world[:3, :3])))  # scan mm3 per grid mm3
    before, after = _volume_mm3(mask), _volume_mm3(result) * size
    if abs(after / before - 1) > VOLUME_CHANGE:
        changed = f"the lesion's volume changed from {before:.1f} to {after:.1f} mm3 on the grid"
        (flags if alignment.clip and after < before else notes).append(changed)
    if alignment.brain is not None:
        outside = float((alignment.brain.data[result.data > 0] == 0).mean())
        if outside > OUTSIDE_BRAIN:
            flags.append(f"{outside:.0%} of the lesion lies outside of the brain mask: look at both")
    return result


def _volume_mm3(mask: Volume) -> float:
    return float(mask.data.sum()) * abs(float(np.linalg.det(mask.affine[:3, :3])))
