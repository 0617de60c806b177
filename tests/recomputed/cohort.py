"""Tables of who was studied: flow, characteristics, strata, and the cohort map."""

import numpy as np
from recomputed.compare import interval
from recomputed.controls import known
from recomputed.figures import bootstrapped, both, sizes
from recomputed.images import FULL, components, filtered, read, reference_of
from recomputed.intervals import Between, rate, share
from recomputed.scores import STAGES
from recomputed.study import CONTROLS, GROUPS, NO_LESION, RUNS, SHAPE, SPACING, SUBJECTS
from scipy import ndimage


def flow(scores):
    steps = [("References found", len(SUBJECTS), ""), ("Left out: other cases were chosen", 0, ""),
             ("Left out: unusable, or on another grid", 0, ""), ("Scored", len(SUBJECTS), ""),
             ("Scored: with a lesion in the reference", len(scores.lesion_cases()), ""),
             ("Scored: empty reference", len(NO_LESION), ", ".join(NO_LESION)),
             ("Scored: prediction missing, taken as empty (--allow-missing)", 0, ""),
             ("Not scored: predictions of other cases", 0, ""),
             ("Controls: scored without a reference", len(CONTROLS), "")]
    return [{"Step": step, "Cases": cases, "Which": which} for step, cases, which in steps]


def flow_predictions(scores):
    rows = []
    for name, cases, table in (("patients", SUBJECTS, scores.table), ("controls", CONTROLS, scores.control_table)):
        for group in GROUPS:
            for stage in STAGES:
                total = len(cases) * RUNS
                rows.append({"Subjects": name, "Group": group, "Stage": stage, "Runs": RUNS, "Cases": len(cases),
                             "Predictions expected": total, "Found": total, "Missing, scored as empty": 0,
                             "Unusable or on another grid": 0, "Scored": total,
                             "Found and empty": (table("n_clusters", group, stage) == 0).sum()})
    return rows


def counted(characteristic, value, values, sets):
    """A row of the characteristics: number and percentage of those known, for patients and controls."""
    row = {"Characteristic": characteristic, "Value": value}
    for name, cases in sets.items():
        found = [values[case] for case in cases if case in values]
        number = found.count(value)
        row |= {name: f"{number} ({100 * number / len(found):.0f} %)" if found else None,
                f"{name} known": len(found), f"{name} unknown": len(cases) - len(found)}
    return row


def quartiles(values, digits):
    low, median, high = np.percentile(values, [25, 50, 75])
    return "{} ({} to {}; {} to {})".format(*(f"{value:.{digits}f}".rstrip("0").rstrip(".") if digits == 1 else
                                              f"{value:.{digits}f}"
                                              for value in (median, low, high, min(values), max(values))))


def sides(scores):
    """Side of the centroid of the whole reference: left below x = 0."""
    found = {}
    for case in scores.lesion_cases():
        reference = reference_of(scores.folder / "labels", case)
        found[case] = "left" if reference.image.world(reference.mask)[:, 0].mean() < 0 else "right"
    return found


