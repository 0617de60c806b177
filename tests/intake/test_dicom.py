"""Studies and series of DICOM files: which are the T1w and the FLAIR, names of cases, no patient identified."""

from pathlib import Path

import numpy as np
import pytest
from dicom_series import FLAIR, PATIENT, T1, dataset, write_header, write_series

from nnunet_tv.imaging.volume import Volume, write_volume
from nnunet_tv.intake.find import find_cases
from nnunet_tv.intake.manual_pairs import read_manual_pairs
from nnunet_tv.utils.errors import NnunetTVError

BLOCK = Volume(np.full((20, 22, 24), 20, np.float32), np.diag([2.0, 1.5, 1.25, 1.0]))


def study(folder: Path, name: str = "one", **options) -> None:
    write_series(BLOCK, folder / "a", study=name, number=3, tags=T1, **options)
    write_series(BLOCK, folder / "b", study=name, number=5, tags=FLAIR, **options)


def by_hand(*pairs: str) -> dict:
    return {"manual_pairs": read_manual_pairs(pairs)}


def test_series_are_recognised_by_their_headers(tmp_path):
    study(tmp_path)
    thin = Volume(BLOCK.data[:, :, :4], BLOCK.affine)
    write_series(thin, tmp_path, number=1, tags={"SeriesDescription": "T1 survey?"})
    write_series(BLOCK, tmp_path, number=6, tags={**T1, "ContrastBolusAgent": "Gadavist"})
    write_series(BLOCK, tmp_path, number=7, tags=T1, image_type=("DERIVED", "SECONDARY", "MPR"))
    write_series(BLOCK, tmp_path, number=8, tags={"SeriesDescription": "t2_tse", "EchoTime": 90})
    case, = find_cases(tmp_path).cases
    assert {name: one.label for name, one in case.pair.scans.items()} == {"T1w": "series-3", "FLAIR": "series-5"}
    assert case.pair.scans["T1w"].metadata.summary() == "3D, 22x20x24, TE 2.5 ms, TR 1660 ms, TI 850 ms"


def test_ambiguous_study_lists_its_series_and_takes_a_manual_pair(tmp_path):
    study(tmp_path)
    write_series(BLOCK, tmp_path, number=9, tags=T1)
    write_series(BLOCK, tmp_path / "c", number=3, tags=T1, uid="1.2.3")
    problem = find_cases(tmp_path).cases[0].problem
    assert "found three that are T1w" in problem
    assert "series-9 't1_mprage_sag_iso': T1w: the name contains 't1'" in problem
    assert len({line.split()[0] for line in problem.splitlines() if line.strip().startswith("series-3-")}) == 2
    for pair in ("case-0001,series-9,series-5", "case-0001,9,5"):
        scans = find_cases(tmp_path, **by_hand(pair)).cases[0].pair.scans
        assert [one.label for one in scans.values()] == ["series-9", "series-5"]


def test_studies_keep_their_numbers_when_others_are_added(tmp_path):
    names: dict[str, str] = {}
    for n in (1, 2, 3, 4):
        study(tmp_path / str(n), str(n))
        before, names = names, find_cases(tmp_path, names=names).studies
        assert before.items() < names.items() and sorted(names.values()) == [f"case-{i + 1:04d}" for i in range(n)]


def test_ids_are_kept_on_request_only(tmp_path):
    patient = {**PATIENT, "PatientID": "ID 7/8"}
    study(tmp_path / "one", patient=patient)
    write_series(BLOCK, tmp_path / "one", number=6, tags={**T1, "SeriesDescription": "T1 Quixano"}, patient=patient)
    hidden, kept = find_cases(tmp_path).cases[0], find_cases(tmp_path, keep_ids=True).cases[0]
    assert hidden.case == "case-0001" and "T1 ***" in hidden.problem and "Quixano" not in hidden.problem
    assert kept.case == "ID-7-8" and "T1 Quixano" in kept.problem
    study(tmp_path / "two", "two", patient=patient)
    names = [case.case for case in find_cases(tmp_path, keep_ids=True).cases]
    assert len(set(names)) == 2 and all(name.startswith("ID-7-8_study-") for name in names)


