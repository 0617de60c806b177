"""Whether a file can be the lesion mask of a case: its values, volume, and grid against the case's scans."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import nibabel as nib
import numpy as np

from nnunet_tv.imaging.grid import Grid
from nnunet_tv.imaging.volume import read_mask
from nnunet_tv.utils.errors import CaseError

#: A larger "lesion" is a brain mask; adults' brains have at least 700 ml.
LARGEST_ML = 500.0
#: Corners of one grid, with whatever order and direction of axes, differ by less than this share of a voxel.
_CORNER_TOLERANCE = 0.1


@dataclass(frozen=True)
class LesionMask:
    """What a mask contains."""

    ml: float
    centre_mm: tuple[float, float, float]  #: scanner coordinates, RAS+
    drawn_on: tuple[str, ...]  #: channels with the mask's grid, up to order and direction of axes

    def text(self) -> str:
        """Volume, grid and place in one line."""
        on = " and the ".join(self.drawn_on)
        x = self.centre_mm[0]
        return (f"{self.ml:.1f} ml, {f'on the {on}' if on else 'on a grid of its own'}, x {x:.0f} mm "
                f"({'left' if x < 0 else 'right'})")


def check_lesion_mask(case: str, path: Path, scans: Mapping[str, Path]) -> LesionMask:
    """Read the mask at `path` and compare it with the headers of `scans`, by channel.

    Raises
    ------
    CaseError
        As :func:`~nnunet_tv.imaging.volume.read_mask`; an empty mask; the volume of a brain; the shape of a scan in
        another place, as programs leave it that drop the header.
    """
    mask = read_mask(path, case=case)
    indices = np.argwhere(mask.data)
    if not len(indices):
        raise CaseError(case, "expected a lesion, found an empty mask (every voxel is 0): export it again; if the "
                        "person has no lesion, write none as label", path)
    ml = len(indices) * mask.grid.voxel_mm3 / 1000
    if ml > LARGEST_ML:
        raise CaseError(case, f"expected the mask of a lesion, found {ml:.1f} ml, the volume of a brain: name the "
                        "lesion's mask", path)
    grids = {name: grid for name, scan in scans.items() if (grid := _grid(scan))}
    on = tuple(name for name, grid in grids.items() if _same_place(mask.grid, grid))
    alike = [name for name, grid in grids.items() if grid.shape == mask.shape]
    if alike and not on:
        raise CaseError(case, f"the mask has the same shape as the {alike[0]} {tuple(mask.shape)}, but another place "
                        f"in its header (affine {mask.affine.round(2).tolist()}, the {alike[0]}'s "
                        f"{grids[alike[0]].affine.round(2).tolist()}): one of the headers is wrong, so that sides are "
                        "not known. Lay the mask over the scan in a viewer, save it with the scan's header, and look "
                        "at the side again", path)
    x, y, z = mask.grid.to_mm(indices.astype(float)).mean(axis=0).tolist()
    return LesionMask(ml, (x, y, z), on)


def _grid(path: Path) -> Grid | None:
    """Grid of a file by its header alone; None if it cannot be read, which is reported when its voxels are."""
    try:
        image = nib.load(path)
        return Grid(image.shape[:3], np.asarray(image.affine, float))
    except Exception:
        return None


def _same_place(first: Grid, second: Grid) -> bool:
    """Whether two grids have the same voxels, in whatever order."""
    if sorted(first.shape) != sorted(second.shape):
        return False
    corners = [grid.to_mm(np.array(list(product(*((0.0, size - 1.0) for size in grid.shape)))))
               for grid in (first, second)]
    distances = np.linalg.norm(corners[0][:, None] - corners[1][None], axis=-1)
    return bool(distances.min(axis=1).max() < _CORNER_TOLERANCE * min(first.spacing_mm))
