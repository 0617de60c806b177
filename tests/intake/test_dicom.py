"""DICOM through dcm2niix: series told apart, left and right kept, nobody named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicom_series import FLAIR, PATIENT, T1, write_series

from nnunet_tv.imaging.volume import Volume, read_volume
from nnunet_tv.intake import dcm2niix
from nnunet_tv.intake.dcm2niix import convert_series, find_dcm2niix
from nnunet_tv.intake.find import find_cases
from nnunet_tv.intake.manual_pairs import read_manual_pairs
from nnunet_tv.intake.privacy import redact, secrets_of
from nnunet_tv.utils.errors import CaseError, NnunetTVError


def block(orientation_matrix=None, shape=(20, 22, 24)) -> Volume:
    """A volume with one bright corner, so that no flip goes unnoticed."""
    data = np.full(shape, 20, np.float32)
    data[2:6, 3:8, 4:10] = 500
    affine = np.diag([2.0, 1.5, 1.25, 1.0]) if orientation_matrix is None else orientation_matrix
    return Volume(data, affine)


def study(folder: Path, name: str = "one", **options) -> None:
    write_series(block(), folder / "a", study=name, number=3, tags=T1, **options)
    write_series(block(), folder / "b", study=name, number=5, tags=FLAIR, **options)


def centre_mm(volume: Volume) -> np.ndarray:
    where = np.argwhere(volume.data > 400).mean(axis=0)
    return volume.affine[:3, :3] @ where + volume.affine[:3, 3]


def oblique(*columns) -> np.ndarray:
    """Affine whose axes are `columns` turned by 20 degrees about two axes."""
    c, s = np.cos(np.deg2rad(20)), np.sin(np.deg2rad(20))
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.array(columns, float).T * [2.0, 1.5, 1.25]
    affine[:3, 3] = (-11, 7, 23)
    return affine


@pytest.mark.parametrize("columns", [
    ([1, 0, 0], [0, 1, 0], [0, 0, 1]), ([-1, 0, 0], [0, -1, 0], [0, 0, 1]), ([-1, 0, 0], [0, 1, 0], [0, 0, 1]),
    ([0, -1, 0], [0, 0, 1], [1, 0, 0]),
], ids=["RAS", "LPS", "LAS", "PSR"])
def test_left_stays_left_through_dicom(tmp_path, columns):
    volume = block(oblique(*columns))
    write_series(volume, tmp_path / "in", study="one", number=3, tags=T1)
    write_series(volume, tmp_path / "in", study="one", number=4, tags=FLAIR)
    scans = find_cases(tmp_path / "in").cases[0].pair.scans
    convert_series("case-0001", "T1w", scans["T1w"], tmp_path / "out" / "t1.nii.gz")
    converted = read_volume(tmp_path / "out" / "t1.nii.gz", case="x")
    assert np.allclose(centre_mm(converted), centre_mm(volume), atol=0.01)
    assert sorted(np.round(converted.spacing_mm, 3)) == [1.25, 1.5, 2.0] and converted.data.sum() == volume.data.sum()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["t1.nii.gz"]


def test_series_are_told_apart_by_their_headers(tmp_path):
    study(tmp_path)
    thin = Volume(block().data[:, :, :4], block().affine)
    write_series(thin, tmp_path, study="one", number=1, tags={"SeriesDescription": "T1 survey?"})
    write_series(block(), tmp_path, study="one", number=6, tags={**T1, "ContrastBolusAgent": "Gadavist"})
    write_series(block(), tmp_path, study="one", number=7, tags=T1, image_type=("DERIVED", "SECONDARY", "MPR"))
    write_series(block(), tmp_path, study="one", number=8, tags={"SeriesDescription": "t2_tse", "EchoTime": 90})
    case = find_cases(tmp_path).cases[0]
    assert {name: one.label for name, one in case.pair.scans.items()} == {"T1w": "series-3", "FLAIR": "series-5"}
    assert case.pair.scans["T1w"].metadata.summary() == "3D, 22x20x24, TE 2.5 ms, TR 1660 ms, TI 850 ms"


def test_an_ambiguous_study_lists_its_series_and_can_be_pinned(tmp_path):
    study(tmp_path)
    write_series(block(), tmp_path, study="one", number=9, tags=T1)
    case = find_cases(tmp_path).cases[0]
    assert "found two that are T1w" in case.problem
    assert "series-9 't1_mprage_sag_iso': T1w: the name says 't1'" in case.problem
    for names in ("case-0001,series-9,series-5", "case-0001,9,5"):
        choice = find_cases(tmp_path, manual_pairs=read_manual_pairs([names])).cases[0].pair
        assert [one.label for one in choice.scans.values()] == ["series-9", "series-5"]


def test_equal_series_numbers_are_told_apart(tmp_path):
    study(tmp_path)
    write_series(block(), tmp_path / "c", study="one", number=3, tags=T1, uid="1.2.3")
    problem = find_cases(tmp_path).cases[0].problem
    labels = [line.split()[0] for line in problem.splitlines() if line.strip().startswith("series-3-")]
    assert len(set(labels)) == 2


def test_studies_keep_their_numbers_when_others_come(tmp_path):
    for name in ("one", "two", "three"):
        study(tmp_path / name, name)
    first = find_cases(tmp_path).studies
    assert sorted(first.values()) == ["case-0001", "case-0002", "case-0003"]
    study(tmp_path / "four", "four")
    second = find_cases(tmp_path, names=first).studies
    assert first.items() < second.items() and "case-0004" in second.values()


def test_ids_are_kept_on_request_alone(tmp_path):
    patient = {**PATIENT, "PatientID": "ID 7/8"}
    study(tmp_path, patient=patient)
    write_series(block(), tmp_path, study="one", number=6, tags={**T1, "SeriesDescription": "T1 Quixano"},
                 patient=patient)
    hidden, kept = find_cases(tmp_path).cases[0], find_cases(tmp_path, keep_ids=True).cases[0]
    assert hidden.case == "case-0001" and "T1 ***" in hidden.problem and "Quixano" not in hidden.problem
    assert kept.case == "ID-7-8" and "T1 Quixano" in kept.problem


def test_two_studies_of_one_patient_with_kept_ids(tmp_path):
    study(tmp_path / "one", "one")
    study(tmp_path / "two", "two")
    names = [case.case for case in find_cases(tmp_path, keep_ids=True).cases]
    assert len(set(names)) == 2 and all(name.startswith("ZX4711981_study-") for name in names)


def test_damaged_and_other_files_cost_nothing(tmp_path):
    study(tmp_path)
    (tmp_path / "broken").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 50)
    (tmp_path / "readme.txt").write_text("x")
    found = find_cases(tmp_path)
    assert found.cases[0].pair is not None
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "broken").write_bytes((tmp_path / "broken").read_bytes())
    with pytest.raises(NnunetTVError, match="found none"):
        find_cases(tmp_path / "only")


def test_nifti_and_dicom_together(tmp_path):
    import nibabel as nib

    study(tmp_path / "dicom")
    for name in ("T1", "FLAIR"):
        (tmp_path / "p").mkdir(exist_ok=True)
        nib.save(nib.Nifti1Image(np.zeros((16, 16, 16), np.uint8), np.eye(4)), tmp_path / "p" / f"{name}.nii.gz")
    found = find_cases(tmp_path)
    assert [case.case for case in found.cases] == ["case-0001", "p"]
    assert "2 NIfTI files and 1 DICOM studies: both are taken" in found.remarks[0]


def test_a_series_that_is_several_volumes(tmp_path):
    study(tmp_path)
    write_series(block(), tmp_path / "a2", study="one", number=3, tags={**T1, "EchoTime": 9.0, "EchoNumbers": 2})
    scans = find_cases(tmp_path).cases[0].pair.scans
    with pytest.raises(CaseError, match=r"expected one volume of series-3 \(T1w\), dcm2niix made"):
        convert_series("case-0001", "T1w", scans["T1w"], tmp_path / "out" / "t1.nii.gz")
    assert not list((tmp_path / "out").iterdir())


def test_a_series_that_cannot_be_converted(tmp_path, monkeypatch):
    study(tmp_path)
    scans = find_cases(tmp_path).cases[0].pair.scans
    program = tmp_path / "dcm2niix"
    program.write_text("#!/bin/sh\necho cannot read Quixano; exit 2\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(CaseError, match=r"cannot convert series-3 .T1w., exit status 2: .* cannot read \*\*\*") as told:
        convert_series("case-0001", "T1w", scans["T1w"], tmp_path / "o" / "t1.nii.gz", secrets={"Quixano"})
    assert "Quixano" not in str(told.value)


def test_a_conversion_that_hangs(tmp_path, monkeypatch):
    study(tmp_path)
    scans = find_cases(tmp_path).cases[0].pair.scans
    program = tmp_path / "dcm2niix"
    program.write_text("#!/bin/sh\nexec sleep 30\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(dcm2niix, "_TIMEOUT_S", 0.2)
    with pytest.raises(CaseError, match="dcm2niix did not finish series-3"):
        convert_series("case-0001", "T1w", scans["T1w"], tmp_path / "o" / "t1.nii.gz")


def test_without_dcm2niix_it_is_said_what_to_install(monkeypatch, tmp_path):
    import sys

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "dcm2niix", None)
    with pytest.raises(NnunetTVError, match="pip install dcm2niix"):
        find_dcm2niix()


@pytest.mark.parametrize("text, told", [
    ("FLAIR Quixano", "FLAIR ***"),
    ("quixano_ALONSO t1", "***_*** t1"),
    ("T1 ZX4711981 19470929", "T1 *** ***"),
    ("liTP3 with Li", "liTP3 with ***"),
    ("t1_mprage", "t1_mprage"),
    ("T1 29.09.1947 29.9.1947 29/09/47 1947-09-29 09/29/1947 470929 29091947", "T1" + " ***" * 7),
    ("T1 Muller mueller Müller, Gross", "T1 *** *** ***, ***"),
    ("3D 1.0x1.0 mm 2021-03-04", "3D 1.0x1.0 mm 2021-03-04"),
])
def test_what_names_a_person_is_hidden(text, told):
    header = {**PATIENT, "OtherPatientNames": "Li", "PatientBirthName": "Müller^Groß", "StudyID": "1"}
    assert redact(text, secrets_of(header)) == told


def two_visits(folder: Path, **second) -> tuple[str, str]:
    """The T1w and the FLAIR of two studies; their case names."""
    write_series(block(), folder / "a", study="monday", number=3, tags=T1)
    write_series(block(), folder / "b", study="tuesday", number=5, tags=FLAIR, patient={**PATIENT, **second})
    cases = find_cases(folder).cases
    assert all("expected one T1w and one FLAIR" in case.problem for case in cases)
    assert all(("is pinned as case-000" in case.problem) == ("PatientID" not in second) for case in cases)
    return tuple(next(case.case for case in cases if f"series-{number}" in case.problem) for number in (3, 5))


def test_a_pair_of_two_studies_of_one_patient(tmp_path):
    t1, flair = two_visits(tmp_path)
    found = find_cases(tmp_path, manual_pairs=read_manual_pairs([f"{t1},series-3,{flair}/series-5"]))
    case, = found.cases
    assert case.case == t1 and [scan.label for scan in case.pair.scans.values()] == ["series-3", "series-5"]
    assert found.remarks == (f"{flair}: no case of its own, since a pair takes a scan of it",)
    named, = find_cases(tmp_path, manual_pairs=read_manual_pairs([f"anna,{t1}/series-3,{flair}/series-5"])).cases
    assert named.case == "anna" and named.study == case.study and named.secrets == case.secrets != frozenset()


def test_a_pair_of_two_patients_is_refused(tmp_path):
    t1, flair = two_visits(tmp_path, PatientID="Q2")
    cases = {case.case: case for case in
             find_cases(tmp_path, manual_pairs=read_manual_pairs([f"{t1},series-3,{flair}/series-5"])).cases}
    assert cases[t1].pair is None and "studies with different patient ids" in cases[t1].problem
