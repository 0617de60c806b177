"""nnunet-tv-predict from original scans: NIfTI and DICOM, sides, privacy, and the DICOM SEG."""

import json

import numpy as np
import pydicom
import pytest
from dicom_series import FLAIR, PATIENT, T1, read_segments, write_series
from native_cases import ORIENTATIONS, centre_mm, csv_rows, dice, patient, scan_grid
from predict_model import write_model

from nnunet_tv.cli.predict import main
from nnunet_tv.demo.phantom import PhantomOptions, make_phantom
from nnunet_tv.imaging.volume import Volume, read_mask, write_volume


def command(tmp_path, *more):
    return main(["-i", str(tmp_path / "in"), "-m", str(tmp_path / "model"), "-o", str(tmp_path / "out"), "-device",
                 "cpu", "--disable_tta", "-np", "1", *more])


def check_findings(folder, case, someone):
    """The lesion is found where it is: in the patient's left, on both scans."""
    for channel in ("T1w", "FLAIR"):
        found = centre_mm(read_mask(folder / f"{case}_{channel}_fcd.nii.gz", case=case))
        assert np.linalg.norm(found - centre_mm(someone.masks[channel])) < 1.5 and found[0] < -20


@pytest.mark.usefixtures("no_contrast_check")
def test_scans_in_every_orientation_and_one_bad_patient(tmp_path, capsys):
    write_model(tmp_path / "model")
    people = {}
    for number, (name, settings) in enumerate(ORIENTATIONS.items()):
        grid, other = scan_grid(**settings), scan_grid(list(ORIENTATIONS)[4 - number] if number != 0 else "LPS")
        people[name] = patient(name, registration="none", t1=grid, flair=other, seed=number)
        for channel, scan in people[name].scans.items():
            write_volume(scan, tmp_path / "in" / name / f"{channel}.nii.gz")
    write_volume(people["RAS"].scans["T1w"], tmp_path / "in" / "no-flair" / "T1w.nii.gz")
    assert command(tmp_path, "--space", "none") == 1
    printed = capsys.readouterr()
    assert "no-flair: failed: " in printed.err and "5 of 6 patients" in printed.out
    cases = json.loads((tmp_path / "out" / "status.json").read_text())["cases"]
    assert cases["no-flair"]["status"] == "failed" and "FLAIR" in cases["no-flair"]["text"]
    for name, someone in people.items():
        assert cases[name]["clusters"] == 1, cases[name]
        check_findings(tmp_path / "out" / name, name, someone)
        found = read_mask(tmp_path / "out" / name / f"{name}_T1w_fcd.nii.gz", case=name)
        np.testing.assert_allclose(found.affine, someone.scans["T1w"].affine, atol=1e-4)
        assert dice(found.data, someone.masks["T1w"].data) > 0.85
    before = (tmp_path / "out" / "PSR" / "case.json").stat().st_mtime_ns
    assert command(tmp_path, "--space", "none") == 1
    assert (tmp_path / "out" / "PSR" / "case.json").stat().st_mtime_ns == before


@pytest.mark.usefixtures("no_contrast_check")
def test_dicom_in_dicom_seg_out_and_no_name_shown(tmp_path, capsys):
    dicom = patient("sub-1", registration="none", t1=scan_grid("LPS"), flair=scan_grid("LPS", (3, 3, 4)))
    for number, (channel, tags) in enumerate({"T1w": T1, "FLAIR": FLAIR}.items()):
        scan = Volume(dicom.scans[channel].data.clip(0, 1000), dicom.scans[channel].affine)
        write_series(scan, tmp_path / "in" / "Quixano" / channel, study="s", number=number + 2, tags=tags)
    write_model(tmp_path / "model")
    assert command(tmp_path, "--space", "none") == 0
    folder = tmp_path / "out" / "case-0001"
    check_findings(folder, "case-0001", dicom)
    found = read_segments(folder / "case-0001_fcd.dcm")
    native = read_mask(folder / "case-0001_T1w_fcd.nii.gz", case="a")
    assert (found.data > 0).sum() == native.data.sum()
    np.testing.assert_allclose(centre_mm(found), centre_mm(native), atol=0.02)
    source = pydicom.dcmread(next((tmp_path / "in" / "Quixano" / "T1w").iterdir()))
    segments = pydicom.dcmread(folder / "case-0001_fcd.dcm")
    assert segments.ReferencedSeriesSequence[0].SeriesInstanceUID == source.SeriesInstanceUID
    files = list((tmp_path / "out").rglob("*"))
    text = "".join([*capsys.readouterr(), *(str(path.relative_to(tmp_path)) for path in files),
                    *(path.read_text() for path in files if path.suffix in (".json", ".html", ".csv", ".tsv"))]).lower()
    assert [part for value in PATIENT.values() for part in value.lower().split("^") if part in text] == []
    # a patient without clusters has no SEG
    (tmp_path / "model").rename(tmp_path / "first")
    write_model(tmp_path / "model", bias=-1000.0)
    assert command(tmp_path, "--space", "none") == 0
    case, = json.loads((tmp_path / "out" / "status.json").read_text())["cases"].values()
    assert case["status"] == "empty" and not list((tmp_path / "out").rglob("*.dcm"))


@pytest.mark.slow
def test_through_the_template(tmp_path):
    """A phantom's head, registered to MNI152: the side comes out of the template, the place out of the scan."""
    write_model(tmp_path / "model", spacing_mm=1.0)
    phantom = make_phantom(np.random.default_rng(11), patient=True, options=PhantomOptions())
    flair = phantom.flair.data.astype(np.float32)
    flair[phantom.roi.data > 0] = 2 * np.percentile(flair, 99.9)  # so that the hand-set network cannot miss it
    write_volume(Volume(phantom.t1.data.astype(np.float32), phantom.t1.affine), tmp_path / "in" / "a" / "T1w.nii.gz")
    write_volume(Volume(flair, phantom.flair.affine), tmp_path / "in" / "a" / "FLAIR.nii.gz")
    assert command(tmp_path) == 0
    found = read_mask(tmp_path / "out" / "a" / "a_FLAIR_fcd.nii.gz", case="a")
    assert found.data[phantom.roi.data > 0].mean() > 0.5
    centre = np.asarray(phantom.lesion.centre_mm)
    near = [row for row in csv_rows(tmp_path / "out" / "a" / "clusters.csv")
            if np.linalg.norm(centre - [float(row[f"mni_{axis}_mm"]) for axis in "xyz"]) < 12]
    assert near and near[0]["side"] == ("left" if centre[0] < 0 else "right")
