"""The cluster filter: hand-made cases, plain scipy as the oracle, and nnU-Net's own entry point."""

import json
import pickle
import subprocess
import sys
from dataclasses import asdict

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scored_folders import boxes

from nnunet_tv.imaging.volume import Volume, read_volume, write_volume
from nnunet_tv.postprocessing import ClusterFilter, filter_folder, remove_small_clusters, write_postprocessing
from nnunet_tv.utils.errors import NnunetTVError

RAS_2MM = np.diag([2.0, 2.0, 2.0, 1.0])
BARE = {"opening": False, "fill_holes": False}


def plain_filter(mask, *, min_voxels=50, opening=True, fill_holes=True, connectivity=26, side=5):
    """The definition, word by word, on the whole volume with scipy."""
    mask = mask.astype(bool)
    if opening:
        mask = ndimage.binary_opening(mask)
    if fill_holes:
        # The margin changes nothing (outside counts as background); without it scipy crashes on thin volumes.
        margin = tuple(slice(side, -side) for _ in range(3))
        mask = ndimage.binary_fill_holes(np.pad(mask, side), structure=np.ones((side, side, side)))[margin]
    structure = ndimage.generate_binary_structure(3, {6: 1, 18: 2, 26: 3}[connectivity])
    labels, count = ndimage.label(mask, structure)
    large = [label for label in range(1, count + 1) if (labels == label).sum() >= min_voxels]
    return np.isin(labels, large).astype(np.uint8)


def test_size_in_mm3_uses_the_voxel_volume():
    seven = boxes(((1, 8), (4, 5), (4, 5)), shape=(9, 9, 9))
    assert remove_small_clusters(seven, min_mm3=56, voxel_mm3=8, **BARE).sum() == 7  # 7 of 8 mm³ are 56
    assert remove_small_clusters(seven, min_mm3=57, voxel_mm3=8, **BARE).sum() == 0
    assert remove_small_clusters(seven, min_mm3=50, voxel_mm3=np.float32(0.8) ** 3, **BARE).sum() == 0
    exact = boxes(((1, 6), (1, 6), (4, 8)), shape=(9, 9, 9))  # 100 voxels of 0.512 mm³, with float32 rounding
    assert remove_small_clusters(exact, min_mm3=51.2, voxel_mm3=np.float32(0.8) ** 3, **BARE).sum() == 100


def test_opening_erases_a_sheet_of_two_voxels_and_keeps_one_of_three():
    two = boxes(((2, 18), (2, 18), (9, 11)), shape=(20, 20, 20))
    three = boxes(((2, 18), (2, 18), (9, 12)), shape=(20, 20, 20))
    assert remove_small_clusters(two).sum() == 0
    assert remove_small_clusters(two, opening=False).sum() == two.sum() == 512
    opened = remove_small_clusters(three)
    assert opened[9, 9, 9:12].all() and opened.sum() > 600  # corners are rounded off
    assert remove_small_clusters(three, opening_iterations=2).sum() == 0


@pytest.mark.parametrize(("wall", "filled"), [(1, False), (2, True)])
def test_holes_are_filled_behind_walls_of_two_voxels(wall, filled):
    # A step of the 5×5×5 structure jumps over one voxel, so a wall of one leaks.
    shell = boxes(((2, 14), (2, 14), (2, 14)), shape=(16, 16, 16))
    inner = slice(2 + wall, 14 - wall)
    shell[inner, inner, inner] = 0
    result = remove_small_clusters(shell, opening=False)
    assert result.sum() == (12**3 if filled else shell.sum())
    assert remove_small_clusters(shell, opening=False, fill_holes=False).sum() == shell.sum()
    assert remove_small_clusters(shell, opening=False, hole_structure=3).sum() == 12**3


@pytest.mark.parametrize("seed", range(40))
def test_equals_plain_scipy_on_random_masks(seed):
    # Eight masks a seed: sparse to dense, rough and smooth, all of them touching borders.
    random = np.random.default_rng(seed)
    for density in (0.02, 0.3, 0.55, 0.8):
        shape = tuple(random.integers(3, 22, 3))
        for sigma in (0, 1.2):
            field = random.random(shape)
            field = ndimage.gaussian_filter(field, sigma) if sigma else field
            mask = (field > np.quantile(field, 1 - density)).astype(np.uint8)
            chosen = {"min_voxels": int(random.integers(0, 60)), "opening": bool(random.integers(2)),
                      "fill_holes": bool(random.integers(4)), "connectivity": int(random.choice([6, 18, 26]))}
            side = int(random.choice([3, 5, 7]))
            result = remove_small_clusters(mask, hole_structure=side, **chosen)
            expected = plain_filter(mask, side=side, **chosen)
            np.testing.assert_array_equal(result, expected, err_msg=str((shape, chosen)))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.tuples(*[st.integers(5, 14)] * 3), st.integers(1, 3), st.booleans())
