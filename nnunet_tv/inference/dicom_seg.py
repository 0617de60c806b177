"""Clusters as a DICOM SEG that refers to the series in which they were found, for viewers and archives."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nnunet_tv import __version__
from nnunet_tv.imaging.affine import transform
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.intake.dicom_header import quiet_pydicom
from nnunet_tv.utils.errors import CaseError
from nnunet_tv.utils.files import atomic

MANUFACTURER, SERIES_NUMBER = "nnunet-tv", 9000
#: DICOM's axes point left, back and up; NIfTI's right, front and up.
_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
#: Largest distance of the series' pixels from the mask's voxel centres, in voxels.
_TOLERANCE = 0.05


def write_dicom_seg(labels: Volume, source_files: Sequence[str | Path], path: str | Path, *, case: str,
                    model: str = "", warning: str = "") -> None:
    """Write the clusters of one scan as DICOM SEG (binary, one segment per cluster), atomically.

    As DICOM requires, the object takes over the identity of the patient and the study from the source series.

    `labels` are integers, 0 outside and 1..n in the clusters, in the voxels of the series with any order of axes;
    `source_files` one per slice, or one with many frames; `model` is the name for the algorithm identification;
    `warning`, of at most 64 characters, replaces the descriptions of the series and of its content.

    Raises
    ------
    CaseError
        No cluster; unreadable or incomplete source files; a series whose pixels are not the mask's voxels.
    """
    n = int(labels.data.max(initial=0))
    if not n:
        raise CaseError(case, "no cluster: a DICOM SEG without segments is not valid, none is written")
    try:
        sources = _read(source_files)
        frames = np.stack([frame for source in sources for frame in _frames(labels, source, case)])
        segmentation = _segmentation(sources, frames, n, model, warning)
    except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise CaseError(case, f"no DICOM SEG from its source series ({type(error).__name__}: {error}): export the "
                        "series again, complete and unchanged") from error
    with atomic(path) as temporary:
        segmentation.save_as(temporary)


def _read(files: Sequence[str | Path]) -> list[Any]:
    """The series' headers, one per file, in the order of the slices."""
    with quiet_pydicom() as pydicom:
        sources = [pydicom.dcmread(file, stop_before_pixels=True) for file in files]
    if len(sources) > 1:
        normal = np.cross(*np.asarray(sources[0].ImageOrientationPatient, float).reshape(2, 3))
        sources.sort(key=lambda source: float(normal @ np.asarray(source.ImagePositionPatient, float)))
    return sources


def _frames(labels: Volume, source: Any, case: str) -> Iterator[np.ndarray]:
    """Labels at the pixels of each frame, shape (rows, columns), uint16."""
    from highdicom.spatial import PixelToReferenceTransformer

    numbers = range(1, int(source.NumberOfFrames) + 1) if "PerFrameFunctionalGroupsSequence" in source else [None]
    row, column = np.mgrid[:int(source.Rows), :int(source.Columns)]
    pixels = np.stack([column, row, np.zeros_like(row)], axis=-1)
    for number in numbers:
        to_lps = PixelToReferenceTransformer.for_image(source, frame_number=number).affine
        indices = labels.grid.to_indices(transform(_TO_RAS @ to_lps, pixels))
        nearest = np.rint(indices).astype(int)
        if np.abs(indices - nearest).max() > _TOLERANCE or nearest.min() < 0 or (nearest >= labels.shape).any():
            raise CaseError(case, "the pixels of the source series are not the voxels of the T1w that was used (gantry "
                            "tilt, missing slices or another series), so no DICOM SEG is written; use the NIfTI mask")
        yield labels.data[tuple(np.moveaxis(nearest, -1, 0))].astype(np.uint16)


def _segmentation(sources: list[Any], frames: np.ndarray, n: int, model: str, warning: str) -> Any:
    import highdicom as hd
    from pydicom.sr.coding import Code

    logging.getLogger("highdicom").setLevel(logging.WARNING)  # its messages contain the source's UIDs
    algorithm = hd.AlgorithmIdentificationSequence(
        name=f"nnunet-tv {model}"[:64].strip(), version=__version__,
        family=Code("123110", "DCM", "Artificial Intelligence"))
    segments = [hd.seg.SegmentDescription(
        segment_number=number, segment_label=f"Cluster {number}, {'synthetic model' if warning else 'research use'}",
        segmented_property_category=Code("49755003", "SCT", "Morphologically Abnormal Structure"),
        segmented_property_type=Code("52988006", "SCT", "Lesion"),
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC, algorithm_identification=algorithm,
    ) for number in range(1, n + 1)]
    result = hd.seg.Segmentation(
        source_images=sources, pixel_array=frames, segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=segments, series_instance_uid=hd.UID(), series_number=SERIES_NUMBER,
        sop_instance_uid=hd.UID(), instance_number=1, manufacturer=MANUFACTURER, manufacturer_model_name=MANUFACTURER,
        software_versions=__version__, device_serial_number="0", content_label="FCD",
        content_description=warning or "Research use only: suspected FCD")
    result.SeriesDescription = warning or "nnunet-tv: suspected FCD, research use only"
    return result
