"""Conventions of all pictures of heads: sides, letters at the borders, outlines of masks."""

import nibabel as nib
import numpy as np

from nnunet_tv.imaging.volume import Volume

#: Shown under every picture; holds for arrays from :func:`turned`.
CONVENTION = "Radiological convention: the patient's left is on the image's right."
#: Plane, axes of the (L, A, S) array across and up, letters at the left and right of the picture.
PLANES = (("axial", 0, 1, "R", "L"), ("coronal", 0, 2, "R", "L"), ("sagittal", 1, 2, "P", "A"))
#: Letters at the bottom and top of each plane.
ENDS = {"axial": ("P", "A"), "coronal": ("I", "S"), "sagittal": ("I", "S")}


def turned(volume: Volume) -> tuple[np.ndarray, tuple[float, float, float]]:
    """The array with axes that point left, front and up (most nearly for an oblique scan), and its voxel size in mm.

    Axes are permuted and flipped; nothing is interpolated.
    """
    turn = nib.orientations.ornt_transform(nib.io_orientation(volume.affine), nib.orientations.axcodes2ornt("LAS"))
    left, front, up = (volume.spacing_mm[axis] for axis in np.argsort(turn[:, 0]))
    return nib.apply_orientation(volume.data, turn), (left, front, up)


def outline(mask: np.ndarray, across_mm: float, up_mm: float) -> np.ndarray:
    """Edges between inside and outside pixels of a 2D mask: segments, shape (n, 2 ends, 2 coordinates), in mm."""
    padded = np.pad(mask.astype(np.int8), 1)
    segments = []
    for axis, along in ((0, (0, 1)), (1, (1, 0))):
        start = np.argwhere(np.diff(padded, axis=axis)) - along
        segments.append(np.stack([start, start + along], axis=1))
    return np.concatenate(segments) * (across_mm, up_mm)


def draw_scan(ax, scan: np.ndarray | None, axis: int, index: int, extent: tuple[float, ...]) -> None:
    """Draw the slice of a scan, shape (X, Y, Z), across an axis in grey, from its 1st to its 99.5th percentile.

    Without a scan the background is dark grey. `extent` is that of matplotlib's ``imshow``.
    """
    if scan is None:
        ax.set_facecolor("0.13")
        return
    low, high = np.percentile(scan[scan != 0] if np.any(scan) else scan, (1, 99.5))
    ax.imshow(np.take(scan, index, axis=axis).T, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), extent=extent,
              origin="lower")


def write_letters(ax, plane: tuple[str, int, int, str, str], *, ends: bool = False) -> None:
    """Write the letters of the sides at the left and right border, with `ends` also below and above."""
    name, _, _, left, right = plane
    places = [(0.03, 0.5, left), (0.97, 0.5, right)]
    if ends:
        places += [(0.5, 0.03, ENDS[name][0]), (0.5, 0.97, ENDS[name][1])]
    for x, y, letter in places:
        ax.text(x, y, letter, color="white", fontsize=10, transform=ax.transAxes, ha="center", va="center", zorder=9,
                bbox={"facecolor": "black", "edgecolor": "none", "alpha": 0.8, "pad": 1.5})
    ax.text(0.03, 0.03, name, color="0.75", fontsize=8, transform=ax.transAxes,
            bbox={"facecolor": "black", "edgecolor": "none", "alpha": 0.6, "pad": 1})
