"""DICOM series of a volume, written by pydicom from DICOM's own definitions (independently of the package)."""

from pathlib import Path

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from nnunet_tv.imaging.volume import Volume

MR = "1.2.840.10008.5.1.4.1.1.4"
#: An invented patient; every part must be absent from everything that is written.
PATIENT = {"PatientName": "Quixano^Alonso", "PatientID": "ZX4711981", "PatientBirthDate": "19470929"}
T1 = {"SeriesDescription": "t1_mprage_sag_iso", "ProtocolName": "t1_mprage", "EchoTime": 2.5, "RepetitionTime": 1660,
      "InversionTime": 850, "MRAcquisitionType": "3D", "ScanningSequence": ["GR", "IR"]}
FLAIR = {"SeriesDescription": "t2_spc_da-fl_irprep", "ProtocolName": "flair", "EchoTime": 388, "RepetitionTime": 5000,
         "InversionTime": 1800, "MRAcquisitionType": "3D", "ScanningSequence": ["SE", "IR"]}
PIXELS = {"SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "BitsAllocated": 16, "BitsStored": 16,
          "HighBit": 15, "PixelRepresentation": 0}


def dataset(**elements) -> Dataset:
    """A data set, or an item of a sequence, with the given elements."""
    result = Dataset()
    for name, value in elements.items():
        setattr(result, name, value)
    return result


def file_dataset(sop_class: str, sop_instance: str, **elements) -> Dataset:
    """A data set with the file's meta information."""
    result = dataset(SOPClassUID=sop_class, SOPInstanceUID=sop_instance, **elements)
    result.file_meta = FileMetaDataset()
    result.file_meta.MediaStorageSOPClassUID, result.file_meta.TransferSyntaxUID = sop_class, ExplicitVRLittleEndian
    result.file_meta.MediaStorageSOPInstanceUID = sop_instance
    return result


def lps_geometry(volume: Volume) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Spacing in mm, unit axes as columns and the first voxel's centre, in DICOM's coordinates (left, back, up)."""
    spacing, to_lps = np.linalg.norm(volume.affine[:3, :3], axis=0), np.array([-1.0, -1.0, 1.0])
    return spacing, (volume.affine[:3, :3] / spacing) * to_lps[:, None], volume.affine[:3, 3] * to_lps


def read_segments(path: Path) -> Volume:
    """Labels of a DICOM SEG, in RAS+."""
    segments = hd.seg.segread(path).get_volume(combine_segments=True)
    return Volume(np.asarray(segments.array), np.diag([-1.0, -1.0, 1.0, 1.0]) @ segments.affine)


def write_series(
    volume: Volume, folder: Path, *, study: str = "one", number: int, tags: dict, patient: dict | None = None,
    image_type=("ORIGINAL", "PRIMARY", "M", "ND"), uid: str = "",
) -> list[Path]:
    """One file per slice; slices are along the volume's third axis.

    DICOM's pixel (row r, column c) of a slice lies at ``position + c * spacing_x * x + r * spacing_y * y``;
    here column index is the first voxel axis and row index the second.
    """
    folder.mkdir(parents=True, exist_ok=True)
    spacing, axes, origin = lps_geometry(volume)
    common = {
        "Modality": "MR", "Manufacturer": "SIEMENS", "StudyInstanceUID": generate_uid(entropy_srcs=[study]),
        "SeriesInstanceUID": uid or generate_uid(entropy_srcs=[study, str(number)]), "SeriesNumber": number,
        "FrameOfReferenceUID": generate_uid(entropy_srcs=[study, "frame"]), "ImageType": list(image_type),
        "PatientSex": "M", "PatientPosition": "HFS", "AccessionNumber": "ACC990077", "StudyID": "1",
        **dict.fromkeys(("StudyDate", "SeriesDate", "AcquisitionDate"), "20210304"), "StudyTime": "101112",
        "AcquisitionTime": "101112", "ReferringPhysicianName": "Panza^Sancho", **(patient or PATIENT), **tags, **PIXELS,
        "ImageOrientationPatient": [f"{value:.9g}" for value in (*axes[:, 0], *axes[:, 1])],
        "PixelSpacing": [f"{spacing[1]:.8g}", f"{spacing[0]:.8g}"], "SliceThickness": f"{spacing[2]:.8g}",
        "SpacingBetweenSlices": f"{spacing[2]:.8g}", "Columns": volume.shape[0], "Rows": volume.shape[1]}
    paths = []
    for index in range(volume.shape[2]):
        position = origin + axes[:, 2] * spacing[2] * index
        header = file_dataset(
            MR, generate_uid(entropy_srcs=[study, str(number), str(index)]), InstanceNumber=index + 1,
            ImagePositionPatient=[f"{value:.8g}" for value in position],
            PixelData=np.ascontiguousarray(volume.data[:, :, index].T.astype(np.uint16)).tobytes(), **common)
        paths.append(folder / f"IM{number:03d}{index:04d}")
        header.save_as(paths[-1], enforce_file_format=True)
    return paths


def write_header(
    path: Path, *, study: str = "one", number: int, tags: dict, patient: dict | None = None, uid: str = "",
    frames: int = 16,
) -> Path:
    """A multi-frame image without pixels, for what reads headers only; positions are in functional groups."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shared = dataset(
        PixelMeasuresSequence=[dataset(PixelSpacing=[1, 1], SliceThickness=1, SpacingBetweenSlices=1)],
        PlaneOrientationSequence=[dataset(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])])
    places = [dataset(PlanePositionSequence=[dataset(ImagePositionPatient=[0, 0, place])]) for place in range(frames)]
    file_dataset(
        "1.2.840.10008.5.1.4.1.1.4.1", generate_uid(), Modality="MR", Rows=16, Columns=16, NumberOfFrames=frames,
        StudyInstanceUID=generate_uid(entropy_srcs=[study]), SeriesNumber=number,
        SeriesInstanceUID=uid or generate_uid(entropy_srcs=[study, str(number)]),
        ImageType=["ORIGINAL", "PRIMARY", "M", "NONE"], SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=places, **(PATIENT if patient is None else patient), **tags,
    ).save_as(path, enforce_file_format=True)
    return path
