"""Folders of predictions on the grids of the original scans, and unusable inputs."""

import re
from dataclasses import asdict

import numpy as np
import pytest
from native_cases import COARSE, LEFT_LESION, RIGHT_LESION, centre_mm, dice, like, patient, scan_grid

from nnunet_tv.brain.coverage import Coverage, MissingPart
from nnunet_tv.cli.restore import main
from nnunet_tv.imaging.volume import Volume, read_mask, read_volume, write_volume
from nnunet_tv.inference.restore import prediction_cases, restore_folder
from nnunet_tv.inference.trained_on import UNKNOWN_ORIGIN


@pytest.fixture
def someone():
    return patient(lesions=(LEFT_LESION, RIGHT_LESION))


@pytest.fixture
def root(tmp_path, someone):
    """One patient prepared and predicted."""
    add(tmp_path, someone)
    return tmp_path


def add(root, someone):
    someone.write(root / "imagesTs")
    mask = someone.prepared_mask()
    save(root, someone.record.case, mask.data)
    save_npz(root, 0.1 + 0.8 * mask.data, someone.record.case)


def save(root, name, data, affine=COARSE.affine):
    write_volume(Volume(data, affine), root / "pred" / f"{name}.nii.gz")


def save_npz(root, lesion, case="sub-2"):
    """Save probabilities as nnU-Net does."""
    lesion = np.asarray(lesion, np.float32).transpose(2, 1, 0)
    np.savez_compressed(root / "pred" / f"{case}.npz", probabilities=np.stack([1 - lesion, lesion]))


def command(root):
    return main(["-i", str(root / "pred"), "-p", str(root / "imagesTs"), "-o", str(root / "native"), "-np", "1"])


def test_what_a_scan_does_not_show_is_stated(root, someone, capsys):
    gap = Coverage("FLAIR", 131.0, 0.1, (MissingPart("left", "temporal", 131.0, 0.6),))
    someone.record.details["coverage"] = [asdict(Coverage("T1w", 0.0, 0.0)), asdict(gap)]
    someone.record.write(root / "imagesTs" / "sub-1.prep.json")
    assert command(root) == 0
    assert capsys.readouterr().err.count(f"warning: sub-1: {gap.text}\n") == 1


def test_the_model_is_not_mentioned_for_drawn_masks_of_a_raw_data_set(root, capsys):
    assert command(root) == 0
    assert capsys.readouterr().out.count(UNKNOWN_ORIGIN) == 1
    (root / "dataset.json").write_text("{}")
    assert command(root) == 0
    assert UNKNOWN_ORIGIN not in capsys.readouterr().out


def test_command_writes_masks_and_probabilities(root, someone, capsys):
    assert command(root) == 0
    assert sorted(path.name for path in (root / "native").iterdir()) == [
        "sub-1_FLAIR_fcd.nii.gz", "sub-1_FLAIR_fcd_prob.nii.gz", "sub-1_T1w_fcd.nii.gz", "sub-1_T1w_fcd_prob.nii.gz"]
    assert "restored 1 of 1 cases" in capsys.readouterr().out
    for channel in ("T1w", "FLAIR"):
        mask = read_mask(root / "native" / f"sub-1_{channel}_fcd.nii.gz", case="sub-1")
        probability = read_volume(root / "native" / f"sub-1_{channel}_fcd_prob.nii.gz", case="sub-1")
        assert dice(mask.data, someone.masks[channel].data) > 0.85  # all grids are coarse
        assert np.linalg.norm(centre_mm(mask) - centre_mm(someone.masks[channel])) < 1  # of both lesions
        # the axes of the .npz were read in the right order: high where the mask is, low elsewhere
        assert probability.data[mask.data > 0].min() >= 0.49
        assert probability.data[mask.data == 0].max() <= 0.51
    # a run without probabilities takes the old ones away
    (root / "pred" / "sub-1.npz").unlink()
    assert command(root) == 0 and not list((root / "native").glob("*_prob*"))


