"""DICOM is found by its content in mixed folders, and slices that cannot be placed are an error."""

import gzip
import shutil
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from dicom_series import FLAIR, PATIENT, T1, write_header, write_series
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless

from nnunet_tv.imaging.volume import Volume, write_volume
from nnunet_tv.intake.catalogue import read_catalogue
from nnunet_tv.intake.dcm2niix import convert_series
from nnunet_tv.intake.dicom_header import is_dicom
from nnunet_tv.intake.find import find_cases
from nnunet_tv.intake.manual_pairs import read_manual_pairs
from nnunet_tv.intake.recognise import OTHER, recognise
from nnunet_tv.utils.errors import NnunetTVError

BLOCK = Volume(np.random.default_rng(3).integers(1, 500, (14, 16, 18)).astype(np.float32),
               np.diag([2.0, 1.5, 1.25, 1.0]))


def study(folder: Path) -> list[Path]:
    """A T1w (series 3) and a FLAIR (series 5)."""
    return [path for name, number, tags in (("a", 3, T1), ("b", 5, FLAIR))
            for path in write_series(BLOCK, folder / name, number=number, tags=tags)]


def edit(path: Path, **elements) -> None:
    """Change elements of a file; None deletes."""
    dataset = pydicom.dcmread(path)
    for name, value in elements.items():
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    dataset.save_as(path)


def without_preamble(path: Path) -> None:
    path.write_bytes(path.read_bytes()[132:])


def without_meta(implicit: bool):
    def change(path: Path) -> None:
        dataset = pydicom.dcmread(path)
        del dataset.file_meta
        dataset.save_as(path, implicit_vr=implicit, little_endian=True, enforce_file_format=False)
    return change


def deflated(path: Path) -> None:
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(path)


def big_endian(path: Path) -> None:
    dataset = pydicom.dcmread(path)
    dataset["PixelData"].value = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    pydicom.dcmwrite(path, dataset, implicit_vr=False, little_endian=False, force_encoding=True)


def compressed(path: Path) -> None:
    dataset = pydicom.dcmread(path)
    dataset.compress(RLELossless)
    dataset.save_as(path)


@pytest.mark.parametrize("ending", ["", ".dcm", ".img", ".IMA", ".mr", ".0001", ".txt", ".mha"])
def test_dicom_with_any_ending(tmp_path, ending):
    for number, path in enumerate(study(tmp_path)):
        path.rename(path.with_name(f"{number}{ending}"))
    case, = find_cases(tmp_path).cases
    assert [scan.number for scan in case.pair.scans.values()] == [3, 5]


@pytest.mark.parametrize("ending", ["", ".dcm", ".img", ".IMA", ".113619"])
@pytest.mark.parametrize("change", [without_preamble, without_meta(True), without_meta(False), deflated, big_endian,
                                    compressed],
                         ids=["no preamble", "implicit", "explicit", "deflated", "big endian", "compressed"])
def test_encodings_reach_the_same_volume(tmp_path, change, ending):
    for path in study(tmp_path / "in"):
        change(path)
        path.rename(path.with_name(path.name + ending))
    case, = find_cases(tmp_path / "in").cases
    assert case.pair is not None, case.problem
    convert_series(case.case, "T1w", case.pair.scans["T1w"], tmp_path / "t1.nii.gz")
    image = nib.as_closest_canonical(nib.load(tmp_path / "t1.nii.gz"))
    expected = nib.as_closest_canonical(nib.Nifti1Image(BLOCK.data, BLOCK.affine))
    assert np.array_equal(np.asarray(image.dataobj), np.asarray(expected.dataobj))
    np.testing.assert_allclose(image.affine, expected.affine, atol=1e-4)


def test_other_files_are_no_dicom(tmp_path):
    """An Analyze pair whose voxels start like DICOM, texts, a PDF, pictures, a file cut off in its preamble."""
    nib.save(nib.Nifti1Pair(np.full((12, 12, 12), 8, np.int16), np.eye(4)), tmp_path / "brain.img")
    assert (tmp_path / "brain.img").read_bytes()[:4] == b"\x08\0\x08\0"
    contents = {"readme.txt": b"T1 and FLAIR", "report.pdf": b"%PDF-1.4", "notes": b"\x08\0\x05\0CS\x02\0no more",
                "x.dcm": b"", "half.dcm": b"\0" * 100, "noise.ima": bytes(range(256)) * 4, "a.0001": b"\x08\0" * 400,
                "raw.img": b"\x02\0\0\0" * 100}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    assert not [path.name for path in tmp_path.iterdir() if is_dicom(path)]
    study(tmp_path / "in")
    found = find_cases(tmp_path)
    assert [case.case for case in found.cases] == ["case-0001"] and found.cases[0].pair is not None
    assert any("3 files are named as DICOM" in remark for remark in found.remarks)
    assert any("2 files of other formats (.img)" in remark for remark in found.remarks)


def test_dicom_beside_nifti_files_and_texts(tmp_path):
    for number, path in enumerate(study(tmp_path)):
        path.rename(tmp_path / f"image{number}.img")
    for name in ("anna_T1.nii.gz", "anna_FLAIR.nii.gz"):
        write_volume(BLOCK, tmp_path / name)
    (tmp_path / "report.pdf").write_bytes(b"%PDF")
    cases = find_cases(tmp_path).cases
    assert [case.case for case in cases] == ["anna", "case-0001"] and all(case.pair for case in cases)


