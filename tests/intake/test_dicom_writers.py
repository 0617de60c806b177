"""DICOM of other writers: GDCM's slices (through SimpleITK) and an enhanced multi-frame file; sides and places hold."""

from __future__ import annotations

import locale
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from dicom_series import FLAIR, T1, write_series
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from nnunet_tv.imaging.volume import Volume
from nnunet_tv.intake.dcm2niix import convert_series
from nnunet_tv.intake.find import find_cases

ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
#: Points in the patient (RAS mm) and how bright they are: left front top, right back bottom, right front top.
MARKS = {(-20.0, 14.0, 12.0): 900, (18.0, -16.0, -9.0): 600, (15.0, 17.0, 8.0): 300}
ORIENTATIONS = {"RAS": (), "LPS": (), "LAS": (), "PSR": (), "oblique": (11.0, -7.0, 16.0)}


def marked(codes: str, turn=(), spacing=(1.5, 2.0, 2.5), shape=(40, 30, 24)) -> Volume:
    """A scan stored along `codes`, centred on the origin, with a ball at each of MARKS."""
    axes = np.zeros((3, 3))
    for column, (axis, sign) in enumerate(nib.orientations.axcodes2ornt("LPS" if turn else codes)):
        axes[int(axis), column] = sign
    for axis, angle in enumerate(np.deg2rad(turn)):
        part = np.eye(3)
        first, second = [other for other in range(3) if other != axis]
        part[[first, first, second, second], [first, second, first, second]] = (
            np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle))
        axes = part @ axes
    affine = np.eye(4)
    affine[:3, :3] = axes * spacing
    affine[:3, 3] = -affine[:3, :3] @ ((np.asarray(shape) - 1) / 2)
    points = np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    data = np.full(shape, 40, np.uint16)
    for centre, value in MARKS.items():
        data[np.linalg.norm(points - centre, axis=-1) < 5] = value
    return Volume(data, affine)


def write_with_gdcm(volume: Volume, folder: Path, *, number: int, tags: dict) -> None:
    """As SimpleITK's users write a series: ITK finds orientation and position, GDCM encodes."""
    folder.mkdir(parents=True)
    image = sitk.GetImageFromArray(np.ascontiguousarray(volume.data.T))
    spacing = np.linalg.norm(volume.affine[:3, :3], axis=0)
    lps = np.diag([-1.0, -1, 1])
    direction = lps @ (volume.affine[:3, :3] / spacing)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin((lps @ volume.affine[:3, 3]).tolist())
    image.SetDirection(direction.ravel().tolist())
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    spoken = locale.setlocale(locale.LC_ALL)  # GDCM makes it C, and leaves it so
    for index in range(volume.shape[2]):
        one = image[:, :, index]
        position = image.TransformIndexToPhysicalPoint((0, 0, index))
        header = {
            "0008|0060": "MR", "0008|0008": "ORIGINAL\\PRIMARY\\M", "0020|000d": "1.2.826.0.1.3680043.2.1125.1",
            "0020|000e": f"1.2.826.0.1.3680043.2.1125.1.{number}", "0020|0052": "1.2.826.0.1.3680043.2.1125.9",
            "0008|0018": f"1.2.826.0.1.3680043.2.1125.1.{number}.{index + 1}", "0020|0011": str(number),
            "0020|0013": str(index + 1), "0020|0032": "\\".join(f"{value:.6f}" for value in position),
            "0020|0037": "\\".join(f"{value:.9f}" for value in (*direction[:, 0], *direction[:, 1])),
            "0018|0050": f"{spacing[2]:.6f}", "0018|0088": f"{spacing[2]:.6f}", "0010|0020": "P1",
            "0008|103e": tags["SeriesDescription"], "0018|0023": "3D",
            "0018|0081": str(tags["EchoTime"]), "0018|0080": str(tags["RepetitionTime"]),
            "0018|0082": str(tags["InversionTime"]),
        }
        for tag, value in header.items():
            one.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{index:04d}.dcm"))
        writer.Execute(one)
    locale.setlocale(locale.LC_ALL, spoken)


