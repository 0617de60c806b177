"""What a registered conversion writes beside the images, and that it moves, stays and goes with its case."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from nibabel.affines import from_matvec
from output_folders import table
from PIL import Image
from small_dataset import small_dataset

from nnunet_tv.conversion.plan import ConversionOptions, make_plan
from nnunet_tv.conversion.source import SourceDataset
from nnunet_tv.conversion.stated_side import check_side
from nnunet_tv.conversion.writer import convert
from nnunet_tv.imaging.affine import FLAIR, MNI, T1, Affine
from nnunet_tv.imaging.grid import Grid
from nnunet_tv.imaging.volume import Volume, read_volume
from nnunet_tv.preparation import prepare_case, qc
from nnunet_tv.preparation.alignment import SPACES, Alignment, RegistrationOptions
from nnunet_tv.preparation.provenance import Provenance
from nnunet_tv.utils.files import read_json

SHIFT = from_matvec(np.eye(3), [1.0, 0.0, 0.0])
SCALE = np.diag([1.25, 1.25, 1.25, 1.0])


@pytest.fixture
def source(tmp_path, monkeypatch) -> SourceDataset:
    """Six tiny patients; the registration shifts the FLAIR by a voxel and scales to a made-up template."""
    def fake(case, scans, options):
        scale, shift = Affine(SCALE, T1, MNI), Affine(SHIFT, FLAIR, T1)
        grid = Grid((15, 15, 15), np.eye(4))
        brain = np.zeros(grid.shape, np.uint8)
        brain[:8 if case == "case0" else 15] = 1
        return Alignment(grid, {"T1w": scale.inverse(), "FLAIR": (scale @ shift).inverse()},
                         brain=Volume(brain, np.eye(4)), clip=True, flags=("odd",) if case == "case1" else (),
                         flair_to_t1=shift, t1_to_template=scale, details={"metrics": {}, "backend": options.backend})

    monkeypatch.setitem(SPACES, "mni", fake)
    monkeypatch.setattr(prepare_case, "draw_prepared", lambda _, output: Path(output).write_bytes(b"drawn"))
    return small_dataset(tmp_path / "source", shape=(12, 12, 12), spacing=1.0,
                         lesion=(slice(5, 10), slice(3, 9), slice(3, 9)))


def run(source, root, split="paper", registration="mni", **choices):
    repeats = None if split == "cv5" else 2
    settings = ConversionOptions(split, repeats, space=registration, registration=RegistrationOptions(**choices))
    return convert(make_plan(source, settings), root)


def beside(root) -> set[str]:
    return {f"{path.parent.name}/{path.name}" for path in root.glob("images*/*") if not path.name.endswith(".nii.gz")}


def test_record_and_transforms_lie_beside_the_images(source, tmp_path):
    root = tmp_path / "raw"
    assert run(source, root).ok
    images = {f"{path.parent.name}/{path.name[:5]}" for path in root.glob("images*/*_0000.nii.gz")}
    assert beside(root) == {f"{name}{ending}" for name in images for ending in (
        ".prep.json", "_flair_to_t1.tfm", "_t1_to_template.tfm")} and len(images) == 6
    path = next(root.glob("images*/case2.prep.json"))
    content, record = read_json(path), Provenance.read(path)
    assert content["flair_to_t1"] == SHIFT.tolist() and content["t1_to_template"] == SCALE.tolist()
    assert content["flags"] == [] and content["registration"] == "mni" and record.grid.shape == (15, 15, 15)
    assert content["details"]["scans"]["T1w"] == {"file": "case2_T1w.nii.gz"}
    for name, matrix in (("flair_to_t1", SHIFT), ("t1_to_template", SCALE)):
        found = Affine.read_itk(path.with_name(f"case2_{name}.tfm"), "moving", "fixed")
        assert np.allclose(found.matrix, matrix)
    assert read_json(root / "dataset.json")["conversion"]["backend"] == "simpleitk"


def test_images_are_brain_only_and_flags_reach_table_record_and_page(source, tmp_path):
    root = tmp_path / "raw"
    outcomes = run(source, root).outcomes
    image = read_volume(next(root.glob("images*/case0_0001.nii.gz")), case="case0")
    assert not image.data[8:].any() and image.data[3:7, 3:7, 3:7].all()
    rows = table(root / "conversion.tsv")
    assert {case for case, row in rows.items() if row["status"] == "flagged"} == {"case0", "case1"}
    assert rows["case2"]["status"] == "converted" and rows["case2"]["notes"] == ""
    assert "flagged: odd" in rows["case1"]["notes"]
    assert "of the lesion lies outside of the brain mask" in rows["case0"]["notes"]
    flags = read_json(next(root.glob("images*/case0.prep.json")))["flags"]
    assert len(flags) == 1 and flags[0] in rows["case0"]["notes"]
    page, changed = root / "qc.html", (root / "qc.html").stat().st_mtime_ns
    assert page.read_text().index("case1: flagged") < page.read_text().index('src="qc/case2.png"')
    assert "odd" in page.read_text() and {path.name for path in (root / "qc").iterdir()} == {f"{c}.png" for c in rows}
    assert (root / "qc" / "case1.png").read_bytes() == b"drawn"
    again = run(source, root)
    assert again.counts["changed"] == 0 and page.stat().st_mtime_ns == changed
    assert [outcome.flags for outcome in again.outcomes] == [outcome.flags for outcome in outcomes], "are recorded"


def test_they_move_and_go_with_their_case(source, tmp_path):
    root = tmp_path / "raw"
    run(source, root)
    next(root.glob("images*/case3.prep.json")).unlink()
    assert run(source, root).counts["changed"] == 1
    assert any(name.startswith("imagesTs/") for name in beside(root))
    assert run(source, root, "cv5").counts["changed"] == 1
    assert not any(name.startswith("imagesTs/") for name in beside(root)) and len(beside(root)) == 18
    assert run(source, root, registration="none").counts["changed"] == 6
    assert beside(root) == set() and not (root / "qc.html").exists() and not list((root / "qc").iterdir())
    assert run(source, root).counts["changed"] == 6
    assert run(source, root, backend="fsl").counts["changed"] == 6


def test_the_picture_is_the_preparations(source, tmp_path, monkeypatch):
    monkeypatch.setattr(prepare_case, "draw_prepared", qc.draw_prepared)
    template = SimpleNamespace(t1=Volume(np.ones((15, 15, 15), np.float32), np.eye(4)))
    monkeypatch.setattr(qc, "load_template", lambda: template)
    alone = SourceDataset(**{**vars(source), "cases": source.cases[:3]})
    convert(make_plan(alone, ConversionOptions("paper", 1, space="mni")), tmp_path / "raw")
    with Image.open(tmp_path / "raw" / "qc" / "case1.png") as picture:
        assert min(picture.size) > 300


def test_a_lesion_on_the_other_side_than_stated_is_an_error(source, tmp_path):
    """The masks are at positive x of the template: right."""
    sides = {"case0": "left", "case1": "right", "case2": "left"}
    stated = replace(source, cases=tuple(replace(case, side=sides.get(case.case, "")) for case in source.cases))
    report = run(stated, tmp_path / "raw", split="seeded")
    assert set(report.failed) == {"case0", "case2"}
    assert "stated to be left, but its mask is right" in report.failed["case0"]
    assert "side right, as the mask" in table(tmp_path / "raw" / "conversion.tsv")["case1"]["notes"]
    assert not list((tmp_path / "raw").glob("*/case0*"))
    changed = replace(source, cases=tuple(replace(case, side="right") for case in source.cases))
    assert run(changed, tmp_path / "raw", split="seeded").counts["changed"] == 5  # case1 is up to date


def test_a_lesion_across_the_midline_is_noted(tmp_path):
    data = np.zeros((9, 3, 3), np.uint8)
    data[1:8] = 1
    label = Volume(data, np.array([[1.0, 0, 0, -4], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]))
    assert check_side("a", label, "left", space="mni") == ("side left, but the mask is on the midline: look at it",)
    assert check_side("a", label, "", space="mni") == ()