def test_packed_files_are_named_with_what_to_do(tmp_path):
    for path in study(tmp_path / "in"):
        path.with_name(f"{path.name}.dcm.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    with pytest.raises(NnunetTVError, match=r"36 packed files \(.dcm.gz\) were left out: unpack them"):
        find_cases(tmp_path / "in")
    path = write_header(tmp_path / "in" / "IM1", number=3, tags=T1)
    with zipfile.ZipFile(tmp_path / "in" / "flair.zip", "w") as archive:
        archive.write(path)
    (tmp_path / "in" / "IM2.gz").write_bytes(gzip.compress(path.read_bytes()))
    (tmp_path / "in" / "log.txt.gz").write_bytes(gzip.compress(b"nothing"))
    found = find_cases(tmp_path / "in")
    assert "found none that is FLAIR" in found.cases[0].problem
    assert any("38 packed files (.dcm.gz, .gz, .zip) were left out: unpack" in remark for remark in found.remarks)


SERIES_FAULTS = {
    "position": (lambda path, index: edit(path, ImagePositionPatient=None), "18 of 18 slices have no position"),
    "some": (lambda path, index: index > 10 and edit(path, ImagePositionPatient=None), "7 of 18 slices have no pos"),
    "orientation": (lambda path, index: edit(path, ImageOrientationPatient=None), "18 slices have no orientation"),
    "zeros": (lambda path, index: edit(path, ImagePositionPatient=[0, 0, 0]), "all 18 slices have one position"),
    "spacing": (lambda path, index: edit(path, PixelSpacing=None), "no pixel spacing"),
    "gap": (lambda path, index: index == 9 and path.unlink(), "slices are missing"),
    "degenerate": (lambda path, index: edit(path, ImageOrientationPatient=[1, 0, 0, 1, 0, 0]), "the orientation"),
}


@pytest.mark.parametrize("fault", SERIES_FAULTS)
def test_slices_that_cannot_be_placed_are_an_error(tmp_path, fault):
    """Also for a pair chosen by hand: their order would be guessed."""
    change, message = SERIES_FAULTS[fault]
    for index, path in enumerate(study(tmp_path)[:18]):
        change(path, index)
    case, = find_cases(tmp_path).cases
    assert case.pair is None and case.case == "case-0001"
    assert any("series-3" in line and message in line for line in case.problem.splitlines()), case.problem
    case, = find_cases(tmp_path, manual_pairs=read_manual_pairs(["case-0001,series-3,series-5"])).cases
    assert case.pair is None and "series-3 (T1w)" in case.problem and message in case.problem


def test_frames_of_multi_frame_images_have_their_places_in_functional_groups(tmp_path):
    write_header(tmp_path / "a", number=3, tags=T1)
    write_header(tmp_path / "b", number=5, tags=FLAIR)
    case, = find_cases(tmp_path).cases
    assert case.pair.scans["T1w"].metadata.shape == (16, 16, 16)
    dataset = pydicom.dcmread(tmp_path / "a")
    del dataset.PerFrameFunctionalGroupsSequence[4].PlanePositionSequence
    dataset.save_as(tmp_path / "a")
    assert "1 of 16 slices have no position" in find_cases(tmp_path).cases[0].problem
    del dataset.PerFrameFunctionalGroupsSequence
    dataset.save_as(tmp_path / "a")
    assert "16 of 16 slices have no position" in find_cases(tmp_path).cases[0].problem


@pytest.mark.parametrize("change, reason", [
    (lambda path, index: edit(path, EchoTime=2.5 + 2 * (index % 2), ImagePositionPatient=[0, 0, index // 2]),
     "a series of 2 echo times"),
    (lambda path, index: edit(path, ImagePositionPatient=[0, 0, index % 9]), "a series of 2 volumes (shape 16x14x9x2)"),
    (lambda path, index: index < 3 and edit(path, ImageOrientationPatient=[0, 1, 0, 0, 0, -1]),
     "slices in 2 directions"),
    (lambda path, index: edit(path, DiffusionBValue=1000.0 * (index % 2), ImagePositionPatient=[0, 0, index // 2]),
     "a b-value above 0"),
], ids=["echoes", "volumes", "localiser", "diffusion"])
def test_several_images_in_one_series(tmp_path, change, reason):
    for index, path in enumerate(write_series(BLOCK, tmp_path, number=3, tags=T1)):
        change(path, index)
    verdict = recognise(read_catalogue(tmp_path).scans[0].metadata)
    assert verdict.kind == OTHER and reason in verdict.reason and not verdict.possible


def test_copies_of_files_count_once(tmp_path):
    for path in study(tmp_path / "in"):
        shutil.copy(path, tmp_path / "in" / f"copy_of_{path.name}")
    case, = find_cases(tmp_path / "in").cases
    assert [len(scan.files) for scan in case.pair.scans.values()] == [18, 18]


def test_files_without_study_or_series_are_counted(tmp_path):
    paths = study(tmp_path)
    for path in paths[:2]:
        edit(path, SeriesInstanceUID=None)
    assert "2 DICOM files have no StudyInstanceUID or SeriesInstanceUID" in find_cases(tmp_path).remarks[0]


def test_one_series_uid_in_two_studies(tmp_path):
    """As some de-identification writes it: the studies stay apart."""
    for name in ("monday", "tuesday"):
        write_header(tmp_path / name / "a", study=name, number=3, tags=T1, uid="1.2.3.4", patient=PATIENT)
    assert len({scan.study for scan in read_catalogue(tmp_path).scans}) == 2
