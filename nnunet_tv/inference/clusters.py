"""What was found in one patient, cluster by cluster: how large, how sure, where; as ``clusters.csv``."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from io import StringIO
from pathlib import Path

import numpy as np

from nnunet_tv.imaging.affine import transform
from nnunet_tv.imaging.clusters import label_clusters
from nnunet_tv.imaging.resample import index_map
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.inference.atlas import UNKNOWN, region_of
from nnunet_tv.preparation.provenance import Provenance
from nnunet_tv.utils.files import write_text

LEFT, RIGHT, MIDLINE = "left", "right", "midline"
#: Least share of a cluster on one side of the template's middle plane that makes it left or right.
ONE_SIDED = 0.75


@dataclass(frozen=True)
class Cluster:
    """One cluster of a mask on the patient's own T1w.

    Attributes
    ----------
    rank : int
        1 is the one to look at first: highest mean probability, then highest peak, then largest.
    volume_mm3, voxels : float, int
        On the T1w as it came.
    native_x_mm, native_y_mm, native_z_mm : float
        Centroid in the T1w's scanner coordinates, RAS+.
    mni_x_mm, mni_y_mm, mni_z_mm : float or None
        Centroid in MNI152 space; None if the case was not registered to it.
    side : str
        ``left`` or ``right`` of the patient where at least three quarters of the cluster lie on that side of
        the template, else ``midline``; ``unknown`` without registration to the template.
    region, lobe : str
        See :mod:`nnunet_tv.inference.atlas`; ``unknown`` without registration to the template.
    peak_probability, mean_probability : float or None
        Over the cluster's voxels; None without a probability map.
    mean_deviation : float or None
        Mean over the cluster of the standard deviation between folds; None with one fold.
    """

    rank: int
    volume_mm3: float
    voxels: int
    native_x_mm: float
    native_y_mm: float
    native_z_mm: float
    mni_x_mm: float | None
    mni_y_mm: float | None
    mni_z_mm: float | None
    side: str
    region: str
    lobe: str
    peak_probability: float | None
    mean_probability: float | None
    mean_deviation: float | None

    @property
    def native_mm(self) -> np.ndarray:
        """Centroid in the T1w's scanner coordinates, shape (3,)."""
        return np.array([self.native_x_mm, self.native_y_mm, self.native_z_mm])


def describe_clusters(
    mask: Volume, record: Provenance, *, probability: Volume | None = None, deviation: Volume | None = None,
    prepared: Volume | None = None,
) -> tuple[list[Cluster], np.ndarray]:
    """Clusters (26 neighbours) of a mask on the patient's T1w, in the order of their ranks.

    What the filter let through as one cluster may fall apart, or touch another, on a coarser grid. With the
    `prepared` mask each voxel belongs to the cluster that is nearest to it there, so that the filter's clusters
    are counted.

    Parameters
    ----------
    mask : Volume
        0 and 1, on the T1w as it came.
    record : Provenance
        Of the case.
    probability, deviation : Volume, optional
        On the same grid: lesion probability, and its standard deviation between folds.
    prepared : Volume, optional
        The mask before it was brought back, on ``record.grid``.

    Returns
    -------
    clusters : list of Cluster
    labels : ndarray, shape of the mask, int32
        0 outside, else the cluster's rank.
    """
    voxels = np.argwhere(mask.data)
    numbers = _numbers(voxels, mask, record, prepared)
    parts = [voxels[numbers == number] for number in np.unique(numbers)]
    found = [_measured(voxels, mask, record, probability, deviation) for voxels in parts]
    first = sorted(range(len(found)), key=lambda i: _order(found[i]))
    labels = np.zeros(mask.shape, np.int32)
    clusters = []
    for rank, i in enumerate(first, 1):
        clusters.append(Cluster(**{**asdict(found[i]), "rank": rank}))
        labels[tuple(parts[i].T)] = rank
    return clusters, labels


def _numbers(voxels: np.ndarray, mask: Volume, record: Provenance, prepared: Volume | None) -> np.ndarray:
    """Number of the cluster that each voxel belongs to, shape (n,)."""
    if prepared is None or not len(voxels):
        return label_clusters(mask.data)[0][tuple(voxels.T)]
    from scipy.spatial import cKDTree

    labels, _ = label_clusters(prepared.data)
    there = np.argwhere(labels)
    world = prepared.affine[:3, :3]  # distances in mm, wherever the origin
    matrix = index_map(prepared.grid, mask.grid, world=record.to_grid("T1w"))
    points = transform(matrix, voxels)
    _, nearest = cKDTree(there @ world.T).query(points @ world.T)
    return labels[tuple(there[nearest].T)]


def _order(cluster: Cluster) -> tuple:
    """Sorting key; the place makes it complete."""
    return (-(cluster.mean_probability or 0), -(cluster.peak_probability or 0), -cluster.volume_mm3,
            *cluster.native_mm.tolist())


def focus_mm(labels: Volume, cluster: Cluster) -> np.ndarray:
    """Centre of the cluster's voxel that is nearest to its centroid, scanner mm: the centroid of a curved cluster
    may lie beside it.
    """
    voxels = np.argwhere(labels.data == cluster.rank)
    points = voxels @ labels.affine[:3, :3].T + labels.affine[:3, 3]
    return points[np.linalg.norm(points - cluster.native_mm, axis=1).argmin()]


def _measured(voxels: np.ndarray, mask: Volume, record: Provenance, probability: Volume | None,
              deviation: Volume | None) -> Cluster:
    points = voxels @ mask.affine[:3, :3].T + mask.affine[:3, 3]
    centre = points.mean(axis=0)
    mni, side, region, lobe = [None] * 3, UNKNOWN, UNKNOWN, UNKNOWN
    if record.registration == "mni":
        there = record.to_grid("T1w").apply(points)
        mni = [round(float(value), 2) for value in there.mean(axis=0)]
        side = side_of(there)
        region, lobe = region_of(there)
    values = None if probability is None else probability.data[tuple(voxels.T)]
    spread = None if deviation is None else deviation.data[tuple(voxels.T)]
    return Cluster(
        0, round(len(voxels) * abs(float(np.linalg.det(mask.affine[:3, :3]))), 2), len(voxels),
        *(round(float(value), 2) for value in centre), *mni, side, region, lobe,
        None if values is None else round(float(values.max()), 4),
        None if values is None else round(float(values.mean()), 4),
        None if spread is None else round(float(spread.mean()), 4))


def side_of(points_mm: np.ndarray) -> str:
    """Side of the patient on which template points lie, shape (n, 3) in mm, RAS+."""
    left = float((points_mm[:, 0] < 0).mean())
    if left >= ONE_SIDED:
        return LEFT
    return RIGHT if left <= 1 - ONE_SIDED else MIDLINE


def write_clusters(clusters: Sequence[Cluster], path: str | Path) -> None:
    """Write ``clusters.csv``: a row per cluster, units in the names; the header alone where there is none."""
    text = StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Cluster)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(cluster) for cluster in clusters)
    write_text(text.getvalue(), path)
