"""Measures of voxels: ratios of true positives (TP), false positives (FP) and false negatives (FN)."""


def dice(tp: int, fp: int, fn: int) -> float:
    """2·TP / (2·TP + FP + FN); 1 when both masks are empty, 0 when one is."""
    return 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 1.0


def f2(tp: int, fp: int, fn: int) -> float:
    """5·TP / (5·TP + 4·FN + FP), which weights misses; 1 when both masks are empty, 0 when one is."""
    return 5 * tp / (5 * tp + 4 * fn + fp) if tp + fp + fn else 1.0


def sensitivity(tp: int, fn: int) -> float | None:
    """TP / (TP + FN); None without a lesion."""
    return tp / (tp + fn) if tp + fn else None


def precision(tp: int, fp: int) -> float | None:
    """TP / (TP + FP); None without a prediction."""
    return tp / (tp + fp) if tp + fp else None
