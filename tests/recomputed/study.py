"""A study on disk: 3 groups of 10 runs, 20 subjects, 8 controls, and a second scan of 6 of them."""

import json
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

SHAPE = (40, 48, 36)
SPACING = (1.0, 1.2, 1.5)
GROUPS = ("Dice", "DiceBCE", "DiceTV")
RUNS = 10
SUBJECTS = tuple(f"sub-{number:02d}" for number in range(1, 21))
TWO_LESIONS = "sub-18"
NO_LESION = ("sub-19", "sub-20")
CONTROLS = tuple(f"sub-c{number}" for number in range(1, 9))
#: Patients and controls with a second scan, and the groups that predicted it.
RESCANNED = ("sub-02", "sub-05", "sub-09", "sub-19", "sub-c1", "sub-c2")
RESCAN_GROUPS = ("Dice", "DiceTV")
#: The reference alone is stored with flipped axes; all files are.
FLIPPED_REFERENCE, FLIPPED_CASE = "sub-03", "sub-04"
STRATA = ("histopathology", "lobe", "sex", "size", "contrast", "hemisphere")

_AFFINE = np.array([[SPACING[0], 0, 0, -19.5], [0, SPACING[1], 0, -30], [0, 0, SPACING[2], -12], [0, 0, 0, 1.0]])


@dataclass(frozen=True)
class Blob:
    """A place that a network may mark: its centre (voxels), radius (voxels) and how likely (logit at the centre)."""

    centre: np.ndarray
    radius: np.ndarray
    logit: float

    def box(self, reach):
        """The part of the grid around the centre, `reach` radii to each side."""
        low = np.floor(self.centre - reach * self.radius).astype(int)
        high = np.ceil(self.centre + reach * self.radius).astype(int) + 1
        return tuple(slice(max(a, 0), max(b, 0)) for a, b in zip(low, high, strict=True))

    def distance(self, box):
        """Squared distance from the centre, in radii."""
        grids = np.ogrid[tuple(slice(side.start, min(side.stop, n)) for side, n in zip(box, SHAPE, strict=True))]
        return sum(((grid - c) / r) ** 2 for grid, c, r in zip(grids, self.centre, self.radius, strict=True))


def _flip(data, affine):
    """The same image stored from the other ends of the first and the third axis."""
    affine = affine.copy()
    for axis in (0, 2):
        affine[:3, 3] += affine[:3, axis] * (data.shape[axis] - 1)
        affine[:3, axis] *= -1
    return data[::-1, :, ::-1], affine


def _save(path, data, *, flipped):
    path.parent.mkdir(parents=True, exist_ok=True)
    data, affine = _flip(data, _AFFINE) if flipped else (data, _AFFINE)
    nib.save(nib.Nifti1Image(np.ascontiguousarray(data), affine), path)


def _lesions(rng, case):
    """Ellipsoids in the inner part of the volume; the second lesion lies beside the first."""
    if case in NO_LESION or case in CONTROLS:
        return []
    centre = rng.uniform((9, 10, 9), (31, 38, 27))
    lesions = [Blob(centre, rng.uniform(1.5, 5.5, size=3), 0.0)]
    if case == TWO_LESIONS:
        lesions = [Blob(np.array([12.0, 20, 18]), np.array([3.0, 3, 3]), 0.0),
                   Blob(np.array([22.0, 20, 18]), np.array([3.0, 2, 3]), 0.0)]
    return lesions


def _places(rng, case, lesions):
    """What the networks may mark in a subject: the lesion, specks in it, and places of false clusters."""
    places = []
    for lesion in lesions:
        places.append(Blob(lesion.centre + rng.normal(0, 1, 3), lesion.radius * rng.uniform(0.5, 1.1),
                           rng.normal(0.3, 2)))
        for _ in range(rng.integers(0, 4)):
            places.append(Blob(lesion.centre + rng.uniform(-0.8, 0.8, 3) * lesion.radius,
                               rng.uniform(0.6, 1.2, 3), rng.normal(-1, 1.5)))
    if case == TWO_LESIONS:
        places.append(Blob(np.array([17.0, 20, 18]), np.array([6.0, 2, 2]), 1.5))
    if int(case[-2:].strip("c")) % 2:  # an artefact at one place of the template in half of all subjects
        places.append(Blob(np.array([33.0, 41, 6]), np.array([1.6, 1.6, 1.6]), 0.8))
    quiet = case in {"sub-06", "sub-20", "sub-c3"}
    for _ in range(rng.integers(0, 3) if quiet else rng.integers(2, 14)):
        places.append(Blob(rng.uniform((3, 3, 3), (37, 45, 33)), rng.uniform(0.6, rng.uniform(0.8, 4.5), 3),
                           rng.normal(-2.5 if quiet else -0.5, 1.5)))
    return places


