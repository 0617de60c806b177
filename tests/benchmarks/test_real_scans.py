"""References of real scans in closed form, the table and exit status of the benchmark, and its run on a real folder."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import real_scans
from real_scans import Reference, compare, main, read_references, study_agreement

from nnunet_tv.imaging.affine import FLAIR, MNI, T1, Affine
from nnunet_tv.imaging.grid import Grid
from nnunet_tv.imaging.volume import Volume, write_volume
from nnunet_tv.preparation.provenance import Provenance

ITK = """#Insight Transform File V1.0
#Transform 0
Transform: MatrixOffsetTransformBase_double_3_3
Parameters: {0}
FixedParameters: {1}
"""
#: Quarter turn about z: x becomes y, y becomes -x. The same in LPS and RAS.
TURN = "0 -1 0 1 0 0 0 0 1"
KEEP = "1 0 0 0 1 0 0 0 1"
GRID = Grid((20, 24, 18), np.array([[10.0, 0, 0, -95], [0, 10, 0, -125], [0, 0, 10, -75], [0, 0, 0, 1]]))


def write_itk(path: Path, matrix: str, offset: str, centre: str = "0 0 0") -> None:
    """As the authors write their affine maps, LPS."""
    path.write_text(ITK.format(f"{matrix} {offset}", centre))


def shift(*mm: float) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = mm
    return matrix


def box(low=(5, 6, 5), high=(15, 18, 13), affine=GRID.affine) -> Volume:
    data = np.zeros(GRID.shape, np.uint8)
    data[tuple(map(slice, low, high))] = 1
    return Volume(data, affine)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two studies of anna with all references but one, one of ben without any; and what is no session."""
    scan = Volume(np.ones((3, 3, 3), np.int16), np.eye(4))
    for name in ("anna_s1", "anna_s2", "ben_s1"):
        for file in ("T1W", "FLAIR"):
            write_volume(scan, tmp_path / name / f"{file}.nii.gz")
    # RAS: FLAIR to T1w moves by (3, 0, 0) in the first study, by (0, 5, 0) in the second; and common to FLAIR turns in
    # the first about (10, 0, 0), moves by (0, 0, 7) in the second
    write_itk(tmp_path / "anna_s1/T1W_to_FLAIR.txt", KEEP, "-3 0 0")
    write_itk(tmp_path / "anna_s2/T1W_to_FLAIR.txt", KEEP, "0 -5 0")
    write_itk(tmp_path / "anna_s1/FLAIR_to_common.txt", TURN, "0 0 0", "-10 0 0")
    write_itk(tmp_path / "anna_s2/FLAIR_to_common.txt", KEEP, "0 0 7")
    np.save(tmp_path / "mni_to_t1_anna_s1.npy", np.diag([2.0, 1, 1, 1]))
    write_volume(box(), tmp_path / "anna_brainmask_common.nii.gz")
    write_volume(scan, tmp_path / "no_flair" / "T1W.nii.gz")
    return tmp_path


def test_references_of_a_session_and_of_another_study(folder):
    found = read_references(folder)
    assert list(found) == ["anna_s1", "anna_s2", "ben_s1"] and found["ben_s1"] == Reference()
    first, second = found["anna_s1"], found["anna_s2"]
    point = np.array([1.0, 2, 4])
    assert np.allclose(first.flair_to_t1.apply(point), (4, 2, 4))
    # common (1, 2, 4) is (-9, 2, 0) from the centre in RAS; turned (-2, -9, 0), so FLAIR (8, -9, 4)
    assert np.allclose(first.flair_to_common.apply(np.array([8.0, -9, 4])), point)
    assert np.allclose(first.mni_to_t1.apply(point), (2, 2, 4))
    # MNI (1, 2, 4), T1w (2, 2, 4), FLAIR (-1, 2, 4), which the turn backwards about (10, 0, 0) brings to common
    # (12, 11, 4), FLAIR of the second (12, 11, 11), T1w (12, 16, 11)
    assert second.mni_to_t1.source == MNI and second.mni_to_t1.target == T1
    assert np.allclose(second.mni_to_t1.apply(point), (12, 16, 11))
    assert second.brain.data.sum() == box().data.sum()


