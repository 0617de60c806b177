"""Folders of predictions on the grids of the original scans, and unusable inputs."""

from __future__ import annotations

import json
import re

import nibabel as nib
import numpy as np
import pytest
from native_cases import COARSE, LEFT_LESION, RIGHT_LESION, centre_mm, dice, like, patient, scan_grid

from nnunet_tv.cli.restore import main
from nnunet_tv.imaging.volume import Volume, read_mask, read_volume, write_volume
from nnunet_tv.inference.restore import prediction_cases, restore_folder
from nnunet_tv.utils.errors import NnunetTVError


@pytest.fixture
def folders(tmp_path):
    """One patient prepared and predicted: mask, and probabilities as nnU-Net saves them."""
    someone = patient(lesions=(LEFT_LESION, RIGHT_LESION))
    someone.write(tmp_path / "imagesTs")
    predict(someone, tmp_path / "pred")
    return tmp_path, someone


def predict(someone, folder):
    mask = someone.prepared_mask()
    write_volume(mask, folder / f"{someone.record.case}.nii.gz")
    lesion = 0.1 + 0.8 * mask.data.transpose(2, 1, 0).astype(np.float32)
    np.savez_compressed(folder / f"{someone.record.case}.npz", probabilities=np.stack([1 - lesion, lesion]))
    return mask


def command(root):
    return main(["-i", str(root / "pred"), "-p", str(root / "imagesTs"), "-o", str(root / "native"), "-np", "1"])


def test_command_writes_masks_and_probabilities(folders, capsys):
    root, someone = folders
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


def test_probability_images_are_taken_too_and_are_no_cases(folders):
    root, _someone = folders
    mask = read_mask(root / "pred" / "sub-1.nii.gz", case="sub-1")
    write_volume(Volume((0.05 + 0.9 * mask.data).astype(np.float32), mask.affine), root / "pred" / "sub-1_prob.nii.gz")
    assert prediction_cases(root / "pred") == ["sub-1"]
    result, = restore_folder(root / "pred", root / "imagesTs", root / "native")
    assert read_volume(result.files["T1w_prob"], case="a").data.max() == pytest.approx(0.95, abs=1e-3)


def test_probabilities_of_a_reorienting_reader(tmp_path):
    """NibabelIOWithReorient hands nnU-Net (and the .npz) the RAS image, whatever the prepared file's axes."""
    someone = patient(registration="none", t1=scan_grid("PSR", spacing_mm=(2, 2.2, 2.4)))
    someone.write(tmp_path / "imagesTs")
    mask = predict(someone, tmp_path / "pred")
    image = nib.as_closest_canonical(nib.Nifti1Image(mask.data, mask.affine))
    lesion = 0.1 + 0.8 * np.asarray(image.dataobj).transpose(2, 1, 0).astype(np.float32)
    np.savez(tmp_path / "pred" / "sub-1.npz", probabilities=np.stack([1 - lesion, lesion]))
    (tmp_path / "pred" / "plans.json").write_text(json.dumps({"image_reader_writer": "NibabelIOWithReorient"}))
    result, = restore_folder(tmp_path / "pred", tmp_path / "imagesTs", tmp_path / "native")
    found = read_volume(result.files["T1w_prob"], case="a")
    np.testing.assert_allclose(found.data, 0.1 + 0.8 * mask.data, atol=1e-3)


def bad_npz(content):
    return lambda root: np.savez(root / "pred" / "sub-2.npz", **content)


def shape_of(root):
    return read_mask(root / "pred" / "sub-2.nii.gz", case="a").shape[::-1]


def low(root):
    zeros = np.zeros(shape_of(root), np.float32)
    np.savez(root / "pred" / "sub-2.npz", probabilities=np.stack([1 - zeros, zeros]))


def large(root):
    np.savez(root / "pred" / "sub-2.npz", probabilities=np.full((2, *shape_of(root)), 7, np.float32))


def other_grid(root):
    write_volume(Volume(np.zeros((5, 6, 7), np.uint8), np.eye(4)), root / "pred" / "sub-2.nii.gz")


def other_probability_grid(root):
    write_volume(Volume(np.zeros((5, 6, 7), np.float32), np.eye(4)), root / "pred" / "sub-2_prob.nii.gz")


BAD = {
    "no record": (lambda root: (root / "imagesTs" / "sub-2.prep.json").unlink(), "no preparation record"),
    "grid": (other_grid, r"sub-2.nii.gz: expected the prepared grid \(\(61, 73, 61\) voxels, RAS.* \(5, 6, 7\)"),
    "prob grid": (other_probability_grid, r"sub-2_prob.nii.gz: expected the prepared grid"),
    "labels": (lambda root: write_volume(Volume(np.full(COARSE.shape, 3, np.uint8), COARSE.affine),
                                         root / "pred" / "sub-2.nii.gz"), "expected the labels 0"),
    "not npz": (lambda root: (root / "pred" / "sub-2.npz").write_bytes(b"no"), "sub-2.npz: not nnU-Net's probabilit"),
    "no key": (bad_npz({"softmax": np.zeros(3)}), "not nnU-Net's probabilities .*probabilities"),
    "classes": (bad_npz({"probabilities": np.zeros((3, 2, 2, 2))}), r"one lesion class.*found shape \(3, 2, 2, 2\)"),
    "npz grid": (bad_npz({"probabilities": np.zeros((2, 4, 5, 6))}), r"expected the prepared grid's .*found \(6, 5, 4"),
    "range": (large, "expected probabilities from 0 to 1, found 7 to 7"),
    "another run's": (low, r"below one half where the mask is \(median 0\)"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_case_fails_alone(folders, capsys, what):
    root, _ = folders
    second = patient("sub-2", seed=2)
    second.write(root / "imagesTs")
    predict(second, root / "pred")
    spoil, message = BAD[what]
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


def test_folders_are_checked(folders, tmp_path, capsys):
    root, _ = folders
    with pytest.raises(NnunetTVError, match=r"nowhere: no such folder \(-i: expected a folder of segmentations"):
        restore_folder(root / "nowhere", root / "imagesTs", root / "native")
    with pytest.raises(NnunetTVError, match=r"nowhere: no such folder \(-p: expected the folder that nnunet-tv-prep"):
        restore_folder(root / "pred", root / "nowhere", root / "native")
    with pytest.raises(NnunetTVError, match="pred: -o is also an input folder"):
        restore_folder(root / "pred", root / "imagesTs", root / "pred")
    (root / "none").mkdir()
    with pytest.raises(NnunetTVError, match="none: expected segmentations"):
        restore_folder(root / "none", root / "imagesTs", root / "native")
    assert main(["-i", str(root / "nowhere"), "-p", str(root), "-o", str(root / "native")]) == 1
    assert "no such folder" in capsys.readouterr().err


def test_cases_without_a_segmentation_and_lost_clusters_are_reported(folders, capsys):
    root, _ = folders
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
