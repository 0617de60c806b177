"""Table 1 and the tables of figures over subjects: uncertainty, hit rules, measures, clusters, sizes, strata."""

import numpy as np
from recomputed.compare import interval
from recomputed.images import RULES
from recomputed.intervals import Between, beta_bounds, bootstrap_t, rate, ratio_of_sums, share
from recomputed.scores import STAGES
from recomputed.study import GROUPS, RUNS, SHAPE, SPACING, SUBJECTS
from scipy import stats

PAPER = {  # Table 1 of arXiv 2510.06276: mean and standard deviation of Sens, Prec, DC, sSens, nFPC
    "raw": {"TV paper: Dice": (.3822, .0337, .2767, .0417, .2811, .0200, .7857, .0337, 22.0071, 7.5851),
            "TV paper: Dice + BCE": (.3964, .0439, .2648, .0824, .2885, .0473, .8071, .0345, 9.8071, 6.4381),
            "TV paper: Dice + TV": (.3845, .0425, .3000, .0428, .3104, .0246, .8000, .0301, 8.4500, 2.2591)},
    "filtered": {"TV paper: Dice": (.3765, .0333, .2880, .0440, .2866, .0204, .7714, .0452, 3.8786, 1.0118),
                 "TV paper: Dice + BCE": (.3916, .0437, .2735, .0858, .2925, .0471, .8071, .0345, 3.1714, 1.0834),
                 "TV paper: Dice + TV": (.3788, .0426, .3102, .0444, .3146, .0246, .7928, .0226, 3.1643, .7439)},
}
ENDPOINTS = ("Sens", "Prec", "DC", "sSens", "nFPC")
RULE_NAMES = {"any": "any (primary)", "overlap:0.1": "overlap:0.1", "distance:20": "distance:20"}


def both(scores):
    """Stage and group, in the order of the tables."""
    return [(stage, group) for stage in STAGES for group in GROUPS]


def bootstrapped(name, a, b=None, *, low=-np.inf, high=np.inf, n=None, unit=False):
    """Bootstrap-t; of values from 0 to 1 (`unit`) not beyond Clopper-Pearson of their mean."""
    value, lower, upper = bootstrap_t(a, b, low=low, high=high)
    n = len(a) if n is None else n
    if unit and lower is not None:
        least, most = beta_bounds(value * n, n)
        lower = Between(max(lower.low, least), max(lower.high, least))
        upper = Between(min(upper.low, most), min(upper.high, most))
    return interval(name, value, lower, upper, n, "bootstrap-t")


def table1(scores):
    rows = []
    for stage in STAGES:
        for group in GROUPS:
            tp, fp, fn = (scores.table(name, group, stage) for name in ("tp", "fp", "fn"))
            sick = scores.lesion_cases()
            with np.errstate(invalid="ignore"):
                runs = {
                    "Sens": tp.sum(axis=0) / (tp + fn).sum(axis=0), "Prec": tp.sum(axis=0) / (tp + fp).sum(axis=0),
                    "DC": scores.table("dice", group, stage, cases=sick).mean(axis=0),
                    "sSens": scores.table("detected", group, stage, cases=sick).mean(axis=0),
                    "nFPC": scores.table("n_false_clusters", group, stage).mean(axis=0),
                    "Sens_per_subject": np.nanmean(tp / (tp + fn), axis=0),
                    "Prec_per_subject": np.nanmean(tp / (tp + fp), axis=0),
                }
            rows.append({"stage": stage, "group": group, "n_runs": RUNS,
                         **{f"{name}_mean": values.mean() for name, values in runs.items()},
                         **{f"{name}_std": values.std(ddof=1) for name, values in runs.items()}})
        for name, figures in PAPER[stage].items():
            rows.append({"stage": stage, "group": name, "n_runs": 10} | {
                f"{endpoint}_{part}": figures[2 * i + (part == "std")]
                for i, endpoint in enumerate(ENDPOINTS) for part in ("mean", "std")} | {
                f"{endpoint}_per_subject_{part}": None for endpoint in ("Sens", "Prec") for part in ("mean", "std")})
    return rows


def uncertainty(scores):
    rows = []
    for stage, group in both(scores):
        tp, fp, fn = (scores.table(name, group, stage) for name in ("tp", "fp", "fn"))
        sick = scores.lesion_cases()
        rows.append({
            "Group": group, "Stage": stage, "Runs": RUNS,
            **interval("sSens", *share(scores.table("detected", group, stage, cases=sick).mean(axis=1))),
            **interval("nFPC", *rate(scores.table("n_false_clusters", group, stage).mean(axis=1), RUNS)),
            **bootstrapped("DC", scores.table("dice", group, stage, cases=sick), low=0, high=1, unit=True),
            **bootstrapped("Sens, pooled", tp, tp + fn, low=0, high=1),
            **bootstrapped("Prec, pooled", tp, tp + fp, low=0, high=1),
        })
    return rows