def _probability(rng, places, group, run_effect, *, shift=0.0):
    """Probability (float32) on the grid, made of the places as this run of this group sees them."""
    effect = {"Dice": 0.7, "DiceBCE": 0.2, "DiceTV": 0.0}[group]
    logit = np.full(SHAPE, rng.normal(-5, 0.5))
    for place in places:
        strength = place.logit + effect * (place.logit < 1) + run_effect + rng.normal(0, 0.8)
        moved = Blob(place.centre + rng.normal(0, 0.4, 3) + shift, place.radius, 0)
        box = moved.box(2.5)
        part = logit[box]
        np.maximum(part, strength + 1.5 - 1.5 * moved.distance(box) + rng.normal(0, 0.3, part.shape), out=part)
    probability = 1 / (1 + np.exp(-logit * (1.6 if group == "DiceTV" else 1)))
    if group == "Dice":  # coarse values: equal confidences of many clusters
        probability = np.round(probability * 50) / 50
    return probability.astype(np.float32)


def _save_prediction(folder, probabilities, case, probability, *, as_npz):
    flipped = case == FLIPPED_CASE
    _save(folder / f"{case}.nii.gz", (probability > 0.5).astype(np.uint8), flipped=flipped)
    if probabilities is None:
        return
    if not as_npz:
        _save(probabilities / f"{case}.nii.gz", probability, flipped=flipped)
        return
    probabilities.mkdir(parents=True, exist_ok=True)
    stored = _flip(probability, _AFFINE)[0] if flipped else probability
    channels = np.stack([1 - stored, stored]).transpose(0, 3, 2, 1)  # nnU-Net: channel, z, y, x
    np.savez_compressed(probabilities / f"{case}.npz", probabilities=channels.astype(np.float32))


def _participants(path, rng):
    lobes = ("temporal", "frontal", "parietal", "n/a")
    lines = ["participant_id\tgroup\tsex\tage_scan\tscanner\thistopathology\tlobe"]
    for number, case in enumerate((*SUBJECTS, *CONTROLS)):
        if case == "sub-16":  # not in the table
            continue
        patient = case in SUBJECTS
        lines.append("\t".join((case, "fcd" if patient else "hc", "MF"[int(rng.integers(2))],
                                "n/a" if number % 7 == 3 else str(int(rng.integers(18, 60))),
                                "A" if not patient or number % 2 else "B",
                                ("IIa", "IIb", "n/a")[number % 4 % 3] if patient else "n/a",
                                lobes[int(rng.integers(4))] if patient else "n/a")))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _save_run(path, index, run):
    """The record of a training beside its predictions; odd runs were continued on two GPUs."""
    digest = {"cases": 59, "names_sha256": "a" * 64, "files_sha256": "b" * 64}
    sessions = [{
        "status": "finished", "started": f"2026-03-{day:02d}T10:00:00+00:00",
        "updated": f"2026-03-{day:02d}T{13 + run}:{3 * run:02d}:00+00:00", "first_epoch": 0, "epochs": 300,
        "command": ["nnUNetv2_train"], "commit": None, "modified": None, "workers": 8, "threads": 1, "compiled": True,
        "mixed_precision": True, "plan_sha256": "c" * 64, "data_sha256": "d" * 64, "seconds_per_epoch": 40.5,
        "peak_device_bytes": 11, "peak_resident_bytes": 12, "problem": "",
        "versions": {"nnunet-tv": "0.9", "nnunetv2": "2.8.1", "torch": f"2.{day}", "cuda": "13.0", "python": "3.12.1"},
        "device": {"type": "cuda", "name": "GPU X", "count": count, "memory_bytes": 85_000_000_000},
    } for day, count in ((1 + run, 1), (2 + run, 2))[:1 + run % 2]]
    path.write_text(json.dumps({
        "tool": "nnunet-tv-run", "format": 1, "status": "stopped early", "dataset": "DatasetFCD",
        "trainer": f"nnUNetTrainer{GROUPS[index]}", "plans": "P", "configuration": "3d_fullres", "fold": run,
        "recipe": "TV paper", "loss": "DiceTVLoss", "loss_settings": {"tv_weight": 0.05 + index},
        "optimizer": {"name": "AdamW", "initial_lr": 1e-4, "weight_decay": 1e-5},
        "network": {"class_name": "networks.Net", "parameters": 1000 + index, "patch_size": [96] * 3, "batch_size": 4},
        "seeds": {"seed": run, "rule": "", "seeded": ["all"], "not_seeded": []}, "plan_sha256": "c" * 64,
        "data": {"roles": {"train": digest, "selection": {**digest, "cases": 12}}, "splits_sha256": None,
                 "dataset_sha256": "e" * 64, "conversion_sha256": None, "sha256": "d" * 64},
        "planned_epochs": 300, "epochs": 200 + run, "iterations_per_epoch": 59, "seconds_per_epoch": 40.5,
        "best_epoch": 150 + run, "checkpoints": {}, "sessions": sessions}))


