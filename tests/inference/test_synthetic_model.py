"""A model of synthetic data is named as such in everything that is made with it."""

import json

import matplotlib.image
import nibabel as nib
import numpy as np
import pydicom
import pytest
from dicom_series import FLAIR, T1, write_series
from native_cases import LEFT_LESION, csv_rows, patient, scan_grid
from predict_model import write_model

from nnunet_tv.cli.predict import main
from nnunet_tv.cli.restore import main as restore
from nnunet_tv.imaging.volume import Volume, write_volume
from nnunet_tv.inference.patient_picture import ORANGE
from nnunet_tv.inference.trained_on import SYNTHETIC

LONG = "trained on synthetic data (Scans of <A>), not on scans of patients"


def model(folder, synthetic, **settings):
    return write_model(folder, trained_on={"registration": "none", "brain": None, "synthetic": synthetic}, **settings)


def dicom(folder):
    someone = patient("sub-1", registration="none", t1=scan_grid("LPS"), flair=scan_grid("LPS", (3, 3, 4)))
    for number, (channel, tags) in enumerate({"T1w": T1, "FLAIR": FLAIR}.items()):
        scan = Volume(someone.scans[channel].data.clip(0, 1000), someone.scans[channel].affine)
        write_series(scan, folder / channel, study="s", number=number + 2, tags=tags)


def orange(path):
    picture = matplotlib.image.imread(path)[..., :3]
    return int((np.linalg.norm(picture - np.array(ORANGE), axis=-1) < 0.1).sum())


@pytest.mark.parametrize("synthetic", [True, False])
def test_every_output_of_a_patient(tmp_path, capsys, synthetic):
    dicom(tmp_path / "in")
    arguments = ["-i", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "-device", "cpu", "--disable_tta", "-np", "1"]
    assert main([*arguments, "-m", str(model(tmp_path / "model", synthetic))]) == 0
    printed, folder = capsys.readouterr(), tmp_path / "out" / "case-0001"
    line, = [line for line in printed.out.splitlines() if line.startswith("case-0001: done")]
    status, case = (json.loads(path.read_text()) for path in (tmp_path / "out" / "status.json", folder / "case.json"))
    assert status["trained_on"] == {"data_set": "Scans of <A>", "synthetic": synthetic}
    seg = pydicom.dcmread(folder / "case-0001_fcd.dcm")
    images = sorted(folder.glob("*.nii.gz"))
    rows = csv_rows(folder / "clusters.csv")
    assert len(images) == 4 and len(rows) == 1
    short = [line, case["text"], status["cases"]["case-0001"]["text"], rows[0]["model_warning"], seg.SeriesDescription,
             seg.ContentDescription, *(nib.load(path).header["descrip"].item().decode() for path in images)]
    assert {SYNTHETIC in text for text in short} == {synthetic}
    long = [printed.err, printed.out.splitlines()[-1], status["warning"], case["warning"],
            status["cases"]["case-0001"]["warning"]]
    assert {LONG in text for text in long} == {synthetic}
    label, = [segment.SegmentLabel for segment in seg.SegmentSequence]
    assert ("synthetic" in label) == synthetic
    assert ("trained on synthetic data" in (folder / "case-0001.html").read_text()) == synthetic
    assert (orange(folder / "case-0001.png") > 500) == synthetic
    # once the model states otherwise, nothing of before stays
    assert main([*arguments, "-m", str(model(tmp_path / "other", not synthetic))]) == 0
    case = json.loads((folder / "case.json").read_text())
    assert (SYNTHETIC in case["text"]) != synthetic


def test_a_patient_without_clusters(tmp_path, capsys):
    dicom(tmp_path / "in")
    folder = model(tmp_path / "model", True, bias=-1000.0)
    assert main(["-i", str(tmp_path / "in"), "-m", str(folder), "-o", str(tmp_path / "out"), "-device", "cpu",
                 "--disable_tta", "-np", "1"]) == 0
    assert f"case-0001: empty: {SYNTHETIC}. No cluster found." in capsys.readouterr().out
    assert orange(tmp_path / "out" / "case-0001" / "case-0001.png") > 500


def test_a_model_without_a_record_is_reported(tmp_path, capsys):
    patient("sub-1", lesions=()).write(tmp_path / "prepared")
    folder = write_model(tmp_path / "model", trained_on={"registration": "mni", "brain": "template"})
    assert main(["--prepared", str(tmp_path / "prepared"), "-m", str(folder), "-o", str(tmp_path / "out"), "-device",
                 "cpu", "--disable_tta"]) == 0
    assert "note: the model does not record whether it was trained on scans of patients" in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / "status.json").read_text())["trained_on"]["synthetic"] is None
    page = (tmp_path / "out" / "sub-1" / "sub-1.html").read_text()
    assert "Nothing is known about the accuracy of this model" in page and "is not recorded" in page


@pytest.mark.parametrize(("synthetic", "warning"), [(True, LONG), (False, ""), (None, "does not record whether")])
def test_restored_masks(tmp_path, capsys, synthetic, warning):
    someone = patient("sub-1", lesions=(LEFT_LESION,))
    someone.write(tmp_path / "prepared")
    write_volume(someone.prepared_mask(), tmp_path / "pred" / "sub-1.nii.gz")
    if synthetic is not None:  # nnU-Net copies it there; nnUNetv2_apply_postprocessing does not
        path = model(tmp_path / "model", synthetic) / "dataset.json"
        (tmp_path / "pred" / "dataset.json").write_bytes(path.read_bytes())
    folders = {"-i": "pred", "-p": "prepared", "-o": "out"}
    assert restore([word for flag, name in folders.items() for word in (flag, str(tmp_path / name))]) == 0
    printed = capsys.readouterr()
    assert warning in (printed.out if synthetic is None else printed.err) and (printed.err != "") == (synthetic is True)
    for path in (tmp_path / "out").glob("*.nii.gz"):
        assert (nib.load(path).header["descrip"].item().decode() == SYNTHETIC) == (synthetic is True)
