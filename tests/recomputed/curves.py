"""Tables of curves and of calibration: FROC, precision and recall, Brier score, reliability."""

from functools import lru_cache

import numpy as np
from recomputed.compare import interval
from recomputed.figures import bootstrapped, effective_share
from recomputed.images import read_probability, reference_of
from recomputed.intervals import Between, bca, beta_bounds, quantile_range
from recomputed.study import GROUPS, RUNS, SUBJECTS
from sklearn.metrics import average_precision_score, brier_score_loss

FALSE_CLUSTERS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
FROC_RESAMPLES = 2000


def froc_points(scores, group):
    """Detection and false clusters of each subject (averaged over runs) at every confidence, highest first."""
    found = {(case, run): scores.candidates[case, group, run] for case in SUBJECTS for run in range(RUNS)}
    thresholds = sorted({confidence for part in found.values() for confidence, _ in part}, reverse=True)
    detected, false = np.zeros((len(thresholds), len(SUBJECTS))), np.zeros((len(thresholds), len(SUBJECTS)))
    for number, case in enumerate(SUBJECTS):
        for run in range(RUNS):
            part = found[case, run]
            best = max((confidence for confidence, true in part if true), default=-1.0)
            detected[:, number] += best >= np.array(thresholds)
            wrong = np.array([confidence for confidence, true in part if not true])
            false[:, number] += (wrong[None, :] >= np.array(thresholds)[:, None]).sum(axis=1)
    return detected / RUNS, false / RUNS


def best_at(detected, false, most):
    """The largest share detected with at most `most` false clusters per subject; 0 if no threshold has so few."""
    allowed = detected[false <= most + 1e-9]
    return allowed.max() if len(allowed) else 0.0


def froc(scores):
    rows = []
    sick = np.isin(SUBJECTS, scores.lesion_cases())
    for group in GROUPS:
        detected, false = froc_points(scores, group)
        mean_false, end = false.mean(axis=1), false[-1].mean()
        rng = np.random.default_rng(5)
        draws = [rng.integers(len(SUBJECTS), size=len(SUBJECTS)) for _ in range(FROC_RESAMPLES)]
        draws = [chosen for chosen in draws if sick[chosen].any()]
        for most in (*(value for value in FALSE_CLUSTERS if value < end), end):
            place = np.flatnonzero(mean_false <= most + 1e-9)
            of_subjects = detected[place[-1], sick] if len(place) else np.zeros(sick.sum())
            low, high = beta_bounds(of_subjects.sum(), sick.sum())
            again = np.array([best_at(detected[:, chosen[sick[chosen]]].mean(axis=1), false[:, chosen].mean(axis=1),
                                      most if most < end else np.inf) for chosen in draws])
            lower, upper = (quantile_range(again, q, theirs=FROC_RESAMPLES) for q in (0.025, 0.975))
            rows.append({
                "Group": group, "False clusters per subject, at most": most,
                **interval("Detected share of subjects", of_subjects.mean(),
                           Between(*np.minimum(lower, low)), Between(*np.maximum(upper, high)), int(sick.sum()),
                           "Clopper-Pearson, widened to the bootstrap of the threshold"),
            })
    return rows


@lru_cache(maxsize=1)
def voxels(folder, group):
    """Truth and probability of all voxels, both (subjects, runs x voxels)."""
    truth, probability = [], []
    for case in SUBJECTS:
        maps = [read_probability(folder / "prob" / f"{group}{run}", case,
                                 folder / "pred" / f"{group}{run}" / f"{case}.nii.gz").ravel() for run in range(RUNS)]
        probability.append(np.concatenate(maps).astype(np.float32))
        truth.append(np.tile(reference_of(folder / "labels", case).mask.ravel(), RUNS))
    return np.array(truth), np.array(probability)


def counts_by_threshold(truth, probability, levels=2000):
    """Voxels of each subject between `levels` quantiles of the probability: lesion and all, highest first."""
    marked = probability[truth]
    edges = np.unique(np.concatenate([[0, 1.1], np.quantile(marked, np.linspace(0, 1, levels)),
                                      np.quantile(probability, np.linspace(0, 1, levels))]))
    return tuple(np.array([np.histogram(row[mask], edges)[0][::-1]
                           for row, mask in zip(probability, masks, strict=True)])
                 for masks in (truth, np.ones_like(truth)))


def pooled_area(lesion, every):
    """Average precision of counts (..., levels)."""
    tp, marked = lesion.cumsum(axis=-1), every.cumsum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(marked > 0, tp / marked, 0)
        return (precision * lesion).sum(axis=-1) / tp[..., -1]


