"""Conversion of DICOM series from three writers: sides and places are kept, failures are named."""

import locale
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from dicom_series import FLAIR, PIXELS, T1, dataset, file_dataset, lps_geometry, write_series
from native_cases import scan_grid
from pydicom.uid import generate_uid

from nnunet_tv.imaging.volume import Volume
from nnunet_tv.intake import dcm2niix
from nnunet_tv.intake.catalogue import read_catalogue
from nnunet_tv.intake.dcm2niix import convert_series, find_dcm2niix
from nnunet_tv.intake.find import find_cases
from nnunet_tv.utils.errors import CaseError, NnunetTVError

#: Points in the patient (RAS mm) and how bright they are: left front top, right back bottom, right front top.
MARKS = {(-20.0, 14.0, 12.0): 900, (18.0, -16.0, -9.0): 600, (15.0, 17.0, 8.0): 300}


def marked(codes: str = "LPS", oblique_deg=(0, 0, 0)) -> Volume:
    """A scan stored along `codes`, centred on the origin, with a ball at each of MARKS."""
    grid = scan_grid(codes, (1.5, 2.0, 2.5), 60.0, oblique_deg)
    data = np.full(grid.shape, 40, np.uint16)
    for centre, value in MARKS.items():
        data[np.linalg.norm(grid.points() - centre, axis=-1) < 5] = value
    return Volume(data, grid.affine)


def write_with_gdcm(volume: Volume, folder: Path, *, number: int, tags: dict) -> None:
    """As SimpleITK's users write a series: ITK finds orientation and position, GDCM encodes."""
    folder.mkdir(parents=True)
    spacing, direction, origin = lps_geometry(volume)
    image = sitk.GetImageFromArray(np.ascontiguousarray(volume.data.T))
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(origin.tolist())
    image.SetDirection(direction.ravel().tolist())
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    language = locale.setlocale(locale.LC_ALL)  # GDCM changes it to C
    for index in range(volume.shape[2]):
        one = image[:, :, index]
        position = image.TransformIndexToPhysicalPoint((0, 0, index))
        for tag, value in {
            "0008|0060": "MR", "0008|0008": "ORIGINAL\\PRIMARY\\M", "0020|000d": "1.2.826.0.1.3680043.2.1125.1",
            "0020|000e": f"1.2.826.0.1.3680043.2.1125.1.{number}", "0020|0052": "1.2.826.0.1.3680043.2.1125.9",
            "0008|0018": f"1.2.826.0.1.3680043.2.1125.1.{number}.{index + 1}", "0020|0011": str(number),
            "0020|0013": str(index + 1), "0020|0032": "\\".join(f"{value:.6f}" for value in position),
            "0020|0037": "\\".join(f"{value:.9f}" for value in (*direction[:, 0], *direction[:, 1])),
            "0018|0050": f"{spacing[2]:.6f}", "0018|0088": f"{spacing[2]:.6f}", "0010|0020": "P1", "0018|0023": "3D",
            "0008|103e": tags["SeriesDescription"], "0018|0081": str(tags["EchoTime"]),
            "0018|0080": str(tags["RepetitionTime"]), "0018|0082": str(tags["InversionTime"]),
        }.items():
            one.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{index:04d}.dcm"))
        writer.Execute(one)
    locale.setlocale(locale.LC_ALL, language)


