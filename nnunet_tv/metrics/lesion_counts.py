"""Measures of whole lesions and clusters, from counts under one hit rule."""


def detected(n_lesions_found: int, n_lesions: int) -> bool | None:
    """Whether any lesion is found; None without a lesion."""
    return n_lesions_found > 0 if n_lesions else None


def n_false_clusters(n_true_clusters: int, n_clusters: int) -> int:
    """Clusters of the prediction that are not true."""
    return n_clusters - n_true_clusters


def lesion_precision(n_true_clusters: int, n_clusters: int) -> float | None:
    """True clusters / clusters; None without a prediction."""
    return n_true_clusters / n_clusters if n_clusters else None


def lesion_recall(n_lesions_found: int, n_lesions: int) -> float | None:
    """Lesions found / lesions; None without a lesion."""
    return n_lesions_found / n_lesions if n_lesions else None


def lesion_f1(n_matched: int, n_clusters: int, n_lesions: int) -> float:
    """2·TP / (2·TP + FP + FN) of clusters matched one to one with lesions; 1 when both masks are empty, 0 when one is.

    TP are the `n_matched` pairs of :meth:`nnunet_tv.metrics.lesion_matching.LesionMatching.n_matched`, FP the clusters
    and FN the lesions in no pair. Metrics Reloaded (Maier-Hein et al. 2024) and panoptica (Kofler et al. 2023) count
    each cluster and each lesion once, too, but choose the pairs by a threshold on their overlap (by default
    IoU >= 0.5), the highest first or with the highest sum. Here the hit rule decides which pairs are possible, and
    their number is the largest possible one.

    Examples
    --------
    >>> lesion_f1(n_matched=1, n_clusters=3, n_lesions=1)  # three specks in one lesion
    0.5
    """
    return 2 * n_matched / (n_clusters + n_lesions) if n_clusters + n_lesions else 1.0
