"""Head phantoms with known lesions in the layouts of the public data sets and of a table of pairs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import bonbid_tree
import mets_tree
import numpy as np
from metaimage_files import write_metaimage

from nnunet_tv.demo import scanner
from nnunet_tv.demo.anatomy import TISSUES, Anatomy, load_anatomy
from nnunet_tv.demo.dataset import TRUTH, make_dataset
from nnunet_tv.demo.lesion import Lesion, add_lesion, draw_lesion
from nnunet_tv.demo.phantom import PhantomOptions, draw_pose, draw_roi, head_box, make_phantom, scan
from nnunet_tv.demo.pose import Pose
from nnunet_tv.imaging.volume import write_volume
from nnunet_tv.utils.files import read_json

#: Lesion and pose of each case.
Truth = dict[str, tuple[Lesion, Pose]]
#: T1w with contrast agent; diffusivity of a newborn's brain, in which white matter is above grey.
T1C = dict(zip(TISSUES, (0.20, 0.57, 0.88, 0.07, 0.50, 0.95, 0.50), strict=True))
ADC = dict(zip(TISSUES, (3.2, 1.45, 1.85, 0.0, 0.0, 0.0, 0.0), strict=True))
NEWBORN_SIZE, MM = 0.72, 3.0


def write_ds004199(root: Path) -> Truth:
    """The demo's data set: four patients and two controls, all protocols, one mask on another grid than its FLAIR."""
    cases = make_dataset(root, patients=4, controls=2, test=1, seed=3, progress=False,
                         options=PhantomOptions(resolution_mm=5.0, lesion_radius_mm=(14.0, 18.0)))
    records = {case: read_json(root / TRUTH / f"{case}.json") for case in cases}
    return {case: (Lesion(**record["lesion"]), Pose.from_json(record["t1_pose"]))
            for case, record in records.items() if record["lesion"]}


def write_bonbid(root: Path) -> Truth:
    """Skull-stripped ADC maps with lower values in the lesion, Z maps and masks; the case numbered 1 is validation."""
    truth, head = {}, load_anatomy(5.0)
    brain = replace(head, tissues={name: part * (head.brain if name in ("csf", "gm", "wm") else 0)
                                   for name, part in head.tissues.items()})
    for number, orientation in enumerate(("RAS", "LPS", "LAS", "PSR"), start=1):
        lesion, strength, pose, rng = _draw(brain, number)
        pose = replace(pose, template_from_head=pose.template_from_head @ np.diag([1 / NEWBORN_SIZE] * 3 + [1.0]))
        grid = scanner.make_grid(pose, head_box(brain), orientation=orientation, spacing_mm=(MM, MM, 2 * MM))
        signal = scanner.brightness(brain, ADC) * (1 - 0.45 * strength)
        signal, inside = scanner.sample([signal, brain.brain.astype(np.float32)], brain, pose, grid)
        adc = scanner.acquire(signal, inside, rng, bias=np.ones(grid.shape), noise=0.05)
        label = draw_roi(strength, brain, pose, grid)
        case = bonbid_tree.name(number)
        part = root / (bonbid_tree.VALIDATION if number == 1 else bonbid_tree.TRAIN)
        volumes = {"ADC": adc, "Zmap": (-3.0 * label.data).astype(np.float32), "label": label.data}
        for kind, path in bonbid_tree.files(part, case).items():
            write_metaimage(volumes[kind], grid.affine, path)
        truth[case] = lesion, pose
    return truth


def write_mets(root: Path) -> Truth:
    """T1w with contrast agent in the core, FLAIR with oedema around it and masks on the FLAIR's own grid."""
    truth, head, options = {}, load_anatomy(5.0), PhantomOptions()
    for number in range(1, 6):
        lesion, core, pose, rng = _draw(head, number)
        whole = np.maximum(core, add_lesion(head, replace(lesion, radius_mm=1.6 * lesion.radius_mm), rng)[1])
        t1c, _ = scan(T1C, head, pose, rng, options, orientation="LPS", spacing_mm=(MM,) * 3, extra=0.5 * core)
        flair, grid = scan(scanner.CONTRASTS["FLAIR"], head, pose, rng, options, orientation="LAS",
                           spacing_mm=(MM, MM, 2 * MM), extra=0.3 * whole)
        volumes = {"t1ce_img": t1c, "flair_img": flair, "core_seg": draw_roi(core, head, pose, grid),
                   "whole_seg": draw_roi(whole, head, pose, grid)}
        for kind, path in mets_tree.files(root, number).items():
            write_volume(volumes[kind], path)
        truth[path.parent.name] = lesion, pose
    return truth


def write_pairs(root: Path) -> Truth:
    """``table.tsv`` with four patients, one of them for testing, and a case without a lesion."""
    truth, lines = {}, ["case\tT1w\tFLAIR\tlabel\tsplit"]
    for number in range(1, 6):
        case = f"c{number}"
        one = make_phantom(np.random.default_rng(number), patient=number < 5, options=PhantomOptions(MM))
        cells = [case]
        for name, volume in (("t1", one.t1), ("flair", one.flair), ("lesion", one.roi)):
            cells.append("none" if volume is None else f"{case}_{name}.nii.gz")
            if volume is not None:
                write_volume(volume, root / cells[-1])
        lines.append("\t".join([*cells, "test" if number == 1 else "train"]))
        if one.lesion:
            truth[case] = one.lesion, one.t1_pose
    (root / "table.tsv").write_text("\n".join(lines) + "\n")
    return truth


def _draw(anatomy: Anatomy, number: int) -> tuple[Lesion, np.ndarray, Pose, np.random.Generator]:
    rng = np.random.default_rng(number)
    lesion = draw_lesion(anatomy, rng, radius_mm=(12.0, 18.0), hemisphere="LR"[number % 2])
    return lesion, add_lesion(anatomy, lesion, rng)[1], draw_pose(rng, PhantomOptions()), rng