def test_set(scores):
    sets, everybody = {"Patients": SUBJECTS, "Controls": CONTROLS}, (*SUBJECTS, *CONTROLS)
    rows = [{"Characteristic": "Subjects", "Value": None, **{name: len(cases) for name, cases in sets.items()},
             "Patients known": len(SUBJECTS), "Patients unknown": 0, "Controls known": len(CONTROLS),
             "Controls unknown": 0}]
    for label, column, names in (("Group (group)", "group", {}), ("Sex (sex)", "sex", {"F": "female", "M": "male"}),
                                 (None, "age_scan", {}), ("scanner", "scanner", {}),
                                 ("Histopathology (histopathology)", "histopathology", {}),
                                 ("Lobe (lobe)", "lobe", {})):
        values = known(scores, column, everybody)
        if column == "age_scan":
            row = {"Characteristic": "Age at the scan, unit not stated (age_scan)",
                   "Value": "median (quartiles; range)"}
            for name, cases in sets.items():
                ages = [float(values[case]) for case in cases if case in values]
                row |= {name: quartiles(ages, 1), f"{name} known": len(ages),
                        f"{name} unknown": len(cases) - len(ages)}
            rows.append(row)
            continue
        shown = {case: names.get(value, value) for case, value in values.items()}
        rows += [counted(label, value, shown, sets) for value in sorted(set(shown.values()))]
    nothing = {"Controls": None, "Controls known": 0, "Controls unknown": 0}
    volumes = [volume / 1000 for volume in sizes(scores).values()]
    rows.append({"Characteristic": "Lesion volume in ml (reference)", "Value": "median (quartiles; range)",
                 "Patients": quartiles(volumes, 2), "Patients known": len(volumes), "Patients unknown": 0, **nothing})
    lesions = {case: len(reference_of(scores.folder / "labels", case).lesions) for case in SUBJECTS}
    for number in sorted(set(lesions.values())):
        row = counted("Lesions per subject (reference)", number, lesions, {"Patients": SUBJECTS})
        rows.append(row | nothing | {"Value": "0 (empty reference)" if number == 0 else str(number)})
    side = sides(scores)
    rows += [counted("Side of the lesion (centroid of the reference)", value, side,
                     {"Patients": scores.lesion_cases()}) | nothing for value in ("left", "right")]
    return rows


def level_rows(scores, levels):
    """The rows of a table of strata: `levels` are names with their subjects."""
    rows = []
    for level, cases in levels:
        sick = [case for case in cases if case not in NO_LESION]
        for stage, group in both(scores):
            dice = scores.table("dice", group, stage, cases=sick)
            rows.append({
                "Level": level, "Group": group, "Stage": stage, "Subjects": len(cases),
                **interval("sSens", *share(scores.table("detected", group, stage, cases=sick).mean(axis=1))),
                **(bootstrapped("DC", dice, low=0, high=1, unit=True) if len(sick) > 1 else
                   interval("DC", dice.mean() if len(sick) else None, None, None, len(sick), "bootstrap-t")),
                **interval("nFPC", *rate(scores.table("n_false_clusters", group, stage, cases=cases).mean(axis=1),
                                         RUNS)),
                "Reading": "descriptive" if len(cases) < 10 else "",
            })
    return rows


def by_column(scores, values):
    """Levels in alphabetical order, then those that are not given."""
    levels = [(level, [case for case in SUBJECTS if values.get(case) == level])
              for level in sorted(set(values.values()))]
    rest = [case for case in SUBJECTS if case not in values]
    return level_rows(scores, levels + ([("not given", rest)] if rest else []))


def strata_histopathology(scores):
    return by_column(scores, known(scores, "histopathology", SUBJECTS))


def strata_lobe(scores):
    return by_column(scores, known(scores, "lobe", SUBJECTS))


def strata_sex(scores):
    return by_column(scores, known(scores, "sex", SUBJECTS))


def strata_hemisphere(scores):
    side = {case: value[0].upper() for case, value in sides(scores).items()}
    levels = [(level, [case for case in SUBJECTS if side.get(case) == level]) for level in "LR"]
    return level_rows(scores, [*levels, ("no lesion", list(NO_LESION))])


def thirds(scores, values, digits, unit):
    """Thirds of the subjects with a lesion by a value; each is named by its lowest and highest."""
    ordered = sorted(values, key=values.get)
    parts = [list(part) for part in np.array_split(ordered, 3)]
    ends = [[f"{values[part[place]]:.{digits}f}{unit}" for place in (0, -1)] for part in parts]
    names = [f"1: up to {ends[0][1]}", f"2: {ends[1][0].removesuffix(unit)} to {ends[1][1]}",
             f"3: {ends[2][0]} and more"]
    return level_rows(scores, [*((name, sorted(part)) for name, part in zip(names, parts, strict=True)),
                               ("no lesion", list(NO_LESION))])


def strata_size(scores):
    return thirds(scores, sizes(scores), 0, " mm³")


