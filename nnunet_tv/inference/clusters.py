"""The clusters found in one patient: size, place, side, region and probability; written as ``clusters.csv``."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
import pandas as pd

from nnunet_tv.brain.atlas import OUTSIDE, UNKNOWN, region_of
from nnunet_tv.brain.sides import side_of
from nnunet_tv.imaging.affine import transform
from nnunet_tv.imaging.clusters import label_clusters
from nnunet_tv.imaging.resample import index_map
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.metrics.components import confidence_key
from nnunet_tv.preparation.provenance import Provenance
from nnunet_tv.utils.files import write_text
from nnunet_tv.utils.numbers import fixed, rounded

#: A cluster with this share of its voxels outside of the brain mask lies outside of the brain.
MOSTLY = 0.5


@dataclass(frozen=True)
class Cluster:
    """One cluster of a mask on the patient's own T1w; centroids are scanner or MNI152 coordinates in mm, RAS+."""

    rank: int  #: by confidence (see :func:`_order`); 1 should be reviewed first
    volume_mm3: float  #: on the original T1w; of a cluster without a voxel there, from the prepared grid
    voxels: int  #: of the original T1w
    native_x_mm: float
    native_y_mm: float
    native_z_mm: float
    mni_x_mm: float | None  #: None without registration to the template
    mni_y_mm: float | None
    mni_z_mm: float | None
    side: str  #: ``left``, ``right`` (of the patient), ``midline``, ``both sides``; ``unknown`` without the template
    region: str  #: see :func:`nnunet_tv.brain.atlas.region_of`; ``unknown`` without registration to the template
    lobe: str
    peak_probability: float | None  #: over the cluster's voxels; None without a probability map
    mean_probability: float | None
    mean_deviation: float | None  #: mean of the standard deviation between folds; None with one fold
    remarks: str = ""  #: what makes the place doubtful: ``outside the brain``, ``at the border of the FLAIR``

    @property
    def native_mm(self) -> np.ndarray:
        """Centroid in the T1w's scanner coordinates, shape (3,)."""
        return np.array([self.native_x_mm, self.native_y_mm, self.native_z_mm])


def describe_clusters(
    mask: Volume, record: Provenance, *, probability: Volume | None = None, deviation: Volume | None = None,
    prepared: Volume | None = None, brain: Volume | None = None,
) -> tuple[list[Cluster], Volume]:
    """Clusters (26 neighbours) of a mask on the patient's T1w, in the order of their ranks.

    A cluster of the filtered mask may fall apart, touch another, or fill no voxel by half on a coarser grid. With the
    `prepared` mask (on ``record.grid``) each voxel is assigned to the nearest cluster there, so that the number of
    clusters is the filter's; those without a voxel come last. `brain` is the brain mask on ``record.grid``. The other
    volumes are on the grid of the original T1w; the second result holds the ranks there (int32).
    """
    voxels = np.argwhere(mask.data)
    numbers = _cluster_numbers(voxels, mask, record, prepared)
    parts = [_Part(mask.grid.to_mm(own), own, len(own), len(own) * mask.grid.voxel_mm3)
             for own in (voxels[numbers == number] for number in np.unique(numbers))]
    parts += _lost(numbers, mask, record, prepared)
    found = sorted(((_measure(part, record, probability, deviation, brain), part) for part in parts),
                   key=lambda pair: _order(pair[0]))
    clusters, labels = [], np.zeros(mask.shape, np.int32)
    for rank, (cluster, part) in enumerate(found, 1):
        clusters.append(replace(cluster, rank=rank))
        if part.count:
            labels[tuple(part.voxels.T)] = rank
    return clusters, Volume(labels, mask.affine)


@dataclass(frozen=True)
class _Part:
    """The points of one cluster."""

    points_mm: np.ndarray  #: scanner mm of the T1w, shape (n, 3)
    voxels: np.ndarray  #: of the T1w, shape (n, 3); those around the points for a cluster without a voxel
    count: int  #: voxels in the mask
    volume_mm3: float


