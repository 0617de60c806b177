"""Scores of every case, cluster and lesion, computed from the image files by definition (docs/report.md).

Nothing here is imported from the package: the files are read with nibabel and measured with numpy and scipy.
"""

from dataclasses import dataclass, field
from functools import cache
from itertools import permutations
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage
from scipy.spatial.distance import cdist
from sklearn.metrics import average_precision_score

FULL = np.ones((3, 3, 3))
CROSS = ndimage.generate_binary_structure(3, 1)
RULES = ("any", "overlap:0.1", "distance:20")
NSD_MM = 2.0
CANDIDATE_AT = 0.1
#: NIfTI stores the spacing 1.2 as 1.2000000477.
ROUNDING_MM = 1e-5


@dataclass
class Image:
    """Data turned to RAS, the affine, and what a voxel measures."""

    data: np.ndarray
    affine: np.ndarray

    @property
    def spacing(self):
        return np.abs(np.diag(self.affine)[:3])

    @property
    def voxel_mm3(self):
        return float(np.prod(self.spacing))

    def world(self, mask):
        """Scanner coordinates (n, 3) of the voxels of `mask`."""
        return np.argwhere(mask) * np.diag(self.affine)[:3] + self.affine[:3, 3]


def read(path: Path) -> Image:
    image = nib.as_closest_canonical(nib.load(path))
    return Image(np.asanyarray(image.dataobj), image.affine)


def read_probability(folder: Path, case: str, prediction: Path) -> np.ndarray:
    """The probability in RAS; nnU-Net's archive holds (channel, z, y, x) as the prediction is stored."""
    if (folder / f"{case}.nii.gz").exists():
        return read(folder / f"{case}.nii.gz").data.astype(float)
    stored = np.load(folder / f"{case}.npz")["probabilities"][1].transpose(2, 1, 0)
    return nib.as_closest_canonical(nib.Nifti1Image(stored, nib.load(prediction).affine)).get_fdata()


def components(mask):
    """The 26-connected components as a list of masks."""
    labels, n = ndimage.label(mask, structure=FULL)
    return [labels == index for index in range(1, n + 1)]


def opened(mask):
    return ndimage.binary_dilation(ndimage.binary_erosion(mask, CROSS), CROSS)


def filtered(mask):
    """Opening, hole filling with 5x5x5, removal of clusters below 50 voxels (method.md, Post-processing)."""
    kept = np.zeros_like(mask)
    for part in components(ndimage.binary_fill_holes(opened(mask), structure=np.ones((5, 5, 5)))):
        if part.sum() >= 50:
            kept |= part
    return kept


def surface(mask):
    """Voxels of the mask with a face neighbour outside it."""
    return mask & ~ndimage.binary_erosion(mask, CROSS)


@dataclass
class Reference:
    """A reference with what every prediction is compared with."""

    image: Image
    mask: np.ndarray = field(init=False)
    lesions: list = field(init=False)
    distance: list = field(init=False)

    def __post_init__(self):
        self.mask = self.image.data > 0
        self.lesions = components(self.mask)
        self.distance = [ndimage.distance_transform_edt(~lesion, sampling=self.image.spacing)
                         for lesion in self.lesions]

    def hits(self, rule, cluster, lesion):
        """Whether this cluster by itself is a hit of this lesion, for the pairs of F1."""
        assert rule == "any"
        return bool((cluster & self.lesions[lesion]).any())

    def cluster_is_true(self, rule, cluster):
        if not self.lesions:
            return False
        name, _, value = rule.partition(":")
        if name == "any":
            return bool((cluster & self.mask).any())
        if name == "overlap":
            return bool((cluster & self.mask).sum() >= float(value) * cluster.sum())
        return bool(min(distance[cluster].min() for distance in self.distance) <= float(value) + ROUNDING_MM)

    def lesion_is_found(self, rule, lesion, prediction):
        name, _, value = rule.partition(":")
        part = self.lesions[lesion]
        if name == "any":
            return bool((part & prediction).any())
        if name == "overlap":
            return bool((part & prediction).sum() >= float(value) * part.sum())
        return bool(prediction.any() and self.distance[lesion][prediction].min() <= float(value) + ROUNDING_MM)


def one_to_one(reference, clusters):
    """The most pairs of a cluster and a lesion that it hits, each used once, by trying all assignments."""
    hits = [{c for c, cluster in enumerate(clusters) if reference.hits("any", cluster, lesion)}
            for lesion in range(len(reference.lesions))]
    options = sorted(set().union(*hits)) + [None] * len(hits)
    return max((sum(cluster in hit for cluster, hit in zip(chosen, hits, strict=True))
                for chosen in permutations(options, len(hits))), default=0)


def ratio(part, whole):
    return part / whole if whole else None


def surface_measures(reference, prediction):
    """HD95, MASD, ASSD and NSD from all distances between the voxels of the two surfaces."""
    if not reference.mask.any() or not prediction.any():
        both = not reference.mask.any() and not prediction.any()
        distance = 0.0 if both else None
        return {"hd95_mm": distance, "masd_mm": distance, "assd_mm": distance, "nsd": float(both)}
    between = cdist(reference.image.world(surface(reference.mask)), reference.image.world(surface(prediction)))
    there, back = between.min(axis=1), between.min(axis=0)
    return {
        "hd95_mm": max(np.percentile(there, 95), np.percentile(back, 95)),
        "masd_mm": (there.mean() + back.mean()) / 2,
        "assd_mm": np.concatenate([there, back]).mean(),
        "nsd": (np.concatenate([there, back]) <= NSD_MM + ROUNDING_MM).mean(),
    }