def of_rule(scores, name, rule, group, stage, **cases):
    """A column under a hit rule; those of the primary rule have no rule in their name."""
    primary = {"n_lesions_found": "n_lesions_hit"}.get(name, name)
    return scores.table(primary if rule == "any" else f"{name} [{rule}]", group, stage, **cases)


def hit_rules(scores):
    rows = []
    for stage in STAGES:
        for group in GROUPS:
            for rule in RULES:
                found = of_rule(scores, "n_lesions_found", rule, group, stage, cases=scores.lesion_cases())
                false = of_rule(scores, "n_false_clusters", rule, group, stage)
                lesions = scores.table("n_lesions", group, stage).sum()
                rows.append({
                    "Group": group, "Stage": stage, "Hit rule": RULE_NAMES[rule],
                    **interval("sSens", *share((found > 0).mean(axis=1))),
                    **interval("nFPC", *rate(false.mean(axis=1), RUNS)),
                    "Lesions found": f"{found.sum():.0f} of {lesions:.0f}",
                })
    return rows


def lost_lesions(scores):
    rows = []
    for group in GROUPS:
        lost = [scores.table(f"lost_by_{what}", group, "filtered").sum() for what in ("filter", "opening", "size")]
        rows.append({"Group": group, "Scores": len(SUBJECTS) * RUNS,
                     "Lesions found before": scores.table("n_lesions_hit", group, "raw").sum(),
                     "Lost": lost[0], "by opening": lost[1], "by size": lost[2]})
    return rows


def mover_of_ratio(first, second):
    """Bounds of the ratio of two figures from theirs (Donner and Zou 2012, equation 8)."""
    (a, al, au), (b, bl, bu) = first, second
    low = (a * b - np.sqrt(max((a * b) ** 2 - al * bu * (2 * a - al) * (2 * b - bu), 0))) / (bu * (2 * b - bu))
    high = (a * b + np.sqrt(max((a * b) ** 2 - au * bl * (2 * a - au) * (2 * b - bl), 0))) / (bl * (2 * b - bl))
    return low, high


def effective_clusters(true, false):
    """Clopper-Pearson with an effective number of clusters, of those of each subject, summed over runs."""
    marked = true + false > 0
    true, false = true[marked][:, None], false[marked][:, None]
    ppv, error = ratio_of_sums(true, true + false)
    student = (stats.norm.ppf(0.975) / stats.t.ppf(0.975, len(true) - 1)) ** 2
    effective = ppv * (1 - ppv) / error ** 2 * student
    return beta_bounds(ppv * effective, effective)


def cluster_ppv_interval(true, clusters):
    """The wider of MOVER for true over false clusters and Clopper-Pearson with an effective number of clusters.

    The lower bound is at most that of results with fewer false clusters, and that of k in k, for the k subjects with a
    true cluster. The report takes the largest variance
    that such results could have, which is not searched here: its bound may be lower by 1 % of the share.
    """
    runs = true.shape[1]
    rates = [rate(part.mean(axis=1), runs, widened=False)[:3] for part in (true, clusters - true)]
    low, high = (ratio / (1 + ratio) for ratio in mover_of_ratio(*rates))
    x, y = true.sum(axis=1), (clusters - true).sum(axis=1)
    bounds = effective_clusters(x, y)
    fewer = [bounds[0]]
    for order in (np.argsort(-y), np.lexsort((-y, x)), np.lexsort((x, -y))):
        part = np.zeros_like(y)
        for subject in order:
            part[subject] = y[subject]
            if part.sum():
                fewer.append(effective_clusters(x, part)[0])
    all_true = beta_bounds((x > 0).sum(), (x > 0).sum())[0]
    ppv, low = x.sum() / (x + y).sum(), min(low, all_true, *fewer)
    return (ppv, Between(low - 0.01 * ppv, low), max(high, bounds[1]), int((x + y > 0).sum()),
            "MOVER of rates, and Clopper-Pearson with an effective number")


def effective_share(part, whole, most):
    """Clopper-Pearson with p (1 - p) / linearised variance subjects, at most `most`."""
    value, error = ratio_of_sums(part.sum(axis=1, keepdims=True), whole.sum(axis=1, keepdims=True))
    effective = min(value * (1 - value) / error ** 2, most) if error > 1e-12 else most
    return (value, *beta_bounds(value * effective, effective), most,
            "Clopper-Pearson, effective number of subjects")


