"""Phantoms with a metastasis in the layout of Brain-Mets-Lung-MRI-Path-Segs: T1w with contrast, FLAIR, two masks.

The core takes up contrast agent; the whole is the core with the oedema around it, bright on the FLAIR. FLAIR and
masks of every other patient are on grids of their own, and one patient's files are not compressed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from nnunet_tv.demo.anatomy import load_anatomy
from nnunet_tv.demo.cohort import TRUTH, check_counts, claim, each_member
from nnunet_tv.demo.lesion import Lesion, draw_lesion, soft_ball
from nnunet_tv.demo.phantom import Settings, draw_pose, draw_roi, scan
from nnunet_tv.demo.pose import Pose
from nnunet_tv.imaging.volume import Volume, write_volume
from nnunet_tv.utils.files import remove_partial

#: Brightness that a complete core adds to the T1w, and the whole to the FLAIR; radius of the whole against the core's.
UPTAKE, OEDEMA, SPREAD = 0.5, 0.3, 1.6
#: Voxel size of a FLAIR on its own grid against the T1w's.
_FLAIR_SPACING = (0.9, 0.9, 1.8)
_VERSION = 1


@dataclass(frozen=True)
class Patient:
    """What is decided about a phantom before it is made."""

    case: str
    number: int
    own_grids: bool
    ending: str


def make_dataset(folder: str | Path, *, patients: int, controls: int = 0, test: int = 0, seed: int = 0,
                 progress: bool = True) -> list[str]:
    """Write the data set; a second call completes it.

    Parameters, result and errors are those of :func:`nnunet_tv.demo.dataset.make_dataset`, on phantoms of one kind.
    `controls` and `test` have no meaning: the data set has no controls and publishes no split.
    """
    check_counts(patients, controls, test)
    folder = Path(folder)
    claim(folder, TRUTH, {"version": _VERSION, "layout": "brain-mets-lung", "patients": patients, "seed": seed})
    members = [Patient(f"PHANTOM_{number:03d}", number, number % 2 == 0, ".nii" if number == 1 else ".nii.gz")
               for number in range(1, patients + 1)]
    each_member(folder, TRUTH, members, lambda member: _make(folder, member, seed), progress=progress)
    return [member.case for member in members]


def _make(folder: Path, member: Patient, seed: int) -> dict:
    rng = np.random.default_rng([seed, member.number])
    patient = folder / member.case
    remove_partial(patient)
    pose = draw_pose(rng, Settings())
    lesion = draw_lesion(load_anatomy(1.5), rng, radius_mm=(8.0, 13.0))
    for kind, volume in _files(member, pose, lesion, rng):
        write_volume(volume, patient / f"{member.case}_{kind}{member.ending}")
    return {"case": member.case, "lesion": asdict(lesion), "pose": pose.as_json()}


def _files(member: Patient, pose: Pose, lesion: Lesion, rng: np.random.Generator) -> Iterable[tuple[str, Volume]]:
    settings, anatomy = Settings(), load_anatomy(1.5)
    core = soft_ball(anatomy, lesion, rng)
    whole = np.maximum(core, soft_ball(anatomy, replace(lesion, radius_mm=SPREAD * lesion.radius_mm), rng))
    spacing = np.array([settings.resolution_mm] * 3)
    t1c, grid = scan("T1c", anatomy, pose, rng, settings, orientation="LPS", spacing_mm=tuple(spacing),
                     extra=UPTAKE * core)
    flair, flair_grid = scan("FLAIR", anatomy, pose, rng, settings, orientation="LAS",
                             spacing_mm=tuple(spacing * _FLAIR_SPACING), extra=OEDEMA * whole,
                             grid=None if member.own_grids else grid)
    yield "t1ce_img", t1c
    yield "flair_img", flair
    yield "core_seg", draw_roi(core, anatomy, pose, flair_grid)
    yield "whole_seg", draw_roi(whole, anatomy, pose, flair_grid)