def test_probability_images_are_taken_too_and_are_no_cases(root):
    mask = read_mask(root / "pred" / "sub-1.nii.gz", case="sub-1").data
    save(root, "sub-1_prob", (0.05 + 0.9 * mask).astype(np.float32))
    assert prediction_cases(root / "pred") == ["sub-1"]
    result, = restore_folder(root / "pred", root / "imagesTs", root / "native")
    assert read_volume(result.files["T1w_prob"], case="a").data.max() == pytest.approx(0.95, abs=1e-3)


@pytest.mark.parametrize(("spoil", "message"), [
    (lambda root: (root / "imagesTs" / "sub-2.prep.json").unlink(), "no preparation record"),
    (lambda root: save(root, "sub-2", np.zeros((5, 6, 7), np.uint8), np.eye(4)),
     r"sub-2.nii.gz: expected the prepared grid \(\(61, 73, 61\) voxels, RAS.* \(5, 6, 7\)"),
    (lambda root: save(root, "sub-2_prob", np.zeros((5, 6, 7), np.float32), np.eye(4)),
     r"sub-2_prob.nii.gz: expected the prepared grid"),
    (lambda root: save(root, "sub-2", np.full(COARSE.shape, 3, np.uint8)), "expected the labels 0"),
    (lambda root: (root / "pred" / "sub-2.npz").write_bytes(b"no"), "sub-2.npz: not nnU-Net's probabilit"),
    (lambda root: save_npz(root, np.zeros((6, 5, 4))), r"expected the prepared grid's .*found \(6, 5, 4"),
    (lambda root: save_npz(root, np.zeros(COARSE.shape)), r"below one half where the mask is \(median 0\)"),
])
def test_a_bad_case_fails_alone(root, capsys, spoil, message):
    add(root, patient("sub-2", seed=2))
    assert command(root) == 0
    capsys.readouterr()
    spoil(root)
    assert command(root) == 1
    captured = capsys.readouterr()
    assert "restored 1 of 2 cases" in captured.out
    assert captured.err.startswith("error: sub-2: ") and captured.err.count("error") == 1
    assert re.search(message, captured.err.replace("\n", " "))
    written = sorted(path.name for path in (root / "native").iterdir())
    assert len(written) == 4 and all(name.startswith("sub-1_") for name in written)


def test_earlier_results_of_a_failed_case_are_removed_even_if_the_run_ends_early(root, monkeypatch):
    assert command(root) == 0
    add(root, patient("sub-2", seed=1))
    (root / "pred" / "sub-1.nii.gz").write_bytes(b"")

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("nnunet_tv.inference.restore.to_native_grids", interrupted)
    assert command(root) == 130
    assert not list((root / "native").iterdir())


@pytest.mark.parametrize(("predictions", "prepared", "out", "message"), [
    ("nowhere", "imagesTs", "native", "nowhere: no such folder (-i: expected a folder of segmentations"),
    ("pred", "nowhere", "native", "nowhere: no such folder (-p: expected the folder that nnunet-tv-prep"),
    ("pred", "imagesTs", "pred", "pred: -o is also an input folder"),
    ("scans", "imagesTs", "native", "scans: expected segmentations"),
])
def test_folders_are_checked(tmp_path, capsys, predictions, prepared, out, message):
    for name in ("pred", "imagesTs", "scans"):
        (tmp_path / name).mkdir()
    assert main(["-i", str(tmp_path / predictions), "-p", str(tmp_path / prepared), "-o", str(tmp_path / out)]) == 1
    assert message in capsys.readouterr().err.replace("\n", " ")


def test_cases_without_a_segmentation_and_lost_clusters_are_reported(root, capsys):
    thick = patient("sub-3", registration="none", t1=scan_grid(spacing_mm=(2, 2, 2)),
                    flair=scan_grid(spacing_mm=(2, 2, 9.0)))
    thick.write(root / "imagesTs")
    assert command(root) == 1
    printed = capsys.readouterr()
    assert "error: sub-3: prepared, but without a segmentation" in printed.err
    assert "restored 1 of 2 cases" in printed.out
    mask = like(thick.record.grid)
    mask.data[30:33, 40:43, 50:51] = 1
    write_volume(mask, root / "pred" / "sub-3.nii.gz")
    assert command(root) == 0
    assert "sub-3: a cluster at (-27, -7, 11) mm fills no voxel of the FLAIR by half" in capsys.readouterr().err
