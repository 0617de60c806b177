"""The page at the end of the demo, and its comparison of one patient's result with the phantom's lesion."""

import re

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from nnunet_tv.demo.index_html import Patient, check_patient, write_index
from nnunet_tv.demo.summary import Result
from nnunet_tv.demo.walkthrough import Folders, Step
from nnunet_tv.utils.errors import CaseError
from nnunet_tv.utils.files import write_json

CASE, AFFINE = "sub-00003", np.diag([-2.5, 2.5, 2.5, 1.0])
MEANS = {"Sens": 0.8, "Prec": 0.8, "DC": 0.75, "sSens": 1.0, "nFPC": 0.5}


@pytest.fixture
def folders(tmp_path):
    """A demo's folder with a lesion of 8 voxels, of which 4 are found, and 2 other marked voxels."""
    folders = Folders(tmp_path / "my demo")
    truth, found = np.zeros((2, 6, 6, 6), np.uint8)
    truth[1:3, 1:3, 1:3] = 1
    found[1:3, 1:3, 2:3] = 1
    found[5, 5, 4:6] = 1
    for path, data in ((folders.scans / CASE / "anat" / f"{CASE}_acq-T2sel_FLAIR_roi.nii.gz", truth),
                       (folders.findings / CASE / f"{CASE}_FLAIR_fcd.nii.gz", found)):
        path.parent.mkdir(parents=True)
        nib.save(nib.Nifti1Image(data, AFFINE), path)
    write_json({"lesion": {"hemisphere": "R", "lobe": "TL"}}, folders.scans / "derivatives/phantom" / f"{CASE}.json")
    Image.new("RGB", (4, 4)).save(folders.findings / CASE / f"{CASE}.png")
    return folders


def written(folders, patient):
    steps = [Step("Plan & train", ("nnunet-tv-plan", "-d", "Dataset<FCD>"))]
    write_index(folders, result=Result({"raw": MEANS, "filtered": MEANS}, 8, 8, 400.0, 350.0), patient=patient,
                steps=steps, seconds=[61.2])
    return folders.index.read_text()


def test_the_result_is_compared_on_the_patients_own_grid(folders):
    patient = check_patient(folders, CASE)
    assert patient == Patient(CASE, "right", "temporal lobe", lesion=8, marked=6, both=4)
    assert patient.dice == pytest.approx(8 / 14)


def test_another_grid_is_refused(folders):
    path = folders.findings / CASE / f"{CASE}_FLAIR_fcd.nii.gz"
    data = np.asarray(nib.load(path).dataobj)
    nib.save(nib.Nifti1Image(data, np.diag([2.5, 2.5, 2.5, 1.0])), path)  # left and right exchanged
    with pytest.raises(CaseError, match=rf"{CASE}: expected the findings on the grid of the FLAIR"):
        check_patient(folders, CASE)


def test_page_links_to_the_report_and_the_patient_and_states_its_limits(folders):
    page = written(folders, check_patient(folders, CASE))
    links = set(re.findall(r'href="([^"#]+)"', page))
    assert links == {"report/report.html", f"findings/{CASE}/{CASE}.html"}  # relative: the folder can be moved
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    for words in ("8 of 8 planted lesions", "planted on the right, in the temporal lobe", "Dice 0.57", "(61 s)",
                  "no information about patients", "research use only", "Plan &amp; train", "Dataset&lt;FCD&gt;"):
        assert words in text
    assert page.count("data:image/png;base64,") == 1


def test_a_patient_without_a_result_is_stated(folders):
    page = written(folders, Patient(CASE, "right", "temporal lobe", lesion=8, marked=0, both=0))
    assert "Nothing was marked on the patient's own FLAIR." in page