def record(name="case", *, flair=(0, 0, 0), mni=(0, 0, 0), **metrics) -> Provenance:
    """Translations that were found: of the FLAIR to the T1w, of MNI152 to the T1w."""
    return Provenance(name, "mni", GRID, {"T1w": GRID, "FLAIR": GRID}, Affine(shift(*flair), FLAIR, T1),
                      Affine(shift(*mni), MNI, T1).inverse(), details={"metrics": metrics})


def test_errors_are_distances_of_the_maps():
    reference = Reference(Affine(shift(3, 0, 0), FLAIR, T1), Affine(shift(0, 0, 30), FLAIR, "common"),
                          Affine(shift(0, 20, 0), MNI, T1), box((5, 8, 8), (15, 20, 16)))
    # the mask was written for this case: in common space 30 mm up, and 3 mm left of the T1w
    found = compare(record(flair=(3, 4, 0), mni=(0, 23, 4), brain={"volume_ml": 1234.0},
                           coverage={"FLAIR_missing_ml": 5.0}), None, reference)
    assert found == pytest.approx({"flair_median_mm": 4, "flair_max_mm": 4, "mni_median_mm": 5, "mni_95_mm": 5,
                                   "mni_max_mm": 5, "volume_ml": 1234, "flair_missing_ml": 5})
    # scaled by 1.1 about 0: the error grows with the distance, in mm of the T1w
    wide = Provenance("case", "mni", GRID, {"T1w": GRID}, t1_to_template=Affine(np.diag([1, 1 / 1.1, 1, 1]), T1, MNI))
    far = np.abs(real_scans.template_points()[:, 1]) * 0.1
    found = compare(wide, None, Reference(mni_to_t1=Affine(np.eye(4), MNI, T1)))
    assert found == pytest.approx({"mni_median_mm": np.median(far), "mni_95_mm": np.percentile(far, 95),
                                   "mni_max_mm": far.max()})


def test_dice_is_that_of_masks_on_the_t1_whatever_the_registration_to_mni():
    """The reference's mask goes to the grid of the results by the map that was found, within the T1w's grid."""
    found = box((5, 6, 5), (15, 18, 13))
    for mni, low, high in (((0, 0, 0), (5, 6, 8), (15, 18, 16)), ((10, 0, 0), (6, 6, 8), (16, 18, 16))):
        reference = Reference(Affine.identity(FLAIR, T1), Affine(shift(0, 0, 30), FLAIR, "common"),
                              brain=box(low, high))
        assert compare(record(mni=mni), found, reference)["brain_dice"] == 1
    half = Reference(Affine.identity(FLAIR, T1), Affine.identity(FLAIR, "common"), brain=box((5, 6, 5), (10, 18, 13)))
    assert compare(record(), found, half)["brain_dice"] == pytest.approx(2 / 3)
    # a T1w that ends in the middle of the brain: what is beyond does not count
    short = Grid((10, 24, 18), GRID.affine)
    cut = Provenance("case", "mni", GRID, {"T1w": short})
    assert compare(cut, box((5, 6, 5), (10, 18, 13)), Reference(half.flair_to_t1, half.flair_to_common,
                                                                brain=box()))["brain_dice"] == 1
    assert "brain_dice" not in compare(record(), None, half) | compare(record(), found, Reference(brain=box()))