def make_study(folder: Path, *, seed=20251122):
    """Write the study: labels, images, pred, prob, controls, controls_prob, rescan, participants.tsv."""
    subjects = {}
    for number, case in enumerate((*SUBJECTS, *CONTROLS)):
        rng = np.random.default_rng([seed, number])
        lesions = _lesions(rng, case)
        subjects[case] = _places(rng, case, lesions)
        if case in CONTROLS:
            continue
        reference = np.zeros(SHAPE, np.uint8)
        for lesion in lesions:
            box = lesion.box(1)
            reference[box] |= lesion.distance(box) <= 1
        _save(folder / "labels" / f"{case}.nii.gz", reference, flipped=case in (FLIPPED_REFERENCE, FLIPPED_CASE))
        image = rng.normal(100, 10, SHAPE) + reference * rng.uniform(-10, 25)
        image[:2] = image[-2:] = 0
        _save(folder / "images" / f"{case}_0000.nii.gz", image.astype(np.float32), flipped=case == FLIPPED_CASE)
    _participants(folder / "participants.tsv", np.random.default_rng([seed, 999]))
    for index, group in enumerate(GROUPS):
        as_npz = group != "DiceBCE"
        for run in range(RUNS):
            run_effect = np.random.default_rng([seed, 1000, index, run]).normal(0, 0.35)
            for number, (case, places) in enumerate(subjects.items()):
                rng = np.random.default_rng([seed, 2000, index, run, number])
                kind = "pred" if case in SUBJECTS else "controls"
                probabilities = folder / {"pred": "prob", "controls": "controls_prob"}[kind] / f"{group}{run}"
                _save_prediction(folder / kind / f"{group}{run}", probabilities, case,
                                 _probability(rng, places, group, run_effect), as_npz=as_npz)
                if case in RESCANNED and group in RESCAN_GROUPS:
                    again = _probability(rng, places, group, run_effect, shift=rng.normal(0, 0.5, 3))
                    _save_prediction(folder / "rescan" / f"{group}{run}", None, case, again, as_npz=False)
            if group != "DiceBCE":  # of which nothing is recorded
                _save_run(folder / "pred" / f"{group}{run}" / "run.json", index, run)


def report_arguments(folder: Path, out: Path):
    """The arguments of nnunet-tv-report that score the study."""
    arguments = ["--ref", str(folder / "labels"), "--images", str(folder / "images"),
                 "--participants", str(folder / "participants.tsv"), "--strata", ",".join(STRATA),
                 "--measures", "--paper", "-np", "2", "-o", str(out)]
    for option, name, groups in (("--pred", "pred", GROUPS), ("--probabilities", "prob", GROUPS),
                                 ("--controls", "controls", GROUPS),
                                 ("--controls-probabilities", "controls_prob", GROUPS),
                                 ("--rescan", "rescan", RESCAN_GROUPS)):
        for group in groups:
            arguments += [option, *(f"{group}={folder / name / f'{group}{run}'}" for run in range(RUNS))]
    return arguments
