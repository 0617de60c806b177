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


def lesion_f1(n_true_clusters: int, n_clusters: int, n_lesions_found: int, n_lesions: int) -> float:
    """Harmonic mean of precision over clusters and recall over lesions; 1 when both masks are empty, 0 when one is."""
    precision, recall = lesion_precision(n_true_clusters, n_clusters), lesion_recall(n_lesions_found, n_lesions)
    if precision is None and recall is None:
        return 1.0
    return 2 * precision * recall / (precision + recall) if precision and recall else 0.0
