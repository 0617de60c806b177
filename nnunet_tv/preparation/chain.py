"""Preparation of one case: from its files to volumes on one grid, ready for nnU-Net."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnunet_tv.brain.brain_mask import clip_to_brain
from nnunet_tv.imaging.resample import grids_overlap, resample_image, resample_mask, share_inside
from nnunet_tv.imaging.volume import Volume, read_mask, read_volume, same_grid
from nnunet_tv.preparation.alignment import SPACES, Alignment, RegistrationOptions
from nnunet_tv.preparation.provenance import MAPS, Provenance
from nnunet_tv.utils.errors import CaseError, NnunetTVError

#: Part of what decides whether a converted case is up to date: raise it when the output would differ.
CHAIN_VERSION = 4
#: A lesion whose volume changes by more than this share by resampling is noted.
VOLUME_CHANGE = 0.2
#: A lesion of which more than this share lies outside of the brain mask is flagged.
OUTSIDE_BRAIN = 0.2
#: Files that are published on one grid may differ by this share of a voxel: headers are rounded.
ONE_GRID_TOLERANCE = 0.05
#: A scan that covers less than this share of the grid is noted; one that covers less than the second is refused.
COVERAGE, MINIMUM_COVERAGE = 0.5, 0.05


@dataclass(frozen=True)
class PreparedCase:
    """Result of :func:`prepare_case`."""

    images: dict[str, Volume]  #: float32, in the order of the channels, all on one grid
    label: Volume  #: uint8, 0 and 1, on the same grid; all 0 where there was no mask
    notes: tuple[str, ...]  #: steps that are not self-evident, and oddities of the data
    record: Provenance
    scans: dict[str, Volume]  #: the scans on their own grids
    brain: Volume | None = None  #: brain mask, uint8, on the grid of `images`; None where the skull was kept

    @property
    def flags(self) -> tuple[str, ...]:
        """Reasons to review the case before trusting it."""
        return tuple(self.record.flags)

    @property
    def orientation(self) -> str:
        """Original axis codes of the first scan, such as ``PSR``."""
        return next(iter(self.record.sources.values())).orientation


def prepare_case(
    case: str,
    channels: Mapping[str, str | Path],
    label: str | Path | None = None,
    *,
    label_on: str | None = None,
    space: str = "none",
    registration: RegistrationOptions | None = None,
    one_grid: bool = False,
) -> PreparedCase:
    """Read a case's scans and its lesion mask and resample all of them to one grid.

    Parameters
    ----------
    case : str
        Case identifier for messages.
    channels : dict of str to Path
        Scans by name, such as ``{"T1w": ..., "FLAIR": ...}``. The first gives the grid when `space` is ``none``.
    label : Path, optional
        Lesion mask; without it the label is all background (a control).
    label_on : str, optional
        Name of the scan on which the mask was drawn; the first if left out. The mask moves with it.
    space : str
        A key of :data:`~nnunet_tv.preparation.alignment.SPACES`.
    registration : RegistrationOptions, optional
        Without effect where `space` is ``none``.
    one_grid : bool
        Refuse files that are not on the first scan's grid, instead of placing them by their own headers.

    Raises
    ------
    ValueError
        Unknown space or scan name.
    CaseError
        As :func:`~nnunet_tv.imaging.volume.read_volume` and :func:`~nnunet_tv.imaging.volume.read_mask`; grids that do
        not overlap, or with `one_grid` differ; an empty mask; a lesion wholly outside the grid; a backend that failed
        on this case (:func:`~nnunet_tv.preparation.alignment.check_options` checks whether it is installed).
    """
    if space not in SPACES:
        raise ValueError(f"space is one of {', '.join(SPACES)}, not {space!r}")
    first = next(iter(channels))
    label_on = label_on or first
    if label_on not in channels:
        raise ValueError(f"the mask is drawn on one of {', '.join(channels)}, not {label_on!r}")
    scans = {name: read_volume(path, case=case) for name, path in channels.items()}
    if one_grid:
        for name, scan in scans.items():
            _check_on(case, f"the {name}", scan, scans[first], first, channels[name])
    try:
        alignment = SPACES[space](case, scans, registration or RegistrationOptions())
    except CaseError:
        raise
    except NnunetTVError as error:  # a program that fails on one scan must not cost the others
        raise CaseError(case, str(error)) from error
    placing = _Placing(case, alignment, [*alignment.notes], [*alignment.flags])
    images = {}
    for name, scan in scans.items():
        placed = placing.scan(name, scan, channels[name])
        images[name] = clip_to_brain(placed, alignment.brain) if alignment.clip else placed
    if label is None:
        target = Volume(np.zeros(alignment.grid.shape, np.uint8), alignment.grid.affine)
    else:
        mask = read_mask(label, case=case)
        if one_grid:
            _check_on(case, "the mask", mask, scans[first], first, label)
        target = placing.mask(mask, label, scans[label_on], label_on)
    maps = {name: getattr(alignment, name) for name in MAPS if getattr(alignment, name) is not None}
    record = Provenance(case, space, alignment.grid, {name: scan.grid for name, scan in scans.items()},
                        flags=placing.flags, details={**alignment.details, "chain": CHAIN_VERSION}, **maps)
    return PreparedCase(images, target, tuple(placing.notes), record, scans, alignment.brain)


def _check_on(case: str, what: str, image: Volume, reference: Volume, name: str, path: str | Path) -> None:
    """Raise where the headers of files whose voxels should correspond disagree: one of them is wrong."""
    if not same_grid(image, reference, ONE_GRID_TOLERANCE):
        raise CaseError(case, f"expected {what} on the {name}'s grid (shape {reference.shape}, affine "
                        f"{reference.affine.round(3).tolist()}), found shape {image.shape}, affine "
                        f"{image.affine.round(3).tolist()}: download it again; where the voxels do correspond, copy "
                        f"the {name}'s header onto it", path)


@dataclass
class _Placing:
    """Resampling to the grid of a case; `notes` and `flags` collect what is odd."""

    case: str
    alignment: Alignment
    notes: list[str]
    flags: list[str]

    def scan(self, name: str, scan: Volume, path: str | Path) -> Volume:
        """A scan on the grid."""
        grid, world = self.alignment.grid, self.alignment.to_scan.get(name)
        if not grids_overlap(scan.grid, grid, world=world):
            raise CaseError(self.case, f"the {name} lies wholly outside the grid of the images: it is not the same "
                            "head position or not the same person; check the headers of the case's scans", path)
        if scan.data.min() == scan.data.max():
            self.flags.append(f"{name}: every voxel is {scan.data.flat[0]:g}")
        voxels = np.stack(np.meshgrid(*(np.arange(0, size, 4) for size in grid.shape), indexing="ij"), axis=-1)
        share = share_inside(voxels.reshape(-1, 3), grid, scan.grid, world=world.inverse() if world else None)
        if share < MINIMUM_COVERAGE:
            raise CaseError(self.case, f"the {name} covers {share:.1%} of the grid of the images, so the channel would "
                            "be all but empty: check the headers of the case's scans", path)
        if share < COVERAGE:
            self.notes.append(f"{name} covers {share:.0%} of the grid")
        return resample_image(scan, grid, world=world)

    def mask(self, mask: Volume, path: str | Path, drawn_on: Volume, name: str) -> Volume:
        """A lesion mask that was drawn on the scan `name`, on the grid."""
        if not mask.data.any():
            raise CaseError(self.case, "expected a lesion, found an empty mask (every voxel is 0): export the mask "
                            "again, or leave the case out (a list of your own may mark it as without a lesion)", path)
        if not grids_overlap(mask.grid, drawn_on.grid):
            raise CaseError(self.case, f"the grid of the mask does not overlap the {name}'s: mask and {name} are not "
                            "of the same scan; find the mask that was drawn on it", path)
        if not same_grid(mask, drawn_on):
            self.notes.append(f"{Path(path).name}: grid differs from the {name}'s, placed by its own affine")
        grid, world, brain = self.alignment.grid, self.alignment.to_scan.get(name), self.alignment.brain
        kept = share_inside(np.argwhere(mask.data), mask.grid, grid, world=world)
        if kept == 0:
            raise CaseError(self.case, f"of the {int(mask.data.sum())} voxels of the lesion none lies on the grid of "
                            "the images: mask and scans do not belong together, or the scan misses the lesion", path)
        result = resample_mask(mask, grid, world=world)
        if kept < 1:
            self.notes.append(f"{max(1 - kept, 0.001):.1%} of the lesion's voxels lie outside the grid and are lost")
        before = float(mask.data.sum()) * mask.grid.voxel_mm3
        after = float(result.data.sum()) * grid.voxel_mm3 * (1.0 if world is None else world.volume_ratio)
        if abs(after / before - 1) > VOLUME_CHANGE:
            changed = f"the lesion's volume changed from {before:.1f} to {after:.1f} mm3 on the grid"
            (self.flags if self.alignment.clip and after < before else self.notes).append(changed)
        if brain is not None:
            outside = float((brain.data[result.data > 0] == 0).mean())
            if outside > OUTSIDE_BRAIN:
                self.flags.append(f"{outside:.0%} of the lesion lies outside of the brain mask: look at both")
        return result
