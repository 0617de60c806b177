"""The page of a patient: texts, sides, and no access to the network."""

import re
from dataclasses import replace

import numpy as np
import pytest
from native_cases import LEFT_LESION, RIGHT_LESION, patient, scan_grid

from nnunet_tv.inference.clusters import describe_clusters
from nnunet_tv.inference.patient_html import ModelSummary, Warnings, position_text, slice_text, write_page
from nnunet_tv.inference.trained_on import TrainedOn

SUMMARY = ModelSummary("Trainer__Plans__3d_fullres, fold 0", "opening <1>", "mni", 0.31)


@pytest.fixture
def page(tmp_path):
    """Write the page of a patient and return its text."""

    def write(someone, summary=SUMMARY, **more):
        (tmp_path / "a.png").write_bytes(b"\x89PNG")
        clusters, _ = describe_clusters(someone.masks["T1w"], someone.record)
        write_page(someone.record.case, clusters, tmp_path / "a.png", tmp_path / "a.html", summary=summary,
                   created="2030-01-02", **more)
        return (tmp_path / "a.html").read_text()

    return write


def test_patient_with_clusters(page):
    text = page(patient(lesions=(LEFT_LESION, RIGHT_LESION)), notes=("a & b",),
                warnings=Warnings(preparation=("<metric>",)))
    assert "2 clusters found" in text and "For research use only" in text and "not a diagnosis" in text
    assert ">left<" in text and ">right<" in text and "Radiological convention" in text
    assert "middle frontal gyrus" in text and "several lobes: " in text and "Check the preparation" in text
    assert "&lt;metric&gt;" in text and "a &amp; b" in text and "opening &lt;1&gt;" in text and "2030-01-02" in text
    assert "<script" not in text and "http" not in text and text.count("data:image/png;base64,iVBORw==") == 1


def test_what_to_look_at_comes_first(page):
    warnings = Warnings(result=("absurd",), coverage=("the FLAIR does not show 131 ml",), preparation=("turned",))
    text = page(patient(), warnings=warnings, places=("T1w: axial slice 3 of 9",), notes=("a note",),
                summary=replace(SUMMARY, model="Trainer" * 30))
    body = text.partition("<body>")[2]
    order = ["For research use only", "Doubt this result", "absurd", "do not show the whole brain", "131 ml", "turned",
             "1 cluster found", "not a diagnosis", "The first cluster, to be doubted",
             "Left: middle frontal gyrus, rostral", "T1w: axial slice 3 of 9", "<img", "All clusters",
             "How far to rely", "a note", "TrainerTrainer"]
    assert [body.index(one) for one in order] == sorted(body.index(one) for one in order)
    assert "Look here first" in page(patient()) and "to be doubted" not in page(patient())


def test_the_picture_opens_without_a_script_or_a_second_copy(page):
    text = page(patient())
    assert re.search(r'<input type="checkbox" id="zoom"[^>]*><label for="zoom"[^>]*><img src="data:', text)
    assert "#zoom:checked + .picture" in text and text.count("data:image/png") == 1


@pytest.mark.parametrize("checked", [True, False])
def test_the_page_states_whether_the_coverage_was_checked(page, checked):
    text = page(patient(lesions=()), coverage_checked=checked)
    assert ("Whether the scans show the whole brain was not checked" in text) != checked


def test_no_point_is_minus_zero(page):
    someone = patient(lesions=((-0.2, 0.3, 18.0),), t1=scan_grid(spacing_mm=(2, 2, 2)))
    text = page(someone)
    assert "-0" not in re.sub(r"20\d\d-\d\d-\d\d", "", text.partition("<table>")[2].partition("</table>")[0])
    assert re.search(r"<td>0, 0, 18</td>", text)


@pytest.mark.parametrize(("codes", "spacing", "text"), [
    ("RAS", (1, 1, 4), "axial slice 29 of 45, counted from below"), ("LPI", (1, 1, 4), "axial slice 29 of 45"),
    ("RAS", (1, 1, 1), "axial slice 115 of 180, counted from below"),
    ("SRA", (1, 1, 4), "coronal slice 18 of 45, counted from behind"), ("PSL", (1, 1, 4), "sagittal slice 15 of 45"),
    ("ASR", (1, 1, 4), "sagittal slice 15 of 45, counted from the patient's left")])
