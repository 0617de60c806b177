"""Masks and maps from the prepared grid on the grids of the original scans.

Each voxel of a scan gets the mean of 3³ samples spread evenly over it, so that a thick slice averages over its whole
thickness. Masks are thresholded at one half of that mean.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from nibabel.affines import from_matvec

from nnunet_tv.imaging.affine import Affine, transform
from nnunet_tv.imaging.clusters import bounding_box, label_clusters
from nnunet_tv.imaging.grid import Grid
from nnunet_tv.imaging.resample import index_map, resample_image
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.preparation.provenance import Provenance
from nnunet_tv.utils.numbers import fixed

#: Samples along each axis of a voxel.
SAMPLES = 3
#: Probabilities are rounded to this step, which is finer than nnU-Net's half-precision logits and compresses well.
STEP = 1e-3
#: Voxels of a scan that are sampled at a time; bounds memory.
_SLAB = 1 << 22
#: Largest deviation of an index map from whole numbers at which no voxel is divided.
_WHOLE = 1e-4


@dataclass(frozen=True)
class NativeResult:
    """A segmentation and its maps on the grids of the original scans."""

    case: str
    volumes: dict[str, dict[str, Volume]]  #: by channel and kind: ``""`` (the mask, uint8), ``prob``, ``std`` (float32)
    notes: tuple[str, ...]  #: clusters that a scan's mask does not contain


def to_native_grids(record: Provenance, mask: Volume, maps: Mapping[str, Volume]) -> NativeResult:
    """A mask (0, 1), and maps by kind (``prob``, ``std``), from ``record.grid`` on the grids of all scans of a case."""
    volumes, notes = {}, []
    for channel in record.sources:
        native = mask_to_native(mask, record, channel)
        for centre in lost_clusters(mask, native, record, channel):
            place = ", ".join(map(fixed, centre))
            notes.append(f"a cluster at ({place}) mm fills no voxel of the {channel} by half and is not in its mask")
        volumes[channel] = {"": native, **{kind: probability_to_native(volume, record, channel)
                                           for kind, volume in maps.items()}}
    return NativeResult(record.case, volumes, tuple(notes))


def to_native(volume: Volume, record: Provenance, channel: str) -> Volume:
    """Values >= 0 on ``record.grid`` (a mask, a probability), averaged over each voxel of the scan of a channel.

    The result is float32, and 0 where the prepared grid does not reach. Where the two grids have the same voxels
    (perhaps in another order), the values are unchanged.
    """
    target, world = record.sources[channel], record.to_grid(channel)
    result = np.zeros(target.shape, np.float32)
    support = bounding_box(volume.data > 0)
    # one voxel around, so that the interpolation falls to 0 as it would in the whole volume
    support = tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in support)
    cropped = Volume(np.ascontiguousarray(volume.data[support], np.float32),
                     _moved(volume.affine, [side.start for side in support]))
    if cropped.data.any():
        for slab in _slabs(_reach(cropped.grid, target, world)):
            part = Grid(result[slab].shape, _moved(target.affine, [side.start for side in slab]))
            result[slab] = _averaged(cropped, part, world)
    return Volume(result, target.affine)


def mask_to_native(mask: Volume, record: Provenance, channel: str) -> Volume:
    """A mask of 0 and 1 on a source scan's grid: :func:`to_native`, then >= 0.5; uint8."""
    mean = to_native(mask, record, channel)
    return Volume((mean.data >= 0.5).astype(np.uint8), mean.affine)


def probability_to_native(probability: Volume, record: Provenance, channel: str) -> Volume:
    """A probability (or its standard deviation) on a source scan's grid, rounded to :data:`STEP`; float32."""
    data = np.where(probability.data < STEP / 2, 0, probability.data)
    mean = to_native(Volume(data, probability.affine), record, channel)
    return Volume((np.rint(mean.data / STEP) * STEP).astype(np.float32), mean.affine)


def lost_clusters(mask: Volume, native: Volume, record: Provenance, channel: str) -> list[np.ndarray]:
    """Clusters of a prepared mask without a voxel on a scan's grid: their centres, scanner mm of the scan, RAS+."""
    labels, n = label_clusters(mask.data)
    matrix = index_map(mask.grid, native.grid, world=record.to_grid(channel))
    seen = set()
    voxels = np.argwhere(native.data)
    for offset in _offsets(SAMPLES):
        points = np.rint(transform(matrix, voxels + offset)).astype(int)
        inside = ((points >= 0) & (points < mask.shape)).all(axis=1)
        seen |= set(np.unique(labels[tuple(points[inside].T)]).tolist())
    back = record.to_grid(channel).inverse()
    return [back.apply(mask.grid.to_mm(np.argwhere(labels == number).mean(axis=0)))
            for number in range(1, n + 1) if number not in seen]


def _moved(affine: np.ndarray, voxels: Sequence[float] | np.ndarray) -> np.ndarray:
    return affine @ from_matvec(np.eye(3), voxels)


def _offsets(samples: int) -> list[np.ndarray]:
    """Centres of the parts of a voxel that is divided along each axis, in voxels."""
    steps = (np.arange(samples) + 0.5) / samples - 0.5
    return [np.array(offset) for offset in itertools.product(steps, repeat=3)]


def _reach(source: Grid, target: Grid, world: Affine) -> tuple[slice, ...]:
    """Box of the target's voxels that the source can touch."""
    back = np.linalg.inv(index_map(source, target, world=world))
    indices = transform(back, np.array(list(itertools.product(*((-1.0, float(side)) for side in source.shape)))))
    low = np.clip(np.floor(indices.min(axis=0)).astype(int) - 1, 0, target.shape)
    high = np.clip(np.ceil(indices.max(axis=0)).astype(int) + 2, 0, target.shape)
    return tuple(slice(int(first), int(max(first, last))) for first, last in zip(low, high, strict=True))


def _slabs(box: tuple[slice, ...]) -> list[tuple[slice, ...]]:
    """`box` in pieces along its last axis."""
    sides = [side.stop - side.start for side in box]
    if not all(sides):
        return []
    thick = max(1, _SLAB // (sides[0] * sides[1]))
    return [(*box[:2], slice(start, min(start + thick, box[2].stop)))
            for start in range(box[2].start, box[2].stop, thick)]


def _averaged(source: Volume, target: Grid, world: Affine) -> np.ndarray:
    matrix = index_map(source.grid, target, world=world)
    whole = np.abs(matrix - np.rint(matrix)).max() < _WHOLE and abs(abs(np.linalg.det(matrix)) - 1) < _WHOLE
    offsets = _offsets(1 if whole else SAMPLES)
    total = np.zeros(target.shape, np.float32)
    for offset in offsets:
        total += resample_image(source, Grid(target.shape, _moved(target.affine, offset)), world=world).data
    return total / len(offsets)
