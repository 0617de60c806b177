"""A patient's page and picture: sides, words, and nothing that needs the network."""

from __future__ import annotations

import matplotlib.image
import numpy as np
import pytest
from native_cases import LEFT_LESION, RIGHT_LESION, patient, scan_grid

from nnunet_tv.imaging.volume import Volume, write_volume
from nnunet_tv.inference.clusters import describe_clusters
from nnunet_tv.inference.patient import native_scan
from nnunet_tv.inference.patient_html import ModelSummary, status_line, write_page
from nnunet_tv.inference.patient_picture import YELLOW, Scan, draw_patient

SUMMARY = ModelSummary("Trainer__Plans__3d_fullres, fold 0", "opening <1>", "mni", 0.31)


def drawn(someone, path):
    clusters, labels = describe_clusters(someone.masks["T1w"], someone.record)
    scans = [Scan(channel, image, someone.masks[channel],
                  np.linalg.inv(someone.record.to_grid(channel)) @ someone.record.to_grid("T1w"))
             for channel, image in someone.scans.items()]
    draw_patient(someone.record.case, scans, clusters,
                 Volume(labels, someone.masks["T1w"].affine), path)
    return clusters


def yellow(path):
    """Pixels of outlines: (row, column) as shares of the picture."""
    picture = matplotlib.image.imread(path)
    found = np.argwhere(np.linalg.norm(picture[..., :3] - np.array(YELLOW), axis=-1) < 0.25)
    return found / picture.shape[:2]


@pytest.mark.parametrize("codes", ["RAS", "LPS", "LAS", "PSR", "oblique"])
@pytest.mark.parametrize(("lesion", "right_half"), [(LEFT_LESION, True), (RIGHT_LESION, False)])
def test_the_patients_left_is_on_the_right_of_every_axial_slice(tmp_path, codes, lesion, right_half):
    grid = (scan_grid("LPS", oblique_deg=(8, -6, 10)) if codes == "oblique" else scan_grid(codes))
    someone = patient(t1=grid, flair=scan_grid(codes[::-1] if codes in ("RAS", "LPS") else "RAS"), lesions=(lesion,))
    drawn(someone, tmp_path / "a.png")
    points = yellow(tmp_path / "a.png")
    for first in (0, 3):  # T1w axial, FLAIR axial: one sixth of the width each
        column = points[(points[:, 1] > first / 6) & (points[:, 1] < (first + 1) / 6), 1] * 6 - first
        assert len(column) > 20 and (column.mean() > 0.55) == right_half and abs(column.mean() - 0.5) > 0.05


def test_no_cluster_is_drawn_without_an_outline(tmp_path):
    someone = patient(lesions=())
    assert drawn(someone, tmp_path / "a.png") == [] and len(yellow(tmp_path / "a.png")) == 0
    assert matplotlib.image.imread(tmp_path / "a.png")[..., :3].max() > 0.5


def page(tmp_path, someone, **more):
    clusters = drawn(someone, tmp_path / "a.png")
    write_page(someone.record.case, clusters, tmp_path / "a.png", tmp_path / "a.html", summary=SUMMARY,
               created="2030-01-02", **more)
    return (tmp_path / "a.html").read_text()


def test_page_of_a_patient_with_clusters(tmp_path):
    text = page(tmp_path, patient(lesions=(LEFT_LESION, RIGHT_LESION)), flags=("<metric>",), notes=("a & b",))
    assert "2 clusters found" in text and "For research use only" in text and "not a diagnosis" in text
    assert ">left<" in text and ">right<" in text and "Radiological convention" in text
    assert "middle frontal gyrus" in text and "(parietal)" in text
    assert "&lt;metric&gt;" in text and "a &amp; b" in text and "opening &lt;1&gt;" in text and "2030-01-02" in text
    assert "<script" not in text and "http" not in text and text.count("data:image/png;base64,") == 1


def test_page_of_a_patient_without_clusters(tmp_path):
    text = page(tmp_path, patient(lesions=()))
    assert "No cluster found" in text and "This does not mean that the patient has no focal cortical dysplasia" in text
    assert "Highest lesion probability anywhere, before the filter: 0.31" in text and "<table" not in text
    assert "Check the preparation" not in text


def test_more_clusters_than_are_drawn_are_in_the_table(tmp_path):
    someone = patient(lesions=())
    mask = someone.masks["T1w"].data
    for x in range(4, 56, 4):
        mask[x:x + 2, 28:30, 28:30] = 1
    text = page(tmp_path, someone)
    assert "13 clusters found" in text and "The first 4 clusters are drawn" in text and text.count("<tr>") == 11
    assert "The first 10 of 13; all are in clusters.csv" in text


def test_without_the_template_the_page_claims_no_side(tmp_path):
    someone = patient(registration="t1")
    clusters = drawn(someone, tmp_path / "a.png")
    write_page("a", clusters, tmp_path / "a.png", tmp_path / "a.html",
               summary=ModelSummary("m", "f", "t1", None))
    text = (tmp_path / "a.html").read_text()
    assert "no side and no region is given" in text and ">unknown<" in text and "Highest" not in text


def test_words():
    clusters, _ = describe_clusters(patient().masks["T1w"], patient().record)
    assert status_line([]) == "No cluster found."
    assert status_line(clusters).startswith("1 cluster found, ")


def test_the_scan_itself_is_drawn_or_it_is_said_that_it_is_gone(tmp_path):
    someone = patient(t1=scan_grid("LAS"))
    someone.write(tmp_path / "imagesTs")
    scan, note = native_scan(someone.record, "T1w", tmp_path / "imagesTs", 0)
    assert note == "" and np.array_equal(scan.data, someone.scans["T1w"].data)
    path = tmp_path / "scans" / "sub-1_T1w.nii.gz"
    write_volume(Volume(scan.data + 1, scan.affine), path)  # not what was prepared
    scan, note = native_scan(someone.record, "T1w", tmp_path / "imagesTs", 0)
    assert note.startswith("The T1w itself was not found, or has changed since")
    np.testing.assert_allclose(scan.affine, someone.scans["T1w"].affine)
    inside = someone.masks["T1w"].data > 0
    assert scan.data[inside].mean() == pytest.approx(someone.scans["T1w"].data[inside].mean(), rel=0.02)
    # of DICOM, the record names the converted scan relative to the prepared folder
    write_volume(someone.scans["T1w"], tmp_path / "imagesTs" / "scans" / "sub-1_T1w.nii.gz")
    someone.record.details["scans"]["T1w"] = {"file": "scans/sub-1_T1w.nii.gz", "sha256": "of the series"}
    assert native_scan(someone.record, "T1w", tmp_path / "imagesTs", 0)[1] == ""
