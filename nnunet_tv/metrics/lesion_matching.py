"""Matching of a prediction's clusters with a reference's lesions, under each hit rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching
from scipy.spatial import KDTree

from nnunet_tv.metrics.components import Components
from nnunet_tv.metrics.distances import nearest_mm, on_surface
from nnunet_tv.metrics.hit_rules import ANY, CENTER, OVERLAP, HitRule


@dataclass(frozen=True)
class LesionMatching:
    """Clusters of a prediction and lesions of a reference on one grid; `spacing_mm` is in the order of the axes.

    Pairs of results are of the clusters and of the lesions.
    """

    clusters: Components
    lesions: Components
    spacing_mm: Sequence[float]

    @cached_property
    def shared(self) -> tuple[np.ndarray, np.ndarray]:
        """Pairs (cluster, lesion) that share voxels, shape (k, 2), and how many, shape (k,)."""
        _, at_cluster, at_lesion = np.intersect1d(
            self.clusters.index(), self.lesions.index(), assume_unique=True, return_indices=True)
        pairs = np.stack([self.clusters.numbers[at_cluster], self.lesions.numbers[at_lesion]], axis=1)
        return np.unique(pairs, axis=0, return_counts=True)

    @cached_property
    def overlap(self) -> tuple[np.ndarray, ...]:
        """Voxels of each cluster in the reference and of each lesion in the prediction, int64."""
        pairs, counts = self.shared
        return tuple(np.bincount(pairs[:, side], counts, minlength=len(parts)).astype(np.int64)
                     for side, parts in enumerate((self.clusters, self.lesions)))

    @cached_property
    def surfaces(self) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
        """Surface points in mm, shape (n, 3), and their components, shape (n,)."""
        outer = [on_surface(parts.mask, parts.voxels) for parts in (self.clusters, self.lesions)]
        return tuple((parts.voxels[where] * np.asarray(self.spacing_mm, float), parts.numbers[where])
                     for parts, where in zip((self.clusters, self.lesions), outer, strict=True))

    @cached_property
    def distances_mm(self) -> tuple[np.ndarray, ...]:
        """Smallest distance of each cluster to the reference and of each lesion to the prediction; inf if empty.

        The nearest voxels of two separate masks are on their surfaces; the distance is 0 where a voxel is shared.
        """
        result = []
        for overlap, (points, numbers), (others, _) in zip(self.overlap, self.surfaces, self.surfaces[::-1],
                                                           strict=True):
            least = np.where(overlap > 0, 0.0, np.inf)
            apart = overlap[numbers] == 0
            np.minimum.at(least, numbers[apart], nearest_mm(points[apart], others))
            result.append(least)
        return tuple(result)

    @cached_property
    def centre_pairs(self) -> np.ndarray:
        """Pairs (cluster, lesion that contains its centre of mass), shape (k, 2)."""
        sizes = self.clusters.sizes[:, None]
        sums = np.stack([np.bincount(self.clusters.numbers, self.clusters.voxels[:, axis], minlength=len(sizes))
                         for axis in range(3)], axis=1).astype(np.int64)
        # The integers nearest to sums / sizes in integer arithmetic: two where it is halfway.
        nearest = -((sizes - 2 * sums) // (2 * sizes)), (2 * sums + sizes) // (2 * sizes)
        lesion_of = np.full(self.clusters.mask.shape, -1, np.int32)
        lesion_of[tuple(self.lesions.voxels.T)] = self.lesions.numbers
        pairs = []
        for sides in product(nearest, repeat=3):
            lesions = lesion_of[tuple(side[:, axis] for axis, side in enumerate(sides))]
            pairs.append(np.stack([np.flatnonzero(lesions >= 0), lesions[lesions >= 0]], axis=1))
        return np.unique(np.concatenate(pairs), axis=0)

    def near_pairs(self, rule: HitRule) -> np.ndarray:
        """Pairs (cluster, lesion) that are near enough for a rule ``distance:D``, shape (k, 2)."""
        (points, clusters), (reference, lesions) = self.surfaces
        pairs = [self.shared[0]]
        for lesion in range(len(self.lesions) if len(points) else 0):
            tree = KDTree(reference[lesions == lesion])
            # The search ends at the limit, which it takes as exclusive.
            distances, _ = tree.query(points, distance_upper_bound=np.nextafter(rule.limit_mm, np.inf))
            near = np.unique(clusters[distances <= rule.limit_mm])
            pairs.append(np.stack([near, np.full(len(near), lesion)], axis=1))
        return np.unique(np.concatenate(pairs), axis=0)

    def hits(self, rule: HitRule) -> tuple[np.ndarray, np.ndarray]:
        """Which clusters are true and which lesions are found, shapes (clusters,) and (lesions,), bool."""
        true, found = (self._hit(rule, side) for side in (0, 1))
        return true, found

    def _hit(self, rule: HitRule, side: int) -> np.ndarray:
        overlap, sizes = self.overlap[side], (self.clusters, self.lesions)[side].sizes
        if rule.kind == ANY:
            return overlap > 0
        if rule.kind == OVERLAP:
            return _enough(rule, overlap, sizes)
        if rule.kind == CENTER:
            return np.isin(np.arange(len(sizes)), self.centre_pairs[:, side])
        return self.distances_mm[side] <= rule.limit_mm

    def finders(self, rule: HitRule) -> np.ndarray:
        """Pairs (cluster, lesion that this cluster finds on its own), shape (k, 2).

        Under ``overlap:F`` the cluster alone must cover the share F of the lesion.
        """
        pairs, counts = self.shared
        if rule.kind == ANY:
            return pairs
        if rule.kind == OVERLAP:
            return pairs[_enough(rule, counts, self.lesions.sizes[pairs[:, 1]])]
        return self.centre_pairs if rule.kind == CENTER else self.near_pairs(rule)

    def n_matched(self, rule: HitRule) -> int:
        """Number of pairs of a maximum matching of true clusters with lesions, each of which is in one pair at most.

        A cluster may be matched with the lesions that it finds on its own (:meth:`finders`). There is no assignment
        with more pairs, so that the number does not depend on the order of clusters or lesions.
        """
        true, _ = self.hits(rule)
        pairs = self.finders(rule)
        pairs = pairs[true[pairs[:, 0]]].astype(np.int32)  # scipy 1.11 matches with 32-bit indices only
        graph = csr_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])),
                          shape=(len(self.clusters), len(self.lesions)))
        return int((maximum_bipartite_matching(graph, perm_type="column") >= 0).sum()) if len(pairs) else 0


def _enough(rule: HitRule, overlap: np.ndarray, voxels: np.ndarray) -> np.ndarray:
    return np.array([rule.enough(*pair) for pair in zip(overlap.tolist(), voxels.tolist(), strict=True)], bool)
