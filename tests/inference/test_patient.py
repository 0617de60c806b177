"""The scans that are drawn for a patient."""

import numpy as np
import pytest
from native_cases import patient, scan_grid

from nnunet_tv.imaging.volume import Volume, write_volume
from nnunet_tv.inference.patient import native_scan


def test_the_original_scan_is_drawn_or_else_the_prepared_image_with_a_note(tmp_path):
    someone = patient(t1=scan_grid("LAS"))
    someone.write(tmp_path / "imagesTs")
    scan, note = native_scan(someone.record, "T1w", tmp_path / "imagesTs", 0)
    assert note == "" and np.array_equal(scan.data, someone.scans["T1w"].data)
    write_volume(Volume(scan.data + 1, scan.affine), tmp_path / "scans" / "sub-1_T1w.nii.gz")  # not what was prepared
    scan, note = native_scan(someone.record, "T1w", tmp_path / "imagesTs", 0)
    assert note.startswith("The original T1w was not found, or has changed since")
    np.testing.assert_allclose(scan.affine, someone.scans["T1w"].affine)
    inside = someone.masks["T1w"].data > 0
    assert scan.data[inside].mean() == pytest.approx(someone.scans["T1w"].data[inside].mean(), rel=0.02)
    # of DICOM, the record names the converted scan relative to the prepared folder
    write_volume(someone.scans["T1w"], tmp_path / "imagesTs" / "scans" / "sub-1_T1w.nii.gz")
    someone.record.details["scans"]["T1w"] = {"file": "scans/sub-1_T1w.nii.gz", "sha256": "of the series"}
    assert native_scan(someone.record, "T1w", tmp_path / "imagesTs", 0)[1] == ""
