"""What was found in one patient, cluster by cluster: how large, how sure, where; as ``clusters.csv``."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from io import StringIO
from pathlib import Path

import numpy as np

from nnunet_tv.clusters import label_clusters
from nnunet_tv.files import write_text
from nnunet_tv.inference.atlas import UNKNOWN, region_of
from nnunet_tv.preparation.record import PrepRecord
from nnunet_tv.volume import Volume

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
    mask: Volume, record: PrepRecord, *, probability: Volume | None = None, deviation: Volume | None = None
) -> tuple[list[Cluster], np.ndarray]:
    """Clusters (26 neighbours) of a mask on the patient's T1w, in the order of their ranks.

    Parameters
    ----------
    mask : Volume
        0 and 1, on the T1w as it came.
    record : PrepRecord
        Of the case.
    probability, deviation : Volume, optional
        On the same grid: lesion probability, and its standard deviation between folds.

    Returns
    -------
    clusters : list of Cluster
    labels : ndarray, shape of the mask, int32
        0 outside, else the cluster's rank.
    """
    numbered, n = label_clusters(mask.data)
    order = np.argsort(numbered.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(numbered.ravel(), minlength=n + 1))
    parts = [np.stack(np.unravel_index(order[ends[number - 1]:ends[number]], mask.shape), axis=1)
             for number in range(1, n + 1)]
    found = [_measured(voxels, mask, record, probability, deviation) for voxels in parts]
    first = sorted(range(n), key=lambda i: (-(found[i].mean_probability or 0), -(found[i].peak_probability or 0),
                                            -found[i].volume_mm3, tuple(found[i].native_mm)))
    labels = np.zeros(mask.shape, np.int32)
    clusters = []
    for rank, i in enumerate(first, 1):
        clusters.append(Cluster(**{**asdict(found[i]), "rank": rank}))
        labels[tuple(parts[i].T)] = rank
    return clusters, labels


def _measured(voxels: np.ndarray, mask: Volume, record: PrepRecord, probability: Volume | None,
              deviation: Volume | None) -> Cluster:
    points = voxels @ mask.affine[:3, :3].T + mask.affine[:3, 3]
    centre = points.mean(axis=0)
    mni, side, region, lobe = [None] * 3, UNKNOWN, UNKNOWN, UNKNOWN
    if record.registration == "mni":
        world = record.to_grid("T1w")
        there = points @ world[:3, :3].T + world[:3, 3]
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
