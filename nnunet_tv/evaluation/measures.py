"""Measures of one case: pure functions of arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnunet_tv.clusters import bounding_box, label_clusters

SCORED = "scored"
EMPTY_REFERENCE = "empty reference"
EMPTY_PREDICTION = "empty prediction"
BOTH_EMPTY = "both empty"


@dataclass(frozen=True)
class CaseScore:
    """How one prediction meets its reference.

    Attributes
    ----------
    status : str
        ``scored``, ``empty reference``, ``empty prediction`` or ``both empty``.
    tp, fp, fn : int
        Voxels: true positive, false positive, false negative.
    dice : float
        2·tp / (2·tp + fp + fn); 1 when both are empty, 0 when one is.
    detected : bool or None
        Whether the hit rule "any true positive voxel" is met; None without a lesion.
    n_clusters, n_false_clusters : int
        Components of the prediction; those of them with no voxel of the reference.
    n_lesions, n_lesions_hit : int
        Components of the reference; those of them with a voxel of the prediction.
    reference_mm3, predicted_mm3 : float
        Volumes in mm³.
    """

    status: str
    tp: int
    fp: int
    fn: int
    dice: float
    detected: bool | None
    n_clusters: int
    n_false_clusters: int
    n_lesions: int
    n_lesions_hit: int
    reference_mm3: float
    predicted_mm3: float


def score_case(
    prediction: np.ndarray, reference: np.ndarray, spacing_mm: Sequence[float], *, connectivity: int = 26
) -> CaseScore:
    """Score one prediction.

    Parameters
    ----------
    prediction, reference : ndarray, shape (X, Y, Z), bool or integer
        Masks of 0 and 1 on one grid.
    spacing_mm : sequence of 3 floats
        Voxel size in mm, for volumes.
    connectivity : {26, 18, 6}
        Which neighbours make one cluster.

    Returns
    -------
    CaseScore

    Raises
    ------
    ValueError
        Different shapes, not 3D, values other than 0 and 1, spacing not of three positive numbers, or
        another connectivity.
    """
    prediction, reference = _mask(prediction, "prediction"), _mask(reference, "reference")
    if prediction.shape != reference.shape:
        raise ValueError(f"prediction {prediction.shape} and reference {reference.shape} differ in shape: "
                         "bring them onto one grid first")
    if len(spacing_mm) != 3 or not all(0 < size < math.inf for size in spacing_mm):
        raise ValueError(f"expected spacing_mm of three positive numbers, found {tuple(spacing_mm)}")
    n_predicted, n_reference = int(np.count_nonzero(prediction)), int(np.count_nonzero(reference))
    n_clusters, n_met = _clusters_met(prediction, reference, connectivity)
    n_lesions, n_lesions_hit = _clusters_met(reference, prediction, connectivity)
    tp = int(np.count_nonzero(prediction & reference))
    voxel_mm3 = float(math.prod(spacing_mm))
    return CaseScore(
        status=_status(n_predicted, n_reference),
        tp=tp,
        fp=n_predicted - tp,
        fn=n_reference - tp,
        dice=2 * tp / (n_predicted + n_reference) if n_predicted + n_reference else 1.0,
        detected=tp > 0 if n_reference else None,
        n_clusters=n_clusters,
        n_false_clusters=n_clusters - n_met,
        n_lesions=n_lesions,
        n_lesions_hit=n_lesions_hit,
        reference_mm3=n_reference * voxel_mm3,
        predicted_mm3=n_predicted * voxel_mm3,
    )


def _clusters_met(mask: np.ndarray, other: np.ndarray, connectivity: int) -> tuple[int, int]:
    """Number of clusters of `mask`, and of those that share a voxel with `other`: one labelling of the box."""
    box = bounding_box(mask)
    labels, n = label_clusters(mask[box], connectivity=connectivity)
    voxels = np.bincount(labels[other[box]], minlength=n + 1)
    return n, int(np.count_nonzero(voxels[1:]))


def _status(n_predicted: int, n_reference: int) -> str:
    if n_reference:
        return SCORED if n_predicted else EMPTY_PREDICTION
    return EMPTY_REFERENCE if n_predicted else BOTH_EMPTY


def _mask(array: np.ndarray, name: str) -> np.ndarray:
    array = np.asarray(array)
    if array.ndim != 3:
        raise ValueError(f"expected a 3D {name}, found shape {array.shape}")
    if array.dtype == bool:
        return array
    mask = array == 1
    if not np.array_equal(mask, array != 0):
        values = np.unique(array)
        shown = ", ".join(f"{value:g}" for value in values[:6]) + (", …" if values.size > 6 else "")
        raise ValueError(f"expected a {name} of 0 and 1, found {shown}")
    return mask