def test_nifti_and_dicom_together_with_damaged_files_that_are_left_out_and_not_named(tmp_path, caplog):
    (tmp_path / "readme.txt").write_text("x")
    (tmp_path / "broken").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 50)
    with pytest.raises(NnunetTVError, match="found none; of 1 DICOM files none has a readable header"):
        find_cases(tmp_path)
    study(tmp_path / "Quixano")
    for name in ("T1", "FLAIR"):
        write_volume(BLOCK, tmp_path / "p" / f"{name}.nii.gz")
    found = find_cases(tmp_path)
    assert [case.case for case in found.cases] == ["case-0001", "p"] and found.cases[0].pair is not None
    assert "2 NIfTI files and 1 DICOM studies: both are used" in found.remarks[0]
    assert caplog.text == ""  # pydicom's messages contain paths and values


@pytest.mark.parametrize("second", [{}, {"PatientID": "Q2"}], ids=["one patient", "two patients"])
def test_pair_from_two_studies(tmp_path, second):
    write_series(BLOCK, tmp_path / "a", study="monday", number=3, tags=T1)
    write_series(BLOCK, tmp_path / "b", study="tuesday", number=5, tags=FLAIR, patient={**PATIENT, **second})
    cases = find_cases(tmp_path).cases
    assert all("expected one T1w and one FLAIR" in case.problem for case in cases)
    assert all(("is given as case-000" in case.problem) == (not second) for case in cases)
    t1, flair = (next(case.case for case in cases if f"series-{number}" in case.problem) for number in (3, 5))
    found = find_cases(tmp_path, **by_hand(f"{t1},series-3,{flair}/series-5"))
    case = next(case for case in found.cases if case.case == t1)
    if second:
        assert case.pair is None and "studies of two patients" in case.problem
        return
    assert len(found.cases) == 1 and [one.label for one in case.pair.scans.values()] == [
        "series-3", f"{flair}/series-5"]
    assert found.remarks == (f"{flair}: no case of its own, since a pair takes a scan of it",)
    named, = find_cases(tmp_path, **by_hand(f"anna,{t1}/series-3,{flair}/series-5")).cases
    assert named.case == "anna" and named.study == case.study and named.secrets == case.secrets != frozenset()


def test_one_study_uid_for_two_patients_is_two_cases(tmp_path):
    """As de-identification writes it that gives all exams one UID: a T1w and a FLAIR of two people are no pair."""
    write_series(BLOCK, tmp_path / "a", number=3, tags=T1, patient={**PATIENT, "PatientID": "Q1"})
    write_series(BLOCK, tmp_path / "b", number=5, tags=FLAIR, patient={**PATIENT, "PatientID": "Q2"})
    cases = find_cases(tmp_path).cases
    assert len(cases) == 2 and all(case.pair is None and "Q1" not in case.problem for case in cases)
    write_series(BLOCK, tmp_path / "c", number=6, tags=FLAIR, patient={**PATIENT, "PatientID": "Q1"})
    assert sorted(case.pair is None for case in find_cases(tmp_path).cases) == [False, True]


@pytest.mark.parametrize("elements", [
    {"ContrastBolusVolume": 7.5}, {"ContrastBolusAgentSequence": [dataset(CodeMeaning="Gadobutrol")]}])
def test_contrast_agent_that_is_not_in_a_name(tmp_path, elements):
    write_header(tmp_path / "a", number=3, tags={**T1, **elements})
    write_header(tmp_path / "b", number=5, tags=FLAIR)
    assert "with contrast agent" in find_cases(tmp_path).cases[0].problem


def test_bare_number_without_a_study_is_an_error_with_the_choices(tmp_path):
    study(tmp_path)
    problem = next(case.problem for case in find_cases(tmp_path, **by_hand("anna,series-3,series-5")).cases
                   if case.case == "anna")
    assert "case-0001/series-3" in problem


def test_name_of_a_study_of_an_earlier_run_is_not_given_to_another(tmp_path):
    study(tmp_path / "one", "one")
    first = find_cases(tmp_path)
    table = tmp_path / "pairs.tsv"
    table.write_text("\n".join("\t".join(row) for row in [
        ("case", "t1", "flair"), ("case-0007", *first.cases[0].pair.names.values())]))
    pairs = read_manual_pairs(table=table)
    case, = find_cases(tmp_path, manual_pairs=pairs, names={"another study": "case-0007"}).cases[1:]
    assert case.case == "case-0007" and case.pair is None and "case-0001" in case.problem
    assert [one.case for one in find_cases(tmp_path, manual_pairs=pairs).cases] == ["case-0007"]