def test_hole_filling_equals_scipy_on_thick_shells(seed, shape, wall, opening):
    # Random walls around random pockets, pushed against borders: what random noise rarely makes.
    random = np.random.default_rng(seed)
    mask = random.random(shape) < 0.02
    for _ in range(3):
        low = [int(random.integers(-3, side - 2)) for side in shape]
        high = [start + int(random.integers(2 * wall + 1, 12)) for start in low]
        outer = tuple(slice(max(a, 0), max(b, 0)) for a, b in zip(low, high, strict=True))
        inner = tuple(slice(max(a + wall, 0), max(b - wall, 0)) for a, b in zip(low, high, strict=True))
        mask[outer] = True
        mask[inner] = False
    result = remove_small_clusters(mask, min_voxels=0, opening=opening)
    np.testing.assert_array_equal(result, plain_filter(mask, min_voxels=0, opening=opening))
    np.testing.assert_array_equal(result, remove_small_clusters(mask.T, min_voxels=0, opening=opening).T)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.int64, np.float32])
def test_dtype_is_kept_and_the_input_is_not_changed(dtype):
    mask = boxes(((1, 3), (1, 3), (1, 3)), ((8, 16), (8, 16), (8, 16)), shape=(20, 20, 20)).astype(dtype)
    before = mask.copy()
    result = remove_small_clusters(mask)
    assert result.dtype == dtype and result is not mask
    np.testing.assert_array_equal(mask, before)
    assert result[12, 12, 12] == 1 and result[1, 1, 1] == 0


@pytest.mark.parametrize("value", [0, 1])
@pytest.mark.parametrize("shape", [(6, 7, 8), (1, 9, 9)])
def test_empty_and_full_volumes(value, shape):
    full = np.full(shape, value, np.uint8)
    np.testing.assert_array_equal(remove_small_clusters(full, opening=False), full)
    if shape[0] > 1:
        np.testing.assert_array_equal(remove_small_clusters(full), plain_filter(full))


@pytest.mark.parametrize(("array", "message"), [
    (np.zeros((4, 4)), r"3D segmentation, found shape \(4, 4\)"),
    (np.zeros((0, 4, 4)), r"3D segmentation, found shape \(0, 4, 4\)"),
    (np.zeros((1, 9, 9)), r"at least 3 voxels along each axis, found shape \(1, 9, 9\).*opening=False"),
    (np.full((4, 4, 4), 2), "labels 0 .background. and 1 .lesion., found 2"),
    (np.arange(64).reshape(4, 4, 4), "found 0, 1, 2, 3, 4, 5, …"),
    (np.full((4, 4, 4), np.nan), "found nan"),
    (np.full((4, 4, 4), 0.5), "found 0.5"),
])
def test_unusable_arrays_are_named(array, message):
    with pytest.raises(ValueError, match=message):
        remove_small_clusters(array)


@pytest.mark.parametrize(("chosen", "message"), [
    ({"connectivity": 8}, "connectivity 6, 18 or 26, found 8"),
    ({"min_voxels": -1}, "min_voxels >= 0, found -1"),
    ({"min_voxels": 2.5}, "whole number min_voxels >= 0, found 2.5"),
    ({"opening_iterations": 0}, "opening_iterations >= 1, found 0"),
    ({"hole_structure": 4}, "odd hole_structure, found 4"),
    ({"min_mm3": -2, "voxel_mm3": 1}, "min_mm3 >= 0, found -2"),
    ({"min_mm3": 50, "voxel_mm3": 0}, "voxel_mm3 > 0, found 0"),
])
def test_unusable_settings_are_named(chosen, message):
    with pytest.raises(ValueError, match=message):
        ClusterFilter(**chosen)


def test_a_size_in_mm3_needs_the_voxel_volume(tmp_path):
    unsized = ClusterFilter(min_mm3=50)
    for use in (lambda: unsized(np.zeros((4, 4, 4))), lambda: write_postprocessing(tmp_path, unsized)):
        with pytest.raises(ValueError, match="min_mm3=50 needs voxel_mm3"):
            use()
    assert not any(tmp_path.iterdir())


