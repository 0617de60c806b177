"""The clusters found in one patient: size, place, side, region and probability; written as ``clusters.csv``."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
import pandas as pd

from nnunet_tv.brain.atlas import UNKNOWN, region_of
from nnunet_tv.imaging.affine import transform
from nnunet_tv.imaging.clusters import label_clusters
from nnunet_tv.imaging.resample import index_map
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.preparation.provenance import Provenance
from nnunet_tv.utils.files import write_text

LEFT, RIGHT, MIDLINE = "left", "right", "midline"
#: Least share of a cluster on one side of the template's middle plane that makes it left or right.
ONE_SIDED = 0.75


@dataclass(frozen=True)
class Cluster:
    """One cluster of a mask on the patient's own T1w; centroids are scanner or MNI152 coordinates in mm, RAS+."""

    rank: int  #: by mean probability, then peak, then volume; 1 should be reviewed first
    volume_mm3: float  #: on the original T1w
    voxels: int
    native_x_mm: float
    native_y_mm: float
    native_z_mm: float
    mni_x_mm: float | None  #: None without registration to the template
    mni_y_mm: float | None
    mni_z_mm: float | None
    side: str  #: ``left``, ``right`` (of the patient), ``midline``; ``unknown`` without registration to the template
    region: str  #: see :mod:`nnunet_tv.brain.atlas`; ``unknown`` without registration to the template
    lobe: str
    peak_probability: float | None  #: over the cluster's voxels; None without a probability map
    mean_probability: float | None
    mean_deviation: float | None  #: mean of the standard deviation between folds; None with one fold

    @property
    def native_mm(self) -> np.ndarray:
        """Centroid in the T1w's scanner coordinates, shape (3,)."""
        return np.array([self.native_x_mm, self.native_y_mm, self.native_z_mm])


def describe_clusters(
    mask: Volume, record: Provenance, *, probability: Volume | None = None, deviation: Volume | None = None,
    prepared: Volume | None = None,
) -> tuple[list[Cluster], Volume]:
    """Clusters (26 neighbours) of a mask on the patient's T1w, in the order of their ranks.

    A cluster of the filtered mask may fall apart, or touch another, on a coarser grid. With the `prepared` mask (on
    ``record.grid``) each voxel is assigned to the nearest cluster there, so that the number of clusters is the
    filter's. The other volumes are on the grid of the original T1w; the second result holds the ranks there (int32).
    """
    voxels = np.argwhere(mask.data)
    numbers = _cluster_numbers(voxels, mask, record, prepared)
    parts = [voxels[numbers == number] for number in np.unique(numbers)]
    found = sorted(((_measure(part, mask, record, probability, deviation), part) for part in parts),
                   key=lambda pair: _order(pair[0]))
    clusters, labels = [], np.zeros(mask.shape, np.int32)
    for rank, (cluster, part) in enumerate(found, 1):
        clusters.append(replace(cluster, rank=rank))
        labels[tuple(part.T)] = rank
    return clusters, Volume(labels, mask.affine)


def _cluster_numbers(voxels: np.ndarray, mask: Volume, record: Provenance, prepared: Volume | None) -> np.ndarray:
    """Number of the cluster of each voxel, shape (n,)."""
    if prepared is None or not len(voxels):
        return label_clusters(mask.data)[0][tuple(voxels.T)]
    from scipy.spatial import cKDTree

    labels, _ = label_clusters(prepared.data)
    there = np.argwhere(labels)
    to_mm = prepared.affine[:3, :3].T  # for distances the origin is arbitrary
    points = transform(index_map(prepared.grid, mask.grid, world=record.to_grid("T1w")), voxels)
    _, nearest = cKDTree(there @ to_mm).query(points @ to_mm)
    return labels[tuple(there[nearest].T)]


def _order(cluster: Cluster) -> tuple[float, ...]:
    """Sorting key; the place breaks ties."""
    return (-(cluster.mean_probability or 0), -(cluster.peak_probability or 0), -cluster.volume_mm3,
            *cluster.native_mm.tolist())


def focus_mm(labels: Volume, cluster: Cluster) -> np.ndarray:
    """Centre of the cluster's voxel nearest to its centroid, scanner mm: curved clusters do not contain theirs."""
    points = labels.grid.to_mm(np.argwhere(labels.data == cluster.rank))
    return points[np.linalg.norm(points - cluster.native_mm, axis=1).argmin()]


def _measure(voxels: np.ndarray, mask: Volume, record: Provenance, probability: Volume | None,
             deviation: Volume | None) -> Cluster:
    """The cluster of `voxels`, without its rank."""
    points = mask.grid.to_mm(voxels)
    side = region = lobe = UNKNOWN
    mni: tuple[float | None, float | None, float | None] = (None, None, None)
    if record.registration == "mni":
        there = record.to_grid("T1w").apply(points)
        mni = _centroid(there)
        side = side_of(there)
        region, lobe = region_of(there)

    def summary(volume: Volume | None, function=np.mean) -> float | None:
        return None if volume is None else round(float(function(volume.data[tuple(voxels.T)])), 4)

    return Cluster(0, round(len(voxels) * mask.grid.voxel_mm3, 2), len(voxels),
                   *_centroid(points), *mni, side, region, lobe,
                   summary(probability, np.max), summary(probability), summary(deviation))


def _centroid(points_mm: np.ndarray) -> tuple[float, float, float]:
    x, y, z = (round(float(value), 2) for value in points_mm.mean(axis=0))
    return x, y, z


def side_of(points_mm: np.ndarray) -> str:
    """Side of the patient on which template points are, shape (n, 3) in mm, RAS+."""
    left = float((points_mm[:, 0] < 0).mean())
    if left >= ONE_SIDED:
        return LEFT
    return RIGHT if left <= 1 - ONE_SIDED else MIDLINE


def count_text(n: int) -> str:
    """``1 cluster``, ``2 clusters``."""
    return f"{n} cluster{'s' if n > 1 else ''}"


def write_clusters(clusters: Sequence[Cluster], path: str | Path, *, warning: str = "") -> None:
    """Write ``clusters.csv``: one row per cluster, units in the column names; only the header without clusters.

    The column ``model_warning`` contains `warning` in every row.
    """
    names = [field.name for field in fields(Cluster)]
    table = pd.DataFrame(map(asdict, clusters), columns=names).assign(model_warning=warning)
    write_text(table.to_csv(index=False, lineterminator="\n"), path)