def test_agreement_of_two_studies_needs_no_reference_of_mni(folder):
    found = read_references(folder)
    turned = np.array([[0.0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    # the first study's T1w to the second's: (x, y, z) to (y + 10, 13 - x, z) in common, then (0, 5, 7)
    expected = shift(10, 18, 7) @ turned
    maps = Affine(np.eye(4), MNI, T1), Affine(shift(0, 0, 2) @ expected, MNI, T1)
    agreement = study_agreement(maps[0], found["anna_s1"], maps[1], found["anna_s2"])
    assert agreement == pytest.approx({"studies_median_mm": 2, "studies_95_mm": 2})
    assert study_agreement(maps[0], found["anna_s1"], maps[1], found["ben_s1"]) == {}


@pytest.fixture
def command(monkeypatch):
    """Stand-in for the command: writes the results that a test puts in, by session."""
    results = {}

    def measured(module, *arguments):
        options = dict(zip(arguments[::2], arguments[1::2], strict=True))
        name, = (path.name for path in options["-i"].iterdir())
        one = results[name]
        if one is None:
            raise SystemExit("nnunet_tv.cli.prepare ended with exit status 1: every voxel is 1")
        one.write(options["-o"] / f"{name}.prep.json")
        for index in (0, 1):
            write_volume(box(), options["-o"] / f"{name}_{index:04d}.nii.gz")
        return {"cpu_seconds": 30.0, "main_gib": 1.0}

    monkeypatch.setattr(real_scans, "measured", measured)
    return results


@pytest.mark.parametrize("error_mm, flags, status", [(1.0, [], 0), (3.0, [], 1), (3.0, ["look"], 0)])
def test_exit_status_and_table(folder, command, tmp_path, capsys, error_mm, flags, status):
    references = read_references(folder)
    for name in ("anna_s1", "anna_s2"):
        to_t1 = Affine(shift(0, 0, error_mm if name == "anna_s2" else 0) @ references[name].mni_to_t1.matrix, MNI, T1)
        command[name] = Provenance(name, "mni", GRID, {"T1w": GRID, "FLAIR": GRID}, references[name].flair_to_t1,
                                   to_t1.inverse(), flags if name == "anna_s2" else [])
    command["ben_s1"] = record("ben_s1")
    assert main([str(folder), "--json", str(tmp_path / "out.json")]) == status
    output = capsys.readouterr().out.splitlines()
    lines = {line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]] for line in output[2:-2]}
    assert lines["anna_s1"][:3] == ["0.00 / 0.00", "0.0 / 0.0 / 0.0", "-"]
    shown = "1.0 / 1.0 / 1.0" if error_mm == 1 else "**3.0** / 3.0 / 3.0"
    assert lines["anna_s2"][1:3] == [shown, f"{error_mm:.1f} / {error_mm:.1f}"]
    assert lines["anna_s2"][-1] == ("look" if flags else "none")
    assert lines["ben_s1"] == ["-"] * 7 + ["15", "1.07", "none"]
    beyond = int(error_mm > 2)
    assert output[-1].startswith(f"3 sessions, 2 with a reference of MNI152, {len(flags)} flagged, {beyond} beyond ")
    assert output[-1].endswith(f" {beyond - len(flags) * beyond} of them without a flag, 0 not prepared")
    content = json.loads((tmp_path / "out.json").read_text())
    assert content["rows"][1]["mni_max_mm"] == pytest.approx(error_mm) and "cores" in content["machine"]


def test_a_session_that_cannot_be_prepared(folder, command, capsys):
    command |= {"anna_s1": None, "anna_s2": record("anna_s2"), "ben_s1": record("ben_s1")}
    assert main([str(folder)]) == 1
    output = capsys.readouterr().out
    assert "not prepared: nnunet_tv.cli.prepare ended with exit status 1: every voxel is 1" in output
    assert output.splitlines()[-1].endswith("1 not prepared")


def test_a_folder_without_sessions(tmp_path):
    with pytest.raises(SystemExit, match=r"expected folders PATIENT_STUDY with T1W.nii.gz and FLAIR.nii.gz"):
        main([str(tmp_path)])


@pytest.mark.slow
@pytest.mark.skipif("NNUNET_TV_REAL_SCANS" not in os.environ, reason="NNUNET_TV_REAL_SCANS names no folder")
def test_real_scans(tmp_path):
    """Every session of the folder is within the goals or flagged."""
    result = tmp_path / "out.json"
    assert main([os.environ["NNUNET_TV_REAL_SCANS"], "--json", str(result)]) == 0
    for row in json.loads(result.read_text())["rows"]:
        assert row["flags"] or row.get("flair_median_mm", 0) < 1
