"""DICOM SEG of phantoms that were written as DICOM: geometry and side, read back by highdicom and pydicom."""

import numpy as np
import pydicom
import pytest
from dicom_series import PATIENT, T1, read_segments, write_series
from native_cases import LEFT_LESION, RIGHT_LESION, centre_mm, patient, scan_grid

from nnunet_tv.imaging.volume import Volume
from nnunet_tv.inference.clusters import describe_clusters
from nnunet_tv.inference.dicom_seg import write_dicom_seg
from nnunet_tv.utils.errors import CaseError


@pytest.fixture
def series(tmp_path, request):
    """Files of a T1w, in another order than its slices, and the labels of two clusters on its grid."""
    codes, oblique_deg = getattr(request, "param", ("LPS", (0, 0, 0)))
    someone = patient(t1=scan_grid(codes, spacing_mm=(3.0, 3.2, 3.5), oblique_deg=oblique_deg),
                      lesions=(LEFT_LESION, RIGHT_LESION))
    files = write_series(someone.scans["T1w"], tmp_path / "dicom", study="s", number=3, tags=T1)
    return files[::2] + files[1::2], describe_clusters(someone.masks["T1w"], someone.record)[1]


@pytest.mark.parametrize("series", [("LPS", (0, 0, 0)), ("RAS", (0, 0, 0)), ("PSR", (0, 0, 0)), ("LPS", (12, -7, 20))],
                         indirect=True)
def test_segments_lie_where_the_clusters_are(tmp_path, series):
    files, labels = series
    # as dcm2niix stores it: other axis directions, same voxels
    turned = Volume(labels.data[:, ::-1, ::-1], labels.affine @ np.array(
        [[1, 0, 0, 0], [0, -1, 0, labels.shape[1] - 1], [0, 0, -1, labels.shape[2] - 1], [0, 0, 0, 1.0]]))
    write_dicom_seg(turned, files, tmp_path / "seg.dcm", case="sub-1", model="Trainer")
    segments = read_segments(tmp_path / "seg.dcm")
    centres = {}
    for rank in (1, 2):
        expected = Volume(labels.data == rank, labels.affine)
        found = Volume(segments.data == rank, segments.affine)
        assert found.data.sum() == expected.data.sum() > 50
        centres[rank] = centre_mm(expected)
        np.testing.assert_allclose(centre_mm(found), centres[rank], atol=0.02)
    assert sorted(np.sign(centre[0]) for centre in centres.values() if abs(centre[0]) > 10) == [-1, 1]  # left, right


def test_reference_to_the_source_series(tmp_path, series, caplog):
    files, labels = series
    with caplog.at_level("INFO"):
        write_dicom_seg(labels, files, tmp_path / "seg.dcm", case="sub-1")
    assert caplog.text == ""  # highdicom's messages contain the UIDs of the patient's images
    source, seg = pydicom.dcmread(files[0]), pydicom.dcmread(tmp_path / "seg.dcm")
    assert seg.Modality == "SEG" and seg.StudyInstanceUID == source.StudyInstanceUID
    assert seg.FrameOfReferenceUID == source.FrameOfReferenceUID and seg.PatientID == PATIENT["PatientID"]
    referred = seg.ReferencedSeriesSequence[0]
    assert referred.SeriesInstanceUID == source.SeriesInstanceUID
    every = {pydicom.dcmread(file, stop_before_pixels=True).SOPInstanceUID for file in files}
    assert {item.ReferencedSOPInstanceUID for item in referred.ReferencedInstanceSequence} <= every
    assert [one.SegmentLabel for one in seg.SegmentSequence] == [f"Cluster {n}, research use" for n in (1, 2)]
    assert seg.SegmentSequence[0].SegmentAlgorithmType == "AUTOMATIC" and "research use" in seg.SeriesDescription


@pytest.mark.parametrize(("change", "message"), [
    (lambda data, affine: (0 * data, affine), "sub-1: no cluster: a DICOM SEG without segments is not valid"),
    (lambda data, affine: (data, affine + np.array([[0, 0, 0, 0.4]] + [[0] * 4] * 3)), "series are not the voxels of"),
    (lambda data, affine: (data, affine @ np.diag([1, 1, 2, 1.0])), "series are not the voxels of the T1w"),
], ids=["no cluster", "shifted", "thicker"])
def test_labels_and_sources_that_cannot_be_used(tmp_path, series, change, message):
    files, labels = series
    with pytest.raises(CaseError, match=message):
        write_dicom_seg(Volume(*change(labels.data, labels.affine)), files, tmp_path / "seg.dcm", case="sub-1")
    with pytest.raises(CaseError, match=r"no DICOM SEG from its source series \(FileNotFoundError"):
        write_dicom_seg(labels, [tmp_path / "nowhere"], tmp_path / "seg.dcm", case="sub-1")
    header = pydicom.dcmread(files[0])
    del header.ImagePositionPatient
    header.save_as(files[0])
    with pytest.raises(CaseError, match=r"no DICOM SEG from its source series \(AttributeError.*ImagePosition"):
        write_dicom_seg(labels, files, tmp_path / "seg.dcm", case="sub-1")
    assert not list(tmp_path.glob("*.dcm")) and not list(tmp_path.glob(".partial*"))
