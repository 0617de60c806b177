"""The picture of a patient: sides and outlines."""

import matplotlib.image
import numpy as np
import pytest
from native_cases import LEFT_LESION, RIGHT_LESION, patient, scan_grid

from nnunet_tv.inference.clusters import describe_clusters
from nnunet_tv.inference.patient_picture import YELLOW, Scan, draw_patient


def outlines(someone, path):
    """Draw a patient; return rows and columns of the outlines' pixels as shares of height and width, shape (n, 2)."""
    clusters, labels = describe_clusters(someone.masks["T1w"], someone.record)
    scans = [Scan(channel, image, someone.masks[channel],
                  someone.record.to_grid(channel).inverse() @ someone.record.to_grid("T1w"))
             for channel, image in someone.scans.items()]
    draw_patient(someone.record.case, scans, clusters, labels, path)
    picture = matplotlib.image.imread(path)
    assert picture[..., :3].max() > 0.5
    return np.argwhere(np.linalg.norm(picture[..., :3] - np.array(YELLOW), axis=-1) < 0.25) / picture.shape[:2]


@pytest.mark.parametrize("codes", ["RAS", "LPS", "LAS", "PSR", "oblique"])
@pytest.mark.parametrize(("lesion", "right_half"), [(LEFT_LESION, True), (RIGHT_LESION, False)])
def test_the_patients_left_is_on_the_right_of_every_axial_slice(tmp_path, codes, lesion, right_half):
    grid = scan_grid("LPS", oblique_deg=(8, -6, 10)) if codes == "oblique" else scan_grid(codes)
    someone = patient(t1=grid, flair=scan_grid(codes[::-1] if codes in ("RAS", "LPS") else "RAS"), lesions=(lesion,))
    places = outlines(someone, tmp_path / "a.png")
    for scan in range(2):  # T1w above, FLAIR below; the axial slice has the first third of the width
        chosen = (places[:, 1] < 1 / 3) & (np.floor(2 * places[:, 0]) == scan)
        column = 3 * places[chosen, 1]
        assert len(column) > 20 and (column.mean() > 0.55) == right_half and abs(column.mean() - 0.5) > 0.05


def test_a_patient_without_clusters_is_drawn_without_outlines(tmp_path):
    assert len(outlines(patient(lesions=()), tmp_path / "a.png")) == 0
