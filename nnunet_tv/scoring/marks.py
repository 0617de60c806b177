"""Voxels that the predictions of a subject mark, as short lists: what a map over all subjects is made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import nibabel as nib
import numpy as np

from nnunet_tv.imaging.grid import Grid
from nnunet_tv.metrics.components import Components
from nnunet_tv.metrics.hit_rules import HitRule
from nnunet_tv.metrics.lesion_matching import LesionMatching


@dataclass(frozen=True, eq=False)
class Marks:
    """Voxels that a group marks in one subject at one stage, in any of its runs.

    Axes point right, front and up, as nearly as the scan's do, whatever the storage order of the file.
    """

    case: str
    group: str
    stage: str
    grid: Grid
    voxels: np.ndarray  #: positions in the flattened volume (last axis fastest), rising, shape (n,), int32
    false: np.ndarray  #: whether a voxel is in a false cluster by the primary hit rule, in any run; shape (n,), bool

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Marks) and all(
            np.array_equal(one, another) if isinstance(one, np.ndarray) else one == another
            for one, another in zip(vars(self).values(), vars(other).values(), strict=True))


def find_marks(clusters: Components, lesions: Components, grid: Grid, *, case: str, group: str, stage: str,
               rule: str) -> Marks:
    """Marks of one prediction on `grid`, whose clusters are true or false by the hit rule."""
    true, _ = LesionMatching(clusters, lesions, grid.spacing_mm).hits(HitRule.parse(rule))
    turn = nib.io_orientation(grid.affine)
    indices = np.empty_like(clusters.voxels)
    shape = [0, 0, 0]
    for axis, (target, direction) in enumerate(turn.astype(int)):
        along = clusters.voxels[:, axis]
        indices[:, target] = along if direction == 1 else grid.shape[axis] - 1 - along
        shape[target] = grid.shape[axis]
    canonical = Grid(tuple(shape), grid.affine @ nib.orientations.inv_ornt_aff(turn, grid.shape))
    voxels = np.ravel_multi_index(tuple(indices.T), canonical.shape).astype(np.int32)
    order = np.argsort(voxels)
    return Marks(case, group, stage, canonical, voxels[order], ~true[clusters.numbers[order]])


def unite(marks: Sequence[Marks]) -> list[Marks]:
    """Join the marks of each case, group and stage on one grid; those on another grid stay apart."""
    found: dict[tuple[str, str, str], list[Marks]] = {}
    for one in marks:
        together = found.setdefault((one.case, one.group, one.stage), [])
        if together and together[-1].grid.matches(one.grid):
            together[-1] = _union(together[-1], one)
        else:
            together.append(one)
    return [one for together in found.values() for one in together]


def _union(first: Marks, second: Marks) -> Marks:
    voxels = np.union1d(first.voxels, second.voxels)
    false = np.zeros(len(voxels), bool)
    for one in (first, second):
        false[np.searchsorted(voxels, one.voxels[one.false])] = True
    return replace(first, voxels=voxels, false=false)
