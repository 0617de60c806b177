"""DICOM SEG of phantoms that were written as DICOM: geometry and side, read back by highdicom and pydicom."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from dicom_series import PATIENT, T1, write_series
from native_cases import LEFT_LESION, RIGHT_LESION, centre_mm, patient, scan_grid

from nnunet_tv.imaging.volume import Volume
from nnunet_tv.inference.clusters import describe_clusters
from nnunet_tv.inference.dicom_seg import write_dicom_seg
from nnunet_tv.utils.errors import CaseError

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def series(tmp_path, codes="LPS", oblique_deg=(0, 0, 0), spacing_mm=(3.0, 3.2, 3.5)):
    """A patient whose T1w is a DICOM series; the files come in another order than the slices."""
    someone = patient(t1=scan_grid(codes, spacing_mm=spacing_mm, oblique_deg=oblique_deg),
                      lesions=(LEFT_LESION, RIGHT_LESION))
    files = write_series(someone.scans["T1w"], tmp_path / "dicom", study="s", number=3, tags=T1)
    _, labels = describe_clusters(someone.masks["T1w"], someone.record)
    return someone, files[::2] + files[1::2], labels


def segments(path):
    """Label array and its affine to RAS mm, as highdicom reads them from the file alone."""
    import highdicom as hd

    volume = hd.seg.segread(path).get_volume(combine_segments=True)
    return Volume(np.asarray(volume.array), LPS_TO_RAS @ volume.affine)


@pytest.mark.parametrize(("codes", "oblique_deg"), [("LPS", (0, 0, 0)), ("RAS", (0, 0, 0)), ("PSR", (0, 0, 0)),
                                                   ("LPS", (12, -7, 20))])
def test_segments_lie_where_the_clusters_are(tmp_path, codes, oblique_deg):
    someone, files, labels = series(tmp_path, codes, oblique_deg)
    affine = someone.scans["T1w"].affine
    # as dcm2niix stores it: other axis directions, same voxels
    turned = Volume(labels[:, ::-1, ::-1], affine @ np.array(
        [[1, 0, 0, 0], [0, -1, 0, labels.shape[1] - 1], [0, 0, -1, labels.shape[2] - 1], [0, 0, 0, 1.0]]))
    write_dicom_seg(turned, files, tmp_path / "seg.dcm", case="sub-1", model="Trainer")
    found = segments(tmp_path / "seg.dcm")
    for rank in (1, 2):
        expected = Volume(labels == rank, affine)
        one = Volume(found.data == rank, found.affine)
        assert one.data.sum() == expected.data.sum() > 50
        np.testing.assert_allclose(centre_mm(one), centre_mm(expected), atol=0.02)
    # left is left: DICOM's x grows to the patient's left
    left = next(rank for rank in (1, 2) if centre_mm(Volume(labels == rank, affine))[0] < -10)
    lps_x = [float(frame.PlanePositionSequence[0].ImagePositionPatient[0])
             for frame in pydicom.dcmread(tmp_path / "seg.dcm").PerFrameFunctionalGroupsSequence]
    assert lps_x and -centre_mm(Volume(found.data == left, found.affine))[0] > 10


def test_it_refers_to_the_source_series(tmp_path, caplog):
    someone, files, labels = series(tmp_path)
    with caplog.at_level("INFO"):
        write_dicom_seg(Volume(labels, someone.scans["T1w"].affine), files, tmp_path / "seg.dcm", case="sub-1")
    assert caplog.text == ""  # highdicom would tell the UIDs of the patient's images
    source, seg = pydicom.dcmread(files[0]), pydicom.dcmread(tmp_path / "seg.dcm")
    assert seg.Modality == "SEG" and seg.StudyInstanceUID == source.StudyInstanceUID
    assert seg.FrameOfReferenceUID == source.FrameOfReferenceUID and seg.PatientID == PATIENT["PatientID"]
    referred = seg.ReferencedSeriesSequence[0]
    assert referred.SeriesInstanceUID == source.SeriesInstanceUID
    every = {pydicom.dcmread(file, stop_before_pixels=True).SOPInstanceUID for file in files}
    assert {item.ReferencedSOPInstanceUID for item in referred.ReferencedInstanceSequence} <= every
    assert [segment.SegmentLabel for segment in seg.SegmentSequence] == ["Cluster 1, research use",
                                                                        "Cluster 2, research use"]
    assert seg.SegmentSequence[0].SegmentAlgorithmType == "AUTOMATIC" and "research use" in seg.SeriesDescription


def test_nothing_found_writes_nothing(tmp_path):
    someone, files, labels = series(tmp_path)
    with pytest.raises(CaseError, match="sub-1: no cluster: a DICOM SEG without segments is not valid"):
        write_dicom_seg(Volume(np.zeros_like(labels), someone.scans["T1w"].affine), files, tmp_path / "seg.dcm",
                        case="sub-1")
    assert not (tmp_path / "seg.dcm").exists()


def test_another_grid_is_refused(tmp_path):
    someone, files, labels = series(tmp_path)
    affine = someone.scans["T1w"].affine
    for wrong in (affine + np.array([[0, 0, 0, 0.4]] + [[0] * 4] * 3), affine @ np.diag([1, 1, 2, 1.0])):
        with pytest.raises(CaseError, match="pixels of the source series are not the voxels of the T1w"):
            write_dicom_seg(Volume(labels, wrong), files, tmp_path / "seg.dcm", case="sub-1")


def test_unusable_sources_are_named(tmp_path):
    someone, files, labels = series(tmp_path)
    volume = Volume(labels, someone.scans["T1w"].affine)
    with pytest.raises(CaseError, match=r"no DICOM SEG from its source series \(FileNotFoundError"):
        write_dicom_seg(volume, [tmp_path / "nowhere"], tmp_path / "seg.dcm", case="sub-1")
    header = pydicom.dcmread(files[0])
    del header.ImagePositionPatient
    header.save_as(files[0])
    with pytest.raises(CaseError, match=r"no DICOM SEG from its source series \(AttributeError.*ImagePosition"):
        write_dicom_seg(volume, files, tmp_path / "seg.dcm", case="sub-1")
    assert not list(tmp_path.glob("*.dcm")) and not list(tmp_path.glob(".partial*"))