def test_where_to_scroll(codes, spacing, text):
    """A point on the left, behind and above the middle of a scan of 180 mm."""
    assert slice_text(scan_grid(codes, spacing), np.array([-32.0, -20, 24.6])).startswith(text)
    assert slice_text(scan_grid(codes, spacing), np.array([-900.0] * 3)).split(",")[0].split(" of ")[0].endswith(" 1")


def test_positions_have_letters():
    assert position_text(np.array([-32.4, 28, -0.2])) == "L 32, A 28, S 0 mm"
    assert position_text(np.array([3.6, -28, -20])) == "R 4, P 28, I 20 mm"


def test_patient_without_clusters(page):
    text = page(patient(lesions=()))
    assert "No cluster found" in text and "This does not mean that the patient has no focal cortical dysplasia" in text
    assert "Highest lesion probability anywhere, before the filter: 0.31" in text and "<table" not in text
    assert "Check the preparation" not in text


def test_more_clusters_than_are_drawn(page):
    someone = patient(lesions=())
    for x in range(4, 56, 4):
        someone.masks["T1w"].data[x:x + 2, 28:30, 28:30] = 1
    text = page(someone)
    assert "13 clusters found" in text and "The first 4 clusters are drawn" in text and text.count("<tr>") == 11
    assert "The first 10 of 13; all are in clusters.csv" in text


def test_no_side_is_given_without_registration_to_the_template(page):
    text = page(patient(registration="t1"), ModelSummary("m", "f", "t1", 0.2))
    assert "no side and no region is given" in text and ">unknown<" in text and "1 cluster found, " in text


@pytest.mark.parametrize("lesions", [(), (LEFT_LESION,)])
def test_a_model_of_synthetic_data_is_named_before_everything_else(page, lesions):
    summary = replace(SUMMARY, trained_on=TrainedOn("mni", "template", True, "Phantoms <1>"))
    text = page(patient(lesions=lesions), summary, warnings=Warnings(preparation=("a flag",)))
    body = text.partition("<body>")[2]
    warning = body.index("trained on synthetic data (Phantoms &lt;1&gt;)")
    assert warning < body.index("For research use only") < body.index("a flag")
    assert "synthetic" in text[:text.index("<style>")]  # the title
    assert "Trained on: Phantoms &lt;1&gt; (synthetic data)." in text and "Look here first" not in text


@pytest.mark.parametrize(("trained_on", "line"), [
    (TrainedOn(), "Trained on: not recorded; whether these are scans of patients or synthetic data is not recorded."),
    (TrainedOn("mni", "template", None, "Ours"), "Trained on: Ours; whether these are scans of patients or synthetic"),
    (TrainedOn("mni", "template", False, "Patients of A"), "Trained on: Patients of A."),
])
def test_nothing_is_stated_about_accuracy_that_is_not_known(page, trained_on, line):
    text = page(patient(), replace(SUMMARY, trained_on=trained_on))
    assert line in text and "trained on synthetic data" not in text
    paragraph, = re.findall(r"<p>\s*([^<]*accuracy[^<]*)</p>", text)
    assert paragraph.strip() == "Nothing is known about the accuracy of this model on patients."
    assert not re.search(r"out of|of 1\d|per patient|[Mm]ost clusters|published", text.partition("<body>")[2])


def test_long_names_wrap_on_a_narrow_screen(page):
    text = page(patient(), replace(SUMMARY, model="nnUNetTrainerDiceTV_1000epochs__MSDSANetPublishedPlans__3d_fullres"))
    wrapped = re.findall(r"\.([\w-]+) \{[^}]*overflow-wrap: anywhere", text)
    line, = re.findall(r'<li class="([^"]*)">Model: nnUNetTrainerDiceTV_1000epochs', text)
    assert line in wrapped
