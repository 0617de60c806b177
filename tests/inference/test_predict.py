"""nnunet-tv-predict on prepared patients, with a network in closed form."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from native_cases import LEFT_LESION, RIGHT_LESION, centre_mm, csv_rows, dice, patient, scan_grid
from predict_model import write_model

from nnunet_tv.brain.coverage import Coverage, MissingPart
from nnunet_tv.cli.predict import main
from nnunet_tv.imaging.volume import Volume, read_volume, write_volume
from nnunet_tv.inference.model_folder import find_model
from nnunet_tv.inference.predictor import PredictOptions, Predictor
from nnunet_tv.postprocessing import ClusterFilter, write_postprocessing
from nnunet_tv.utils.errors import NnunetTVError

MODEL = "nnUNetTrainerDice__TinyPlans__3d_fullres"


@pytest.fixture
def model(tmp_path):
    return write_model(tmp_path / "results" / "DatasetFCD" / MODEL)


@pytest.fixture
def root(tmp_path):
    """Two patients: lesions on both sides in one, none in the other."""
    patient("sub-1", t1=scan_grid("PSR"), lesions=(LEFT_LESION, RIGHT_LESION)).write(tmp_path / "imagesTs")
    patient("sub-2", lesions=(), seed=1).write(tmp_path / "imagesTs")
    return tmp_path


def command(root, model, *more):
    return main(["--prepared", str(root / "imagesTs"), "-m", str(model), "-o", str(root / "out"), "-device", "cpu",
                 "--disable_tta", *more])


def status(root):
    return json.loads((root / "out" / "status.json").read_text())


def rows(root, case):
    return csv_rows(root / "out" / case / "clusters.csv")


def image(root, ending):
    return read_volume(root / "out" / "sub-1" / f"sub-1_{ending}.nii.gz", case="sub-1")


def test_masks_tables_and_pages(root, model, capsys):
    someone = patient("sub-1", t1=scan_grid("PSR"), lesions=(LEFT_LESION, RIGHT_LESION))
    assert command(root, model) == 0
    assert {path.name for path in (root / "out" / "sub-1").iterdir()} == {
        "sub-1_T1w_fcd.nii.gz", "sub-1_FLAIR_fcd.nii.gz", "sub-1_T1w_fcd_prob.nii.gz", "sub-1_FLAIR_fcd_prob.nii.gz",
        "clusters.csv", "sub-1.html", "sub-1.png", "case.json"}
    for channel, truth in someone.masks.items():
        mask, probability = image(root, f"{channel}_fcd"), image(root, f"{channel}_fcd_prob").data
        assert dice(mask.data, truth.data) > 0.85 and np.linalg.norm(centre_mm(mask) - centre_mm(truth)) < 1.5
        assert probability[mask.data > 0].mean() > 0.8 > 0.5 > probability[mask.data == 0].mean()
    assert sorted(row["side"] for row in rows(root, "sub-1")) == ["left", "right"] and rows(root, "sub-2") == []
    found = status(root)
    assert found["complete"] and found["counts"] == {"done": 1, "empty": 1, "flagged": 0, "failed": 0}
    one, two = found["cases"].values()
    assert one["status"] == "done" and one["clusters"] == 2 and "2 clusters found" in one["text"]
    assert two["status"] == "empty" and two["text"].startswith("No cluster found.") and "not exclude" in two["text"]
    page = (root / "out" / "sub-2" / "sub-2.html").read_text()
    assert "No cluster found" in page and "does not mean that the patient has no focal" in page.replace("\n", " ")
    # the model folder has no filter: reported on the page and in the status
    assert "standard (the model folder has no postprocessing.pkl)" in found["filter"] and "standard (the model" in page
    output = capsys.readouterr().out
    assert "  note:" not in output  # the scans themselves were drawn
    assert "sub-2: empty: No cluster found." in output and "2 of 2 patients" in output and "perform_every" not in output


def test_several_folds_write_a_map_of_uncertainty(root, tmp_path, capsys):
    model = write_model(tmp_path / MODEL, folds=("0", "1"))
    assert command(root, model, "--folds", "0", "1") == 0
    assert "folds 0, 1" in capsys.readouterr().out
    deviation, mask = image(root, "T1w_fcd_std").data, image(root, "T1w_fcd").data
    assert 0 < deviation.max() < 0.5 and deviation[mask > 0].mean() < 0.05
    assert all(0 <= float(row["mean_deviation"]) < 0.05 for row in rows(root, "sub-1"))
    # back to one fold: the old map does not stay
    assert command(root, model, "--folds", "0") == 0
    assert not list((root / "out" / "sub-1").glob("*_std*")) and rows(root, "sub-1")[0]["mean_deviation"] == ""


def test_a_reader_that_turns_images(tmp_path):
    """nnU-Net's probabilities are then those of the RAS image; ours are on the file's grid."""
    someone = patient("sub-1", registration="none", t1=scan_grid("PSR", spacing_mm=(3, 3.2, 3.4)))
    someone.write(tmp_path / "imagesTs")
    model = write_model(tmp_path / MODEL, reader="NibabelIOWithReorient")
    assert command(tmp_path, model) == 0
    for ending in ("FLAIR_fcd", "FLAIR_fcd_prob"):
        assert np.linalg.norm(centre_mm(image(tmp_path, ending)) - centre_mm(someone.masks["FLAIR"])) < 1.5


def test_what_is_up_to_date_stays_and_what_changed_is_made_again(root, model, capsys, monkeypatch):
    assert command(root, model) == 0
    before = (root / "out" / "sub-1" / "sub-1.png").stat().st_mtime_ns
    with monkeypatch.context() as patch:
        patch.setattr("nnunet_tv.inference.predictor.Predictor.predict", lambda *_, **__: pytest.fail("again"))
        assert command(root, model) == 0
    assert (root / "out" / "sub-1" / "sub-1.png").stat().st_mtime_ns == before
    assert status(root)["cases"]["sub-2"]["status"] == "empty"
    # another image, a lost file, another filter
    patient("sub-2", lesions=(LEFT_LESION,), seed=3).write(root / "imagesTs")
    (root / "out" / "sub-1" / "clusters.csv").unlink()
    assert command(root, model) == 0
    assert status(root)["cases"]["sub-2"]["clusters"] == 1 and len(rows(root, "sub-1")) == 2
    write_postprocessing(model, ClusterFilter(min_voxels=100_000))
    assert command(root, model) == 0
    assert status(root)["counts"]["empty"] == 2 and "100000 voxels" in status(root)["filter"]


#: Faults of a case, given its T1w, FLAIR, record and output folder.
BAD = {
    "sub-3": (lambda t1, flair, record, out: flair.unlink(), "sub-3_0001.nii.gz: no such file"),
    "sub-4": (lambda t1, flair, record, out: record.write_text("{"), "sub-4.prep.json: not a preparation record"),
    "sub-5": (lambda t1, flair, record, out: t1.write_bytes(b"no"), "sub-5_0000.nii.gz: not a readable NIfTI image"),
    "sub-6": (lambda t1, flair, record, out: out.mkdir(parents=True),
              "sub-6: this folder was not made by nnunet-tv-predict and stays as it is: choose another -o"),
    "sub-7": (lambda t1, flair, record, out: record.write_text(record.read_text().replace('"FLAIR": {', '"T2": {')),
              "expected the channels T1w, FLAIR, found T1w, T2: prepare"),
    "sub-8": (lambda t1, flair, record, out: write_volume(Volume(np.zeros((3, 4, 5)), np.eye(4)), t1),
              "sub-8_0000.nii.gz: the image is not on the grid of the case's record"),
}


def test_bad_cases_fail_alone_and_earlier_results_are_removed(root, model, capsys):
    for case, (spoil, _) in BAD.items():
        patient(case, t1=scan_grid(size_mm=90)).write(root / "imagesTs")
        spoil(*(root / "imagesTs" / f"{case}{ending}" for ending in ("_0000.nii.gz", "_0001.nii.gz", ".prep.json")),
              root / "out" / case)
    (root / "out" / "sub-3").mkdir()
    (root / "out" / "sub-3" / "case.json").write_text("{}")  # of an earlier run
    (root / "out" / ".partial-sub-9").mkdir()  # of a killed one
    assert command(root, model) == 1
    found = status(root)
    assert found["counts"] == {"done": 1, "empty": 1, "flagged": 0, "failed": 6}
    for case, (_, message) in BAD.items():
        assert found["cases"][case]["status"] == "failed" and message in found["cases"][case]["text"]
    assert {path.name for path in (root / "out").iterdir()} == {"sub-1", "sub-2", "sub-6", "status.json"}
    assert "sub-3: failed: " in capsys.readouterr().err


def test_clusters_that_fill_half_the_brain_are_flagged_everywhere(root, tmp_path, capsys):
    model = write_model(tmp_path / MODEL, threshold=-3.0, bias=-0.5)  # marks the whole brain
    assert command(root, model) == 0
    found = status(root)
    assert found["counts"] == {"done": 0, "empty": 0, "flagged": 2, "failed": 0}
    one, = rows(root, "sub-2")
    assert one["side"] == "both sides" and one["region"] == one["lobe"]
    assert one["region"].startswith("several lobes: frontal, ")
    record = json.loads((root / "out" / "sub-2" / "case.json").read_text())
    flag, = record["flags"]
    assert "ml in all" in flag and flag in found["cases"]["sub-2"]["text"] and record["status"] == "flagged"
    page = (root / "out" / "sub-2" / "sub-2.html").read_text().partition("<body>")[2]
    assert page.index("Doubt this result") < page.index("ml in all") < page.index("1 cluster found")
    assert "sub-2: flagged: 1 cluster found" in capsys.readouterr().out


def test_what_a_scan_does_not_show_is_stated_with_the_result(tmp_path, model, capsys):
    flagged = Coverage("FLAIR", 131.0, 0.1, (MissingPart("left", "temporal", 131.0, 0.6),))
    noted = Coverage("T1w", 19.0, 0.01, (MissingPart("right", "cerebellum", 19.0, 0.2),))
    assert flagged.flagged and noted.stated and not noted.flagged
    someone = patient("sub-1", lesions=(), flags=(flagged.text, "another flag"))
    someone.record.details["coverage"] = [asdict(flagged), asdict(noted), asdict(Coverage("T1w", 0.1, 0.0))]
    someone.write(tmp_path / "imagesTs")
    assert command(tmp_path, model) == 0
    case = status(tmp_path)["cases"]["sub-1"]
    assert case["status"] == "flagged" and case["flags"] == [flagged.text, "another flag"]
    assert noted.text in case["notes"]
    for text in (case["text"], (tmp_path / "out" / "sub-1" / "sub-1.html").read_text(), capsys.readouterr().out):
        assert text.count("the FLAIR does not show 131 ml of the brain (10 %): left temporal lobe") == 1
        assert "the T1w does not show 19 ml" in text and "0.1 ml" not in text
    assert "was not checked" not in (tmp_path / "out" / "sub-1" / "sub-1.html").read_text()


def test_a_flag_of_the_preparation_is_on_the_page_and_the_model_is_found_by_names(tmp_path, model, monkeypatch, capsys):
    patient("sub-1", flags=("T1w to template: metric -0.045 <gross failure>",)).write(tmp_path / "imagesTs")
    monkeypatch.setenv("nnUNet_results", str(tmp_path / "results"))
    assert main(["--prepared", str(tmp_path / "imagesTs"), "-d", "DatasetFCD", "-tr", "nnUNetTrainerDice", "-p",
                 "TinyPlans", "-o", str(tmp_path / "out"), "-device", "cpu", "--disable_tta"]) == 0
    assert "the model does not record how its training scans were prepared" in capsys.readouterr().out
    one = status(tmp_path)["cases"]["sub-1"]
    assert one["status"] == "flagged" and "Look at the preparation first: T1w to template" in one["text"]
    page = (tmp_path / "out" / "sub-1" / "sub-1.html").read_text()
    assert "metric -0.045 &lt;gross failure&gt;" in page and "For research use only" in page


def test_a_model_that_cannot_be_loaded_ends_the_command(root, model, capsys):
    import torch

    path = model / "fold_0" / "checkpoint_final.pth"
    content = torch.load(path, weights_only=False)
    torch.save({**content, "trainer_name": "nnUNetTrainerOfNobody"}, path)
    assert command(root, model) == 1
    error = capsys.readouterr().err
    assert "the model cannot be loaded" in error and "its trainer must be installed" in error
    torch.save({**content, "network_weights": {}}, path)
    with pytest.raises(NnunetTVError, match="cannot be loaded"):
        Predictor(find_model(model), PredictOptions("cpu"))
    assert command(model, model) == 1
    assert "expected prepared cases (CASE.prep.json), found none" in capsys.readouterr().err


@pytest.mark.skipif("__import__('torch').cuda.is_available()")
def test_no_silent_fall_back_to_the_cpu(model, tmp_path, capsys):
    # before any scan is searched
    assert main(["-i", str(tmp_path / "nowhere"), "-m", str(model), "-o", str(tmp_path / "out")]) == 1
    assert "-device cuda: no CUDA device was found; use -device cpu" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("words", [["-step_size", "0"], ["-step_size", "x"], ["-i", "scans"], ["-d", "FCD"]])
def test_usage_errors(tmp_path, words, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--prepared", str(tmp_path), "-m", str(tmp_path), "-o", str(tmp_path / "out"), *words])
    assert stop.value.code == 2 and "usage" in capsys.readouterr().err