def test_steps_are_described():
    assert ClusterFilter(min_voxels=30).steps[2] == "clusters smaller than 30 voxels removed (26-connectivity)"
    assert ClusterFilter(opening=False, min_mm3=20).steps[-1].startswith("clusters smaller than 20 mm³")
    assert "2 iterations" in ClusterFilter(opening_iterations=2).steps[0]
    assert "7×7×7" in ClusterFilter(hole_structure=7).steps[1]
    assert len(ClusterFilter(**BARE).steps) == 1


def small_folder(folder):
    """Two cases on an oblique grid: a large cluster with a speck, and specks only."""
    affine = RAS_2MM.copy()
    angle = 0.2
    affine[:2, :2] = 2 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    affine[:3, 3] = -30, 11, 4
    large = boxes(((4, 10), (4, 10), (4, 10)), ((1, 2), (1, 2), (1, 2)), shape=(14, 16, 18))
    specks = boxes(((1, 3), (1, 3), (1, 3)), shape=(14, 16, 18))
    for name, data in (("sub-00001", large), ("sub-00002", specks)):
        write_volume(Volume(data, affine), folder / f"{name}.nii.gz")
    return folder


def test_filter_folder_keeps_geometry_and_copies_nothing_else(tmp_path):
    source, out = small_folder(tmp_path / "validation"), tmp_path / "validation_filtered"
    (source / "summary.json").write_text("{}")
    out.mkdir()
    (out / ".partial-99999999-sub-00001.nii.gz").write_bytes(b"left by a killed run")
    for processes in (1, 2):
        written = filter_folder(source, out, processes=processes)
        assert [path.name for path in written] == ["sub-00001.nii.gz", "sub-00002.nii.gz"]
        assert sorted(out.iterdir()) == written
        for path in written:
            raw, filtered = read_volume(source / path.name, case="raw"), read_volume(path, case="filtered")
            np.testing.assert_allclose(filtered.affine, raw.affine, atol=1e-5)
            np.testing.assert_array_equal(filtered.data, remove_small_clusters(raw.data))
            assert nib.load(path).get_data_dtype() == np.uint8
        # 6³ less the 12 edges (4 voxels each) and 8 corners that the opening rounds off
        assert read_volume(written[0], case="filtered").data.sum() == 160


def test_filter_folder_takes_the_voxel_size_from_the_file(tmp_path):
    source = small_folder(tmp_path / "raw")  # 8 specks of 8 mm³ in the second case
    keep, drop = (filter_folder(source, tmp_path / f"{size}", cluster_filter=ClusterFilter(min_mm3=size, **BARE),
                                processes=size - 63) for size in (64, 65))
    assert read_volume(keep[1], case="keep").data.sum() == 8
    assert read_volume(drop[1], case="drop").data.sum() == 0


def test_filter_folder_names_bad_files_and_filters_the_others(tmp_path):
    source = small_folder(tmp_path / "raw")
    write_volume(Volume(np.full((5, 5, 5), 2, np.uint8), RAS_2MM), source / "sub-00003.nii.gz")
    write_volume(Volume(np.zeros((1, 5, 5), np.uint8), RAS_2MM), source / "sub-00004.nii.gz")
    (source / "sub-00005.nii.gz").write_bytes(b"not gzip")
    with pytest.raises(NnunetTVError) as caught:
        filter_folder(source, tmp_path / "out")
    message = str(caught.value)
    assert "3 of 5 segmentations not filtered" in message
    assert "sub-00003.nii.gz: expected the labels 0 (background) and 1 (lesion), found 2" in message
    assert "sub-00004.nii.gz: expected at least 3 voxels" in message
    assert "sub-00005.nii.gz: not a readable NIfTI image" in message
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["sub-00001.nii.gz", "sub-00002.nii.gz"]


def test_filter_folder_refuses_what_would_mislead(tmp_path):
    source, out, empty = small_folder(tmp_path / "raw"), small_folder(tmp_path / "out"), tmp_path / "empty"
    (out / "sub-00001.nii.gz").rename(out / "sub-00009.nii.gz")
    empty.mkdir()
    for folder, destination, message in (
            (tmp_path / "nowhere", out, "nowhere: expected a folder of segmentations"),
            (source, source, "are one folder; the raw files would be lost"),
            (empty, out, r"empty: expected segmentations \(\*.nii.gz\), found none"),
            (source, out, r"out: has sub-00009.nii.gz, which .*raw does not have")):
        with pytest.raises(NnunetTVError, match=message):
            filter_folder(folder, destination)
    with pytest.raises(ValueError, match="at least one process, found 0"):
        filter_folder(source, tmp_path / "new", processes=0)