def overlap_measures(reference, prediction, clusters):
    mask, voxel = reference.mask, reference.image.voxel_mm3
    tp, fp, fn = int((mask & prediction).sum()), int((prediction & ~mask).sum()), int((mask & ~prediction).sum())
    lesion, empty = mask.any(), not prediction.any()
    pairs, true = one_to_one(reference, clusters), sum(reference.cluster_is_true("any", part) for part in clusters)
    found = sum(reference.lesion_is_found("any", n, prediction) for n in range(len(reference.lesions)))
    error = (fp - fn) * voxel
    return {
        "status": {(True, True): "empty prediction", (True, False): "scored", (False, True): "both empty",
                   (False, False): "empty reference"}[bool(lesion), empty],
        "tp": tp, "fp": fp, "fn": fn,
        "dice": 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 1.0,
        "n_clusters": len(clusters), "n_lesions": len(reference.lesions), "n_lesions_hit": found,
        "detected": int(found > 0) if lesion else None, "n_false_clusters": len(clusters) - true,
        "reference_mm3": mask.sum() * voxel, "predicted_mm3": prediction.sum() * voxel,
        "sensitivity": ratio(tp, tp + fn), "precision": ratio(tp, tp + fp),
        "f2": 5 * tp / (5 * tp + 4 * fn + fp) if tp + fp + fn else 1.0,
        "lesion_precision": ratio(true, len(clusters)), "lesion_recall": ratio(found, len(reference.lesions)),
        "lesion_f1": 2 * pairs / (len(clusters) + len(reference.lesions)) if lesion or clusters else 1.0,
        "volume_error_ml": error / 1000, "absolute_volume_error_ml": abs(error) / 1000,
        "relative_volume_error": ratio(error, mask.sum() * voxel) if lesion else None,
        "absolute_relative_volume_error": ratio(abs(error), mask.sum() * voxel) if lesion else None,
    }


def rule_measures(reference, prediction, clusters, rule):
    true = sum(reference.cluster_is_true(rule, part) for part in clusters)
    found = sum(reference.lesion_is_found(rule, n, prediction) for n in range(len(reference.lesions)))
    return {"detected": int(found > 0) if reference.lesions else None, "n_false_clusters": len(clusters) - true,
            "n_true_clusters": true, "n_lesions_found": found}


def cluster_rows(reference, clusters, probability):
    """The rows of clusters.csv of one prediction, by rank."""
    rows = []
    for part in clusters:
        x, y, z = reference.image.world(part).mean(axis=0)
        nearest = min((distance[part].min() for distance in reference.distance), default=None)
        rows.append({
            "voxels": int(part.sum()), "volume_mm3": part.sum() * reference.image.voxel_mm3,
            "x_mm": x, "y_mm": y, "z_mm": z, "overlap_voxels": int((part & reference.mask).sum()),
            "distance_mm": nearest, "peak_probability": probability[part].max(),
            "mean_probability": probability[part].mean(),
            **{f"true [{rule}]": int(reference.cluster_is_true(rule, part)) for rule in RULES},
        })
    rows.sort(key=lambda row: (-row["peak_probability"], -row["mean_probability"], -row["voxels"]))
    return [{"rank": rank, **row} for rank, row in enumerate(rows, start=1)]


def lesion_rows(reference, prediction):
    """The rows of lesions.csv of one prediction."""
    rows = []
    for index, part in enumerate(reference.lesions):
        x, y, z = reference.image.world(part).mean(axis=0)
        rows.append({
            "index": index + 1, "voxels": int(part.sum()), "volume_mm3": part.sum() * reference.image.voxel_mm3,
            "x_mm": x, "y_mm": y, "z_mm": z, "overlap_voxels": int((part & prediction).sum()),
            **{f"found [{rule}]": int(reference.lesion_is_found(rule, index, prediction)) for rule in RULES},
        })
    return rows


def lost_lesions(reference, raw):
    """Lesions that the raw prediction finds and the filtered one does not, by the step that loses them."""
    def found(mask):
        return {n for n in range(len(reference.lesions)) if reference.lesion_is_found("any", n, mask)}
    lost = found(raw) - found(filtered(raw))
    by_opening = lost - found(opened(raw))
    return {"lost_by_filter": len(lost), "lost_by_opening": len(by_opening),
            "lost_by_size": len(lost) - len(by_opening)}


def candidates(reference, probability):
    """Confidence and truth of the clusters of voxels with a probability of at least 0.1."""
    return [(float(probability[part].max()), reference.cluster_is_true("any", part))
            for part in components(probability >= CANDIDATE_AT)]


def score_case(reference, prediction, probability):
    """Rows of both stages of one case: (case row, cluster rows, lesion rows) by stage, and the candidates."""
    raw = prediction > 0
    precision = average_precision_score(reference.mask.ravel(), probability.ravel()) if reference.lesions else None
    stages = {}
    for stage, mask in (("raw", raw), ("filtered", filtered(raw))):
        clusters = components(mask)
        row = {**overlap_measures(reference, mask, clusters), **surface_measures(reference, mask),
               "average_precision": precision, "nsd_at": "2 mm", "problem": None}
        for rule in RULES[1:]:  # the figures of the first are in the columns without a rule
            row |= {f"{name} [{rule}]": value
                    for name, value in rule_measures(reference, mask, clusters, rule).items()}
        lost = lost_lesions(reference, raw) if stage == "filtered" else {}
        row |= {name: lost.get(name) for name in ("lost_by_filter", "lost_by_opening", "lost_by_size")}
        stages[stage] = (row, cluster_rows(reference, clusters, probability), lesion_rows(reference, mask))
    return stages, candidates(reference, probability)


@cache
def reference_of(folder: Path, case: str) -> Reference:
    return Reference(read(folder / f"{case}.nii.gz"))