def cluster_ppv(scores):
    rows = []
    for stage in STAGES:
        for group in GROUPS:
            controls = scores.control_table("n_clusters", group, stage)
            clusters = scores.table("n_clusters", group, stage)
            lesions = scores.table("n_lesions", group, stage)
            for rule in RULES:
                true = clusters - of_rule(scores, "n_false_clusters", rule, group, stage)
                found = of_rule(scores, "n_lesions_found", rule, group, stage)
                everybody = np.concatenate([clusters, controls]), np.concatenate([true, np.zeros_like(controls)])
                rows.append({
                    "Group": group, "Stage": stage, "Runs": RUNS, "Hit rule": RULE_NAMES[rule],
                    "True clusters": f"{true.sum():.0f} of {clusters.sum():.0f}",
                    **interval("Cluster PPV", *cluster_ppv_interval(true, clusters)),
                    "True clusters, controls included": f"{true.sum():.0f} of {everybody[0].sum():.0f}",
                    **interval("Cluster PPV, controls included", *cluster_ppv_interval(everybody[1], everybody[0])),
                    "Lesions found": f"{found.sum():.0f} of {lesions.sum():.0f}",
                    **interval("Lesion sensitivity",
                               *effective_share(found, lesions, int((lesions.sum(axis=1) > 0).sum()))),
                })
    return rows


#: Column of cases.csv, label, worst value of an undefined score, and whom the measure is of.
MEASURES = (
    ("sensitivity", "Sensitivity (voxels)", "0", "lesion"), ("precision", "Precision (voxels)", "0", "any"),
    ("f2", "F2", "0", "all"), ("hd95_mm", "HD95 (mm)", "image diagonal", "all"),
    ("masd_mm", "MASD (mm)", "image diagonal", "all"), ("assd_mm", "ASSD (mm)", "image diagonal", "all"),
    ("nsd", "NSD at 2 mm", "0", "all"), ("lesion_precision", "Precision (clusters)", "0", "any"),
    ("lesion_recall", "Recall (lesions)", "0", "lesion"), ("lesion_f1", "F1 (lesions, one to one)", "0", "all"),
    ("volume_error_ml", "Volume error (ml)", "–", "all"),
    ("absolute_volume_error_ml", "Volume error, absolute (ml)", "–", "all"),
    ("relative_volume_error", "Volume error, relative", "–", "lesion"),
    ("absolute_relative_volume_error", "Volume error, relative and absolute", "–", "lesion"),
    ("average_precision", "Average precision", "0", "lesion"),
)
#: The largest distance between the centres of two voxels.
DIAGONAL = float(np.linalg.norm((np.array(SHAPE) - 1) * SPACING))


def measures(scores):
    """Means over subjects in each run and then over runs, of the defined values and with the worst in their place."""
    rows = []
    for stage, group in both(scores):
        lesion = scores.table("n_lesions", group, stage) > 0
        of = {"all": np.ones_like(lesion), "lesion": lesion,
              "any": lesion | (scores.table("n_clusters", group, stage) > 0)}
        for column, label, worst, whom in MEASURES:
            values, applies = scores.table(column, group, stage), of[whom]
            defined = applies & ~np.isnan(values)
            penalty = DIAGONAL if worst == "image diagonal" else 0.0
            filled = np.where(defined, values, np.where(applies, penalty, 0))
            range_of = {"low": 0 if "volume_error" not in column or "absolute" in column else -np.inf,
                        "high": 1 if not column.endswith(("_mm", "_ml")) and "volume" not in column else np.inf}
            unit = range_of["high"] == 1
            means = ({**interval("Mean where defined", *recall), **interval("Penalised mean", *recall)}
                     if column == "lesion_recall" and (recall := share(values[defined.all(axis=1)].mean(axis=1))) else
                     {**bootstrapped("Mean where defined", np.where(defined, values, 0), defined.astype(float),
                                     **range_of, n=int(defined.any(axis=1).sum()), unit=unit),
                      **bootstrapped("Penalised mean", filled, applies.astype(float), **range_of,
                                     n=int(applies.any(axis=1).sum()), unit=unit)})
            rows.append({"Group": group, "Stage": stage, "Measure": label, "Worst value": worst, **means,
                         "Undefined": f"{(applies & ~defined).sum()} of {applies.sum()}"})
    return rows


def sizes(scores):
    """Volume of the whole reference of each subject with a lesion."""
    sick = scores.lesion_cases()
    return dict(zip(sick, scores.table("reference_mm3", GROUPS[0], "raw", cases=sick)[:, 0], strict=True))


def detection_by_size(scores):
    """Up to four classes of equal number, of at least five subjects each."""
    volumes = sizes(scores)
    ordered = sorted(volumes, key=volumes.get)
    rows = []
    for stage, group in both(scores):
        for part in np.array_split(ordered, min(4, len(ordered) // 5)):
            detected = scores.table("detected", group, stage, cases=part).mean(axis=1)
            rows.append({"Group": group, "Stage": stage, "From (mm³)": volumes[part[0]], "To (mm³)": volumes[part[-1]],
                         **interval("Detected share of subjects", *share(detected))})
    return rows