FRESH_PROCESS = """
import pickle, sys, numpy
functions, keywords = pickle.load(open(sys.argv[1], "rb"))
ones = numpy.zeros((9, 9, 9), "float32")
ones[2:5, 2:5, 2:4] = 1
print(functions[0](ones, **keywords[0]).sum(), functions[0](ones[:, :, :3], **keywords[0]).sum())
"""


@pytest.mark.parametrize(("chosen", "sums"), [
    ({"min_voxels": 20, "opening": False}, ["0.0", "0.0"]),
    ({"min_mm3": 18, "voxel_mm3": 1, **BARE}, ["18.0", "0.0"]),
])
def test_the_pickle_works_in_a_fresh_process_and_the_json_describes_it(tmp_path, chosen, sums):
    path = write_postprocessing(tmp_path / "model", ClusterFilter(**chosen))
    assert sorted(p.name for p in path.parent.iterdir()) == ["postprocessing.json", "postprocessing.pkl"]
    described = json.loads(path.with_suffix(".json").read_text())
    assert described["postprocessing_fns"] == ["remove_small_clusters"]
    assert described["postprocessing_kwargs"] == [asdict(ClusterFilter(**chosen))]
    assert described["steps"] == ClusterFilter(**chosen).steps
    assert pickle.loads(path.read_bytes()) == ([remove_small_clusters], [asdict(ClusterFilter(**chosen))])
    assert subprocess.check_output([sys.executable, "-c", FRESH_PROCESS, path], text=True).split() == sums


# As written before ClusterFilter, with opening=False, fill_holes=False.
EARLIER_PICKLE = (
    b"\x80\x04\x95\xbd\x00\x00\x00\x00\x00\x00\x00]\x94\x8c\x18nnunet_tv.postprocessing\x94\x8c\x15remove_small_clusters"
    b"\x94\x93\x94a]\x94}\x94(\x8c\nmin_voxels\x94K2\x8c\x07opening\x94\x89\x8c\nfill_holes\x94\x89\x8c\x0cconnectivity"
    b"\x94K\x1a\x8c\x07min_mm3\x94N\x8c\tvoxel_mm3\x94N\x8c\x12opening_iterations\x94K\x01\x8c\x0ehole_structure\x94K\x05"
    b"ua\x86\x94.")


def test_pickles_of_earlier_runs_apply_and_are_still_written(tmp_path):
    (function,), (keywords,) = pickle.loads(EARLIER_PICKLE)
    fifty = boxes(((5, 10), (5, 10), (5, 7)), shape=(20, 20, 20))
    assert function(fifty, **keywords).sum() == 50
    fifty[5, 5, 5] = 0
    assert function(fifty, **keywords).sum() == 0
    assert write_postprocessing(tmp_path, ClusterFilter(**BARE)).read_bytes() == EARLIER_PICKLE


def test_stock_nnunet_applies_it(tmp_path, monkeypatch):
    predictions = small_folder(tmp_path / "predictions")
    plans = {"dataset_name": "DatasetFCD", "plans_name": "nnUNetPlans", "image_reader_writer": "SimpleITKIO",
             "configurations": {}}
    (predictions / "plans.json").write_text(json.dumps(plans))
    (predictions / "dataset.json").write_text(json.dumps({"file_ending": ".nii.gz"}))
    pickled = write_postprocessing(tmp_path / "model")
    from nnunetv2.postprocessing.remove_connected_components import entry_point_apply_postprocessing

    monkeypatch.setattr(sys, "argv", ["nnUNetv2_apply_postprocessing", "-i", str(predictions), "-o",
                                      str(tmp_path / "out"), "-pp_pkl_file", str(pickled), "-np", "1"])
    entry_point_apply_postprocessing()
    ours = filter_folder(predictions, tmp_path / "ours")
    assert [path.name for path in ours] == sorted(path.name for path in (tmp_path / "out").iterdir())
    for path in ours:
        stock, own = nib.load(tmp_path / "out" / path.name), nib.load(path)
        np.testing.assert_array_equal(np.asarray(stock.dataobj), np.asarray(own.dataobj))
        np.testing.assert_allclose(stock.affine, own.affine, atol=1e-5)
        assert np.asarray(own.dataobj).sum() in (0, 160)