def write_enhanced(volume: Volume, folder: Path, *, number: int, tags: dict) -> None:
    """One file with all slices as frames, geometry in functional groups (PS3.3 A.36), frames from last to first."""
    folder.mkdir(parents=True)
    spacing, axes, origin = lps_geometry(volume)
    shared = dataset(
        PixelMeasuresSequence=[dataset(PixelSpacing=[spacing[1], spacing[0]], SliceThickness=spacing[2],
                                       SpacingBetweenSlices=spacing[2])],
        PlaneOrientationSequence=[dataset(
            ImageOrientationPatient=[f"{value:.9g}" for value in (*axes[:, 0], *axes[:, 1])])],
        MRTimingAndRelatedParametersSequence=[dataset(RepetitionTime=tags["RepetitionTime"])],
        MREchoSequence=[dataset(EffectiveEchoTime=float(tags["EchoTime"]))],
        MRModifierSequence=[dataset(InversionTimes=float(tags["InversionTime"]), InversionRecovery="YES")])
    order = range(volume.shape[2] - 1, -1, -1)
    frames = [dataset(
        PlanePositionSequence=[dataset(
            ImagePositionPatient=[f"{value:.8g}" for value in origin + axes[:, 2] * spacing[2] * index])],
        FrameContentSequence=[dataset(DimensionIndexValues=[1, place], StackID="1", InStackPositionNumber=place,
                                      FrameAcquisitionNumber=1)]) for place, index in enumerate(order, 1)]
    file_dataset(
        "1.2.840.10008.5.1.4.1.1.4.1", generate_uid(), Modality="MR", Manufacturer="Philips", PatientID="P1",
        StudyInstanceUID=generate_uid(entropy_srcs=["enhanced"]),
        SeriesInstanceUID=generate_uid(entropy_srcs=["enhanced", str(number)]), FrameOfReferenceUID=generate_uid(),
        SeriesNumber=number, InstanceNumber=1, ImageType=["ORIGINAL", "PRIMARY", "T1", "NONE"],
        SeriesDescription=tags["SeriesDescription"], ProtocolName=tags["SeriesDescription"], MRAcquisitionType="3D",
        ContentTime="101112", ContentDate="20210304", AcquisitionDateTime="20210304101112", Columns=volume.shape[0],
        Rows=volume.shape[1], NumberOfFrames=volume.shape[2], SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=frames, **PIXELS,
        PixelData=b"".join(np.ascontiguousarray(volume.data[:, :, index].T).tobytes() for index in order),
    ).save_as(folder / "enhanced.dcm", enforce_file_format=True)


@pytest.mark.parametrize("oblique_deg", [(0, 0, 0), (11.0, -7.0, 16.0)], ids=["straight", "oblique"])
@pytest.mark.parametrize("codes", ["RAS", "LPS", "LAS", "PSR"])
@pytest.mark.parametrize("write", [write_series, write_with_gdcm, write_enhanced])
def test_left_stays_left_for_every_writer_and_orientation(tmp_path, write, codes, oblique_deg):
    volumes = {"T1w": marked(codes, oblique_deg), "FLAIR": marked()}
    write(volumes["T1w"], tmp_path / "in" / "a", number=3, tags=T1)
    write(volumes["FLAIR"], tmp_path / "in" / "b", number=4, tags=FLAIR)
    case, = find_cases(tmp_path / "in").cases
    assert not case.problem, case.problem
    assert [scan.label for scan in case.pair.scans.values()] == ["series-3", "series-4"]
    for channel, volume in volumes.items():
        convert_series(case.case, channel, case.pair.scans[channel], tmp_path / "out" / f"{channel}.nii.gz")
        image = nib.load(tmp_path / "out" / f"{channel}.nii.gz")
        data = np.asarray(image.dataobj)
        for centre, value in MARKS.items():
            found = nib.affines.apply_affine(image.affine, np.argwhere(data == value).mean(axis=0))
            np.testing.assert_allclose(found, centre, atol=0.6, err_msg=f"{channel}, {value}")
        assert sorted(np.round(image.header.get_zooms(), 3)) == [1.5, 2.0, 2.5] and data.sum() == volume.data.sum()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["FLAIR.nii.gz", "T1w.nii.gz"]


@pytest.fixture
def series(tmp_path):
    """A T1w; a second echo with the same UID is in the folder `a2`."""
    for name, tags in {"a": T1, "b": FLAIR, "a2": {**T1, "EchoTime": 9.0, "EchoNumbers": 2}}.items():
        write_series(marked(), tmp_path / "in" / name, number=5 if name == "b" else 3, tags=tags)
    return next(scan for scan in read_catalogue(tmp_path / "in").scans if scan.number == 3)


@pytest.mark.parametrize("program, message", [
    ("", r"expected one volume of series-3 \(T1w\), dcm2niix made [^1]"),
    ("echo cannot read Quixano; exit 2", r"cannot convert series-3 .T1w., exit status 2: .* cannot read \*\*\*"),
    ("exec sleep 30", "dcm2niix did not finish series-3"),
], ids=["several volumes", "error", "hangs"])
def test_failed_conversions(tmp_path, monkeypatch, series, program, message):
    if program:
        (tmp_path / "dcm2niix").write_text(f"#!/bin/sh\n{program}\n")
        (tmp_path / "dcm2niix").chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
        monkeypatch.setattr(dcm2niix, "_TIMEOUT_S", 0.5)
    with pytest.raises(CaseError, match=message) as error:
        convert_series("case-0001", "T1w", series, tmp_path / "out" / "t1.nii.gz", secrets={"Quixano"})
    assert "Quixano" not in str(error.value) and not list((tmp_path / "out").iterdir())


def test_missing_program(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "dcm2niix", None)
    with pytest.raises(NnunetTVError, match="pip install dcm2niix"):
        find_dcm2niix()