def write_enhanced(volume: Volume, folder: Path, *, number: int, tags: dict) -> None:
    """One file with all slices as frames, geometry in functional groups (PS3.3 A.36), frames from last to first."""
    folder.mkdir(parents=True)
    spacing = np.linalg.norm(volume.affine[:3, :3], axis=0)
    lps = np.array([-1.0, -1, 1])
    axes, origin = (volume.affine[:3, :3] / spacing) * lps[:, None], volume.affine[:3, 3] * lps
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.MediaStorageSOPClassUID, header.file_meta.TransferSyntaxUID = ENHANCED_MR, ExplicitVRLittleEndian
    header.SOPClassUID, header.Modality, header.Manufacturer, header.PatientID = ENHANCED_MR, "MR", "Philips", "P1"
    header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    header.StudyInstanceUID = generate_uid(entropy_srcs=["enhanced"])
    header.SeriesInstanceUID = generate_uid(entropy_srcs=["enhanced", str(number)])
    header.FrameOfReferenceUID, header.SeriesNumber, header.InstanceNumber = generate_uid(), number, 1
    header.ImageType = ["ORIGINAL", "PRIMARY", "T1", "NONE"]
    header.SeriesDescription = header.ProtocolName = tags["SeriesDescription"]
    header.MRAcquisitionType, header.ContentTime, header.ContentDate = "3D", "101112", "20210304"
    header.AcquisitionDateTime = "20210304101112"
    header.Columns, header.Rows, header.NumberOfFrames = *volume.shape[:2], volume.shape[2]
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 16, 15, 0
    shared = Dataset()
    shared.PixelMeasuresSequence = [_item(PixelSpacing=[spacing[1], spacing[0]], SliceThickness=spacing[2],
                                          SpacingBetweenSlices=spacing[2])]
    shared.PlaneOrientationSequence = [_item(
        ImageOrientationPatient=[f"{value:.9g}" for value in (*axes[:, 0], *axes[:, 1])])]
    shared.MRTimingAndRelatedParametersSequence = [_item(RepetitionTime=tags["RepetitionTime"])]
    shared.MREchoSequence = [_item(EffectiveEchoTime=float(tags["EchoTime"]))]
    shared.MRModifierSequence = [_item(InversionTimes=float(tags["InversionTime"]), InversionRecovery="YES")]
    header.SharedFunctionalGroupsSequence = Sequence([shared])
    frames, order = [], range(volume.shape[2] - 1, -1, -1)
    for place, index in enumerate(order):
        frame = Dataset()
        position = origin + axes[:, 2] * spacing[2] * index
        frame.PlanePositionSequence = [_item(ImagePositionPatient=[f"{value:.8g}" for value in position])]
        frame.FrameContentSequence = [_item(DimensionIndexValues=[1, place + 1], StackID="1",
                                            InStackPositionNumber=place + 1, FrameAcquisitionNumber=1)]
        frames.append(frame)
    header.PerFrameFunctionalGroupsSequence = Sequence(frames)
    header.PixelData = b"".join(np.ascontiguousarray(volume.data[:, :, index].T).tobytes() for index in order)
    header.save_as(folder / "enhanced.dcm", enforce_file_format=True)


def _item(**elements) -> Dataset:
    item = Dataset()
    for name, value in elements.items():
        setattr(item, name, value)
    return item


def series_of_ours(volume: Volume, folder: Path, *, number: int, tags: dict) -> None:
    write_series(volume, folder, study="ours", number=number, tags=tags)


@pytest.mark.parametrize("codes", ORIENTATIONS)
@pytest.mark.parametrize("write", [series_of_ours, write_with_gdcm, write_enhanced])
def test_marks_are_where_they_were(tmp_path, write, codes):
    scan = marked(codes, ORIENTATIONS[codes])
    write(scan, tmp_path / "in" / "a", number=3, tags=T1)
    write(marked("LPS"), tmp_path / "in" / "b", number=4, tags=FLAIR)
    case, = find_cases(tmp_path / "in").cases
    assert not case.problem, case.problem
    for channel in ("T1w", "FLAIR"):
        convert_series(case.case, channel, case.pair.scans[channel], tmp_path / f"{channel}.nii.gz")
        image = nib.load(tmp_path / f"{channel}.nii.gz")
        data = np.asarray(image.dataobj)
        for centre, value in MARKS.items():
            found = image.affine[:3, :3] @ np.argwhere(data == value).mean(axis=0) + image.affine[:3, 3]
            np.testing.assert_allclose(found, centre, atol=0.6, err_msg=f"{channel}, {value}")
    assert case.pair.scans["T1w"].label == "series-3" and case.pair.scans["FLAIR"].label == "series-4"
