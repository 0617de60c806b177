"""DICOM series of a volume, written by pydicom from DICOM's own definitions (an independent way to LPS)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from nnunet_tv.imaging.volume import Volume

MR = "1.2.840.10008.5.1.4.1.1.4"
#: A patient nobody is; every part must stay out of what is written.
PATIENT = {"PatientName": "Quixano^Alonso", "PatientID": "ZX4711981", "PatientBirthDate": "19470929"}
T1 = {"SeriesDescription": "t1_mprage_sag_iso", "ProtocolName": "t1_mprage", "EchoTime": 2.5, "RepetitionTime": 1660,
      "InversionTime": 850, "MRAcquisitionType": "3D", "ScanningSequence": ["GR", "IR"]}
FLAIR = {"SeriesDescription": "t2_spc_da-fl_irprep", "ProtocolName": "flair", "EchoTime": 388, "RepetitionTime": 5000,
         "InversionTime": 1800, "MRAcquisitionType": "3D", "ScanningSequence": ["SE", "IR"]}
_TO_LPS = np.array([-1.0, -1.0, 1.0])


def write_series(volume: Volume, folder: Path, *, study: str, number: int, tags: dict, patient: dict | None = None,
                 image_type=("ORIGINAL", "PRIMARY", "M", "ND"), uid: str = "") -> list[Path]:
    """One file per slice; slices are along the volume's third axis.

    DICOM's pixel (row r, column c) of a slice lies at ``position + c * spacing_x * x + r * spacing_y * y``;
    here column index is the first voxel axis and row index the second.
    """
    folder.mkdir(parents=True, exist_ok=True)
    series, frame = uid or generate_uid(entropy_srcs=[study, str(number)]), generate_uid(entropy_srcs=[study, "frame"])
    spacing = np.linalg.norm(volume.affine[:3, :3], axis=0)
    axes = (volume.affine[:3, :3] / spacing) * _TO_LPS[:, None]
    origin = volume.affine[:3, 3] * _TO_LPS
    paths = []
    for index in range(volume.shape[2]):
        header = _header(patient or PATIENT, study, series, frame, number, tags, image_type)
        position = origin + axes[:, 2] * spacing[2] * index
        header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = generate_uid(
            entropy_srcs=[study, str(number), str(index)])
        header.InstanceNumber = index + 1
        header.ImagePositionPatient = [f"{value:.8g}" for value in position]
        header.ImageOrientationPatient = [f"{value:.9g}" for value in (*axes[:, 0], *axes[:, 1])]
        header.PixelSpacing = [f"{spacing[1]:.8g}", f"{spacing[0]:.8g}"]
        header.SliceThickness = header.SpacingBetweenSlices = f"{spacing[2]:.8g}"
        header.Columns, header.Rows = volume.shape[0], volume.shape[1]
        header.PixelData = np.ascontiguousarray(volume.data[:, :, index].T.astype(np.uint16)).tobytes()
        paths.append(folder / f"IM{number:03d}{index:04d}")
        header.save_as(paths[-1], enforce_file_format=True)
    return paths


def _header(patient: dict, study: str, series: str, frame: str, number: int, tags: dict, image_type) -> Dataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = MR, ExplicitVRLittleEndian
    header = Dataset()
    header.file_meta = meta
    header.SOPClassUID, header.Modality, header.Manufacturer = MR, "MR", "SIEMENS"
    header.StudyInstanceUID = generate_uid(entropy_srcs=[study])
    header.SeriesInstanceUID, header.FrameOfReferenceUID, header.SeriesNumber = series, frame, number
    header.ImageType = list(image_type)
    header.PatientSex, header.PatientPosition = "M", "HFS"
    header.StudyDate = header.SeriesDate = header.AcquisitionDate = "20210304"
    header.StudyTime = header.AcquisitionTime = "101112"
    header.AccessionNumber, header.StudyID = "ACC990077", "1"
    header.ReferringPhysicianName = "Panza^Sancho"
    for name, value in {**patient, **tags}.items():
        setattr(header, name, value)
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 16, 15, 0
    return header