def strata_contrast(scores):
    """Lesion minus the 5 mm around it, over the standard deviation of the nonzero voxels."""
    contrast = {}
    for case in scores.lesion_cases():
        reference, image = reference_of(scores.folder / "labels", case), read(
            scores.folder / "images" / f"{case}_0000.nii.gz").data.astype(float)
        away = ndimage.distance_transform_edt(~reference.mask, sampling=reference.image.spacing)
        brain = image != 0
        around = (away > 0) & (away <= 5) & brain
        contrast[case] = (image[reference.mask & brain].mean() - image[around].mean()) / image[brain].std()
    return thirds(scores, contrast, 2, "")


def marks(scores, group, stage, *, false=False):
    """Of every subject and control: the voxels that any run predicts, or (`false`) in clusters that hit no lesion."""
    masks = {}
    for case in (*SUBJECTS, *CONTROLS):
        found = np.zeros(SHAPE, bool)
        for run in range(RUNS):
            folder = scores.folder / ("pred" if case in SUBJECTS else "controls") / f"{group}{run}"
            raw = read(folder / f"{case}.nii.gz").data > 0
            predicted = raw if stage == "raw" else filtered(raw)
            if false:
                labels = ndimage.label(predicted, structure=FULL)[0]
                true = [0] if case in CONTROLS else [0, *labels[reference_of(scores.folder / "labels", case).mask]]
                predicted = ~np.isin(labels, true)
            found |= predicted
        masks[case] = found
    return masks


def limit_of_chance(masks):
    """The smallest k with voxels x P(at least k subjects) <= 0.05; the image is the brain."""
    inside = np.pad(np.ones(SHAPE, bool), 1)
    depth = ndimage.distance_transform_edt(inside, sampling=SPACING)[1:-1, 1:-1, 1:-1]
    exactly = np.zeros(len(masks) + 1)
    exactly[0] = 1.0  # distribution of the number of subjects, one subject after the other
    for mask in masks.values():
        p = 0.0  # clusters of one subject exclude each other
        for part in components(mask):
            radius = (3 * part.sum() * np.prod(SPACING) / (4 * np.pi)) ** (1 / 3)
            p += part.sum() / max((depth >= radius).sum(), 1)
        p = min(p, 1.0)
        exactly[1:] = exactly[1:] * (1 - p) + exactly[:-1] * p
        exactly[0] *= 1 - p
    tail = exactly[::-1].cumsum()[::-1]
    return next((k for k in range(len(tail)) if np.prod(SHAPE) * tail[k] <= 0.05), None)


def cohort_maps(scores):
    rows = []
    for group in GROUPS:
        for stage in STAGES:
            masks = marks(scores, group, stage)
            number, limit = np.sum(list(masks.values()), axis=0), limit_of_chance(masks)
            rows.append({"Group": group, "Stage": stage, "Subjects": len(masks), "of these controls": len(CONTROLS),
                         "Subjects with a cluster": sum(mask.any() for mask in masks.values()),
                         "Most at one voxel": number.max(), "Limit of chance": limit,
                         "Places flagged": len(components(number >= limit)) if limit else 0})
    return rows


def cohort_places(scores):
    rows = []
    for group in GROUPS:
        for stage in STAGES:
            masks, false = marks(scores, group, stage), marks(scores, group, stage, false=True)
            number = np.sum(list(masks.values()), axis=0)
            limit = limit_of_chance(masks)
            image = reference_of(scores.folder / "labels", SUBJECTS[0]).image
            places = sorted(components(number >= limit), key=lambda part: (-number[part].max(), -part.sum()))
            for place, part in enumerate(places, start=1):
                voxel = tuple(np.argwhere(part & (number == number[part].max()))[0])
                x, y, z = (Between(value - 0.0005, value + 0.0005) for value in image.world(part).mean(axis=0))
                rows.append({
                    "Group": group, "Stage": stage, "Place": place, "Marked in": number[voxel],
                    "of subjects": len(masks), "by a false cluster": sum(mask[voxel] for mask in false.values()),
                    "of these controls": sum(masks[case][voxel] for case in CONTROLS),
                    "x (mm)": x, "y (mm)": y, "z (mm)": z, "Volume (ml)": part.sum() * image.voxel_mm3 / 1000,
                })
    return rows