def precision_recall(scores):
    rows = []
    for group in GROUPS:
        truth, probability = voxels(scores.folder, group)
        area = average_precision_score(truth.ravel(), probability.ravel())
        lesion, every = counts_by_threshold(truth, probability)
        low, high = bca(lambda chosen: pooled_area(lesion[chosen].sum(axis=-2), every[chosen].sum(axis=-2)),  # noqa: B023
                        len(SUBJECTS), theirs=2000)
        rows.append({"Group": group,
                     **interval("Area (pooled average precision)", Between(area - 0.005, area + 0.005), low, high,
                                len(SUBJECTS), "BCa bootstrap"),
                     "Area without information": truth.mean()})
    return rows


def voxel_bins(truth, probability):
    """Of each subject and bin 0.1 wide: voxels, sum of probability, lesion voxels; 0.7 of a map is in 0.7 to 0.8."""
    index = np.digitize(probability, np.arange(1, 10, dtype=np.float32) / np.float32(10))
    sums = np.zeros((3, len(truth), 10))
    for subject in range(len(truth)):
        for place, weights in enumerate((None, probability[subject].astype(float), truth[subject].astype(float))):
            sums[place, subject] = np.bincount(index[subject], weights, minlength=10)
    return sums


def candidate_arrays(scores, group):
    """Subject, confidence and truth of every candidate of a group."""
    rows = [(number, confidence, true) for number, case in enumerate(SUBJECTS) for run in range(RUNS)
            for confidence, true in scores.candidates[case, group, run]]
    subject, confidence, true = (np.array(column) for column in zip(*rows, strict=True))
    return subject, confidence, true


def cluster_bins(subject, confidence, true):
    """Up to ten bins of equal number, equal confidences in one bin; of each subject and bin as in voxel_bins."""
    wanted = min(10, max(1, len(confidence) // 10))
    limits = np.unique(np.quantile(confidence, np.arange(1, wanted + 1) / wanted))
    index = np.searchsorted(limits, confidence)
    sums = np.zeros((3, len(SUBJECTS), len(limits)))
    for bin_, who, value, hit in zip(index, subject, confidence, true, strict=True):
        sums[:, who, bin_] += 1, value, hit
    return sums, [(confidence[index == i].min(), confidence[index == i].max()) for i in range(len(limits))]


def calibration_error(sums):
    """Expected calibration error of sums (3, ..., bins) of number, probability and truth."""
    number, probability, truth = sums
    return np.abs(probability - truth).sum(axis=-1) / number.sum(axis=-1)


def calibration_row(group, of, squared, sums):
    """`squared`: sums of squared errors of each subject; `sums`: those of its bins."""
    number, probability, truth = sums.sum(axis=-1)
    low, high = bca(lambda chosen: calibration_error(sums[:, chosen].sum(axis=-2)), len(SUBJECTS), theirs=10_000)
    return {
        "Group": group, "Of": of, "Number": number.sum(), "Mean probability": probability.sum() / number.sum(),
        **share_that_is_lesion(truth, number, clusters=of == "clusters"),
        **bootstrapped("Brier score", squared[:, None], number[:, None], low=0, high=1,
                       n=int((number > 0).sum())),
        **interval("Expected calibration error", calibration_error(sums.sum(axis=1)), low, high,
                   int((number > 0).sum()), "BCa bootstrap"),
    }


def share_that_is_lesion(truth, number, *, clusters):
    n = int((number > 0).sum())
    if not clusters:
        return bootstrapped("Share that is lesion", truth[:, None], number[:, None], low=0, high=1, n=n)
    return interval("Share that is lesion", *effective_share(truth[:, None], number[:, None], n))


def calibration(scores):
    rows = []
    for group in GROUPS:
        truth, probability = voxels(scores.folder, group)
        squared = (probability.astype(float) - truth) ** 2
        assert np.isclose(brier_score_loss(truth[0], probability[0]), squared[0].mean())
        sums = voxel_bins(truth, probability)
        rows.append(calibration_row(group, "all voxels", squared.sum(axis=1), sums))
        rows.append(calibration_row(group, "voxels from 0.1 on", (squared * (probability >= 0.1)).sum(axis=1),
                                    sums[:, :, 1:]))
        subject, confidence, true = candidate_arrays(scores, group)
        rows.append(calibration_row(
            group, "clusters", np.bincount(subject, (confidence - true) ** 2, minlength=len(SUBJECTS)),
            cluster_bins(subject, confidence, true)[0]))
    return rows


def reliability(scores):
    rows = []
    for group in GROUPS:
        limits = [(i / 10, (i + 1) / 10) for i in range(10)]
        of = {"all voxels": (voxel_bins(*voxels(scores.folder, group)), limits),
              "clusters": cluster_bins(*candidate_arrays(scores, group))}
        for name, (sums, ranges) in of.items():
            for (low, high), (number, probability, truth) in zip(ranges, np.moveaxis(sums, -1, 0), strict=True):
                if number.sum():
                    rows.append({"Group": group, "Of": name, "From": low, "To": high, "Number": number.sum(),
                                 "Mean probability": probability.sum() / number.sum(),
                                 **share_that_is_lesion(truth, number, clusters=name == "clusters")})
    return rows
