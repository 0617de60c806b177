"""Phantoms of newborns in the layout of BONBID-HIE: a skull-stripped ADC map, its Z map and a lesion mask."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy import ndimage

from nnunet_tv.demo import scanner
from nnunet_tv.demo.anatomy import Anatomy, load_anatomy
from nnunet_tv.demo.cohort import TRUTH, check_counts, claim, each_member
from nnunet_tv.demo.lesion import add_lesion, draw_lesion
from nnunet_tv.demo.phantom import Settings, draw_pose, draw_roi, head_box
from nnunet_tv.demo.pose import Pose
from nnunet_tv.imaging.metaimage import write_metaimage
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.utils.files import remove_partial

#: Numbers of the published validation cases; the phantoms' tested ones are named like them, the others count from 3.
VALIDATION = (1, 2, 302, 436)
#: Size of a newborn's head against the template's, and voxel size of the demo, slices last.
NEWBORN, SPACING_MM = 0.72, (1.7, 1.7, 3.4)
#: Share by which a complete lesion lowers the diffusivity; spread among the healthy, as a share, for the Z map.
LOSS, SPREAD = 0.45, 0.15
_SMOOTH_MM, _CLIP = 2.0, 10.0
_ORIENTATIONS = ("LPS", "RAS", "LAS")
_VERSION = 1


@dataclass(frozen=True)
class Newborn:
    """What is decided about a phantom before it is made."""

    case: str
    number: int
    part: str


def make_dataset(folder: str | Path, *, patients: int, controls: int = 0, test: int = 3, seed: int = 0,
                 progress: bool = True) -> list[str]:
    """Write the data set; a second call completes it.

    Parameters, result and errors are those of :func:`nnunet_tv.demo.dataset.make_dataset`, on phantoms of one kind.
    `controls` has no meaning: the data set has none.
    """
    check_counts(patients, controls, test)
    folder = Path(folder)
    claim(folder, TRUTH, {"version": _VERSION, "layout": "bonbid-hie", "patients": patients, "test": test,
                          "seed": seed})
    members = plan_members(patients, test)
    each_member(folder, TRUTH, members, lambda member: _make(folder, member, seed), progress=progress)
    return [member.case for member in members]


def plan_members(patients: int, test: int) -> list[Newborn]:
    """Names and parts; `test` of the newborns are for validation."""
    free = [number for number in range(1, patients + test + len(VALIDATION) + 1) if number not in VALIDATION]
    numbers = [*VALIDATION, *free[patients:]][:test] + free[:patients - test]
    return [Newborn(f"MGHNICU_{number:03d}-VISIT_01", number,
                    "BONBID2023_Val" if index < test else "BONBID2023_Train")
            for index, number in enumerate(numbers)]


def _make(folder: Path, member: Newborn, seed: int) -> dict:
    rng = np.random.default_rng([seed, member.number])
    base = stripped(load_anatomy(1.5))
    settings = Settings()
    pose = draw_pose(rng, settings)
    pose = Pose(pose.scanner_from_head, pose.template_from_head @ np.diag([1 / NEWBORN] * 3 + [1.0]), pose.warp)
    lesion = draw_lesion(base, rng, radius_mm=(12.0, 20.0))
    _, strength = add_lesion(base, lesion, rng)
    orientation = _ORIENTATIONS[member.number % len(_ORIENTATIONS)]
    grid = scanner.make_grid(pose, head_box(base), orientation=orientation, spacing_mm=SPACING_MM,
                             oblique_deg=tuple(settings.oblique_deg * rng.uniform(-1, 1, 3)))
    adc, zmap = maps(base, strength, pose, grid, rng)
    label = draw_roi(strength, base, pose, grid)
    case, part = member.case, folder / member.part
    for path, volume in ((part / "1ADC_ss" / f"{case}-ADC_ss.mha", adc),
                         (part / "2Z_ADC" / f"Zmap_{case}-ADC_smooth2mm_clipped10.mha", zmap),
                         (part / "3LABEL" / f"{case}_lesion.mha", label)):
        remove_partial(path.parent)
        write_metaimage(volume.data, volume.affine, path)
    return {"case": case, "lesion": asdict(lesion), "pose": pose.as_json()}


@lru_cache(maxsize=2)
def stripped(anatomy: Anatomy) -> Anatomy:
    """The brain alone: all that is around it is air."""
    keep = ("csf", "gm", "wm")
    tissues = {name: part * anatomy.brain if name in keep else np.zeros_like(part)
               for name, part in anatomy.tissues.items()}
    return replace(anatomy, tissues=tissues)


def maps(base: Anatomy, strength: np.ndarray, pose: Pose, grid: scanner.Grid,
         rng: np.random.Generator) -> tuple[Volume, Volume]:
    """ADC in 1e-6 mm2/s (int16) and its Z map (float32, -10 to 10), both 0 outside of the brain."""
    healthy = scanner.brightness(base, scanner.CONTRASTS["ADC"])
    found = scanner.sample([healthy, healthy * (1 - LOSS * strength), base.brain.astype(np.float32)], base, pose, grid)
    expected, signal, inside = found
    adc = scanner.acquire(signal, inside, rng, bias=np.ones(grid.shape, np.float32), noise=0.05)
    brain = inside > 0.5
    normal = scanner.SCALE * np.maximum(expected, 0.1)
    zmap = ndimage.gaussian_filter(np.where(brain, (adc - normal) / (SPREAD * normal), 0), _SMOOTH_MM / grid.spacing_mm)
    zmap = np.clip(zmap, -_CLIP, _CLIP) * brain
    return Volume(adc, grid.affine), Volume(zmap.astype(np.float32), grid.affine)
