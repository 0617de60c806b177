"""Matching of a prediction's clusters with a reference's lesions, under each hit rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from scipy.spatial import KDTree

from nnunet_tv.metrics.components import Components
from nnunet_tv.metrics.distances import nearest_mm, on_surface
from nnunet_tv.metrics.hit_rules import ANY, CENTER, OVERLAP, HitRule


@dataclass(frozen=True)
class LesionMatching:
    """Clusters and lesions on one grid.

    Attributes
    ----------
    clusters, lesions : Components
        Of the prediction and of the reference.
    spacing_mm : sequence of 3 floats
        Voxel size in mm, in the order of the axes.
    """

    clusters: Components
    lesions: Components
    spacing_mm: Sequence[float]

    @cached_property
    def overlaps(self) -> tuple[np.ndarray, np.ndarray]:
        """Pairs (cluster, lesion) that share voxels, shape (k, 2), and how many, shape (k,)."""
        predicted, reference = self.clusters.index(), self.lesions.index()
        _, at_cluster, at_lesion = np.intersect1d(predicted, reference, assume_unique=True, return_indices=True)
        codes = self.clusters.numbers[at_cluster] * max(len(self.lesions), 1) + self.lesions.numbers[at_lesion]
        pairs, counts = np.unique(codes, return_counts=True)
        return np.stack(np.divmod(pairs, max(len(self.lesions), 1)), axis=1), counts

    @cached_property
    def cluster_overlap(self) -> np.ndarray:
        """Voxels of each cluster in the reference, shape (clusters,), int64."""
        pairs, counts = self.overlaps
        return np.bincount(pairs[:, 0], counts, minlength=len(self.clusters)).astype(np.int64)

    @cached_property
    def lesion_overlap(self) -> np.ndarray:
        """Voxels of each lesion in the prediction, shape (lesions,), int64."""
        pairs, counts = self.overlaps
        return np.bincount(pairs[:, 1], counts, minlength=len(self.lesions)).astype(np.int64)

    @cached_property
    def _surfaces(self) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
        """Surface points in mm and their components, of clusters and of lesions."""
        result = []
        for part in (self.clusters, self.lesions):
            outer = on_surface(part.mask, part.voxels)
            result.append((part.voxels[outer] * np.asarray(self.spacing_mm, float), part.numbers[outer]))
        return tuple(result)

    def surface_points_mm(self) -> tuple[np.ndarray, np.ndarray]:
        """Surface points of prediction and reference in mm, shapes (n, 3) and (m, 3)."""
        return self._surfaces[0][0], self._surfaces[1][0]

    @cached_property
    def distances_mm(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Smallest distance of each cluster to the reference and of each lesion to the prediction; None if empty.

        The nearest voxels of two separate masks are on their surfaces; 0 where a voxel is shared.
        """
        if not (len(self.clusters) and len(self.lesions)):
            return None
        (predicted, clusters), (reference, lesions) = self._surfaces
        result = []
        for points, numbers, others, overlap in ((predicted, clusters, reference, self.cluster_overlap),
                                                 (reference, lesions, predicted, self.lesion_overlap)):
            least = np.full(len(overlap), np.inf)
            np.minimum.at(least, numbers, nearest_mm(points, others))
            least[overlap > 0] = 0.0
            result.append(least)
        return tuple(result)

    @cached_property
    def centre_pairs(self) -> np.ndarray:
        """Pairs (cluster, lesion that contains its centre of mass), shape (k, 2)."""
        sizes = self.clusters.sizes[:, None]
        sums = np.stack([np.bincount(self.clusters.numbers, self.clusters.voxels[:, axis], minlength=len(sizes))
                         for axis in range(3)], axis=1).astype(np.int64)
        # Nearest whole numbers to sums / sizes, in whole numbers: two where it is halfway.
        below, above = -((sizes - 2 * sums) // (2 * sizes)), (2 * sums + sizes) // (2 * sizes)
        reference = self.lesions.index()
        found = set()
        for choice in product((below, above), repeat=3):
            voxels = [side[:, axis] for axis, side in enumerate(choice)]
            codes = np.ravel_multi_index(voxels, self.clusters.mask.shape)
            at = np.searchsorted(reference, codes)
            inside = np.flatnonzero(at < len(reference))
            inside = inside[reference[at[inside]] == codes[inside]]
            found.update(zip(inside.tolist(), self.lesions.numbers[at[inside]].tolist(), strict=True))
        return np.array(sorted(found), np.int64).reshape(-1, 2)

    def near_pairs(self, rule: HitRule) -> np.ndarray:
        """Pairs (cluster, lesion) that are near enough for a rule ``distance:D``, shape (k, 2)."""
        (points, clusters), (reference, lesions) = self._surfaces
        found = [self.overlaps[0]]
        for lesion in range(len(self.lesions)):
            if not len(points):
                break
            tree = KDTree(reference[lesions == lesion])
            near = np.unique(clusters[tree.query(points)[0] <= rule.limit_mm])
            found.append(np.stack([near, np.full(len(near), lesion)], axis=1))
        return np.unique(np.concatenate(found), axis=0)

    def true_clusters(self, rule: HitRule) -> np.ndarray:
        """Which clusters are true, shape (clusters,), bool."""
        return self._met(rule, self.clusters, self.cluster_overlap, 0)

    def found_lesions(self, rule: HitRule) -> np.ndarray:
        """Which lesions are found, shape (lesions,), bool."""
        return self._met(rule, self.lesions, self.lesion_overlap, 1)

    def _met(self, rule: HitRule, parts: Components, overlap: np.ndarray, side: int) -> np.ndarray:
        if rule.kind == ANY:
            return overlap > 0
        if rule.kind == OVERLAP:
            return _enough(rule, overlap, parts.sizes)
        if rule.kind == CENTER:
            return np.isin(np.arange(len(parts)), self.centre_pairs[:, side])
        return np.zeros(len(parts), bool) if self.distances_mm is None else self.distances_mm[side] <= rule.limit_mm

    def finders(self, rule: HitRule) -> np.ndarray:
        """Pairs (cluster, lesion that this cluster finds on its own), shape (k, 2).

        Under ``overlap:F`` the cluster alone must cover the share F of the lesion.
        """
        pairs, counts = self.overlaps
        if rule.kind == ANY:
            return pairs
        if rule.kind == OVERLAP:
            return pairs[_enough(rule, counts, self.lesions.sizes[pairs[:, 1]])]
        return self.centre_pairs if rule.kind == CENTER else self.near_pairs(rule)


def _enough(rule: HitRule, overlap: np.ndarray, voxels: np.ndarray) -> np.ndarray:
    pairs = zip(overlap.tolist(), voxels.tolist(), strict=True)
    return np.array([rule.enough(part, whole) for part, whole in pairs], bool)