def _lost(numbers: np.ndarray, mask: Volume, record: Provenance, prepared: Volume | None) -> list[_Part]:
    """Clusters of the prepared mask to which no voxel of the T1w was assigned."""
    if prepared is None:
        return []
    labels, n = label_clusters(prepared.data)
    back, result = record.to_grid("T1w").inverse(), []
    for number in sorted({*range(1, n + 1)} - {*numbers.tolist()}):
        points = back.apply(prepared.grid.to_mm(np.argwhere(labels == number)))
        voxels = np.rint(mask.grid.to_indices(points)).clip(0, np.array(mask.shape) - 1).astype(int)
        result.append(_Part(points, voxels, 0, len(points) * prepared.grid.voxel_mm3 * back.volume_ratio))
    return result


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
    """Sorting key: by confidence as in the report, those without a voxel last; the place breaks ties."""
    return (not cluster.voxels,
            *confidence_key(cluster.peak_probability, cluster.mean_probability, cluster.volume_mm3),
            *cluster.native_mm.tolist())


def focus_mm(labels: Volume, cluster: Cluster) -> np.ndarray:
    """Centre of the cluster's voxel nearest to its centroid, scanner mm: curved clusters do not contain theirs."""
    points = labels.grid.to_mm(np.argwhere(labels.data == cluster.rank))
    if not len(points):
        return cluster.native_mm
    return points[np.linalg.norm(points - cluster.native_mm, axis=1).argmin()]


def _measure(part: _Part, record: Provenance, probability: Volume | None, deviation: Volume | None,
             brain: Volume | None) -> Cluster:
    """The cluster of a part, without its rank."""
    points = part.points_mm
    side = region = lobe = UNKNOWN
    mni: tuple[float | None, float | None, float | None] = (None, None, None)
    if record.registration == "mni":
        there = record.to_grid("T1w").apply(points)
        mni = _centroid(there)
        side = side_of(there)
        region, lobe = region_of(there)

    def summary(volume: Volume | None, function=np.mean) -> float | None:
        return None if volume is None else rounded(function(volume.data[tuple(part.voxels.T)]), 4)

    return Cluster(0, rounded(part.volume_mm3, 2), part.count, *_centroid(points), *mni, side, region, lobe,
                   summary(probability, np.max), summary(probability), summary(deviation),
                   "; ".join(_remarks(points, record, brain)))


def _remarks(points_mm: np.ndarray, record: Provenance, brain: Volume | None) -> list[str]:
    """What makes a cluster's place doubtful; points are scanner mm of the T1w, shape (n, 3)."""
    remarks, on_grid = [], record.to_grid("T1w").apply(points_mm)
    if brain is not None:
        indices = np.rint(brain.grid.to_indices(on_grid)).astype(int)
        inside = ((indices >= 0) & (indices < brain.shape)).all(axis=1)
        inside &= brain.data[tuple(indices.clip(0, np.array(brain.shape) - 1).T)] > 0
        if inside.mean() <= 1 - MOSTLY:
            remarks.append(OUTSIDE)
    for channel, grid in record.sources.items():
        indices = grid.to_indices(record.to_grid(channel).inverse().apply(on_grid))
        if ((indices < 0.5) | (indices > np.array(grid.shape) - 1.5)).any():  # in the outermost voxels, or beyond
            remarks.append(f"at the border of the {channel}")
    return remarks


def _centroid(points_mm: np.ndarray) -> tuple[float, float, float]:
    x, y, z = (rounded(value, 2) for value in points_mm.mean(axis=0))
    return x, y, z


def size_text(volume_mm3: float) -> str:
    """Such as ``850 mm³``, and ``12.3 ml`` from 1 ml on."""
    ml = volume_mm3 / 1000
    if 0 < volume_mm3 < 1:
        return "less than 1 mm³"
    return f"{fixed(volume_mm3)} mm³" if ml < 1 else f"{fixed(ml, 1 if ml < 100 else 0)} ml"


def write_clusters(clusters: Sequence[Cluster], path: str | Path, *, warning: str = "") -> None:
    """Write ``clusters.csv``: one row per cluster, units in the column names; only the header without clusters.

    The column ``model_warning`` contains `warning` in every row.
    """
    names = [field.name for field in fields(Cluster)]
    table = pd.DataFrame(map(asdict, clusters), columns=names).assign(model_warning=warning)
    write_text(table.to_csv(index=False, lineterminator="\n"), path)
