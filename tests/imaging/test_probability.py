"""Probabilities of nnU-Net on the grid of their segmentation."""

import numpy as np
import pytest

from nnunet_tv.imaging.grid import Grid
from nnunet_tv.imaging.probability import check_probability, read_npz
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.utils.errors import CaseError
from nnunet_tv.utils.files import write_json

TURNED = np.array([[-1.0, 0, 0, 3], [0, 0, 2, 4], [0, 3, 0, 5], [0, 0, 0, 1]])  # L, S, A


def lesion():
    return np.random.default_rng(2).random((3, 4, 5)).astype(np.float32)


def save(path, array):
    np.savez_compressed(path, probabilities=array)
    return path


def read(path, grid):
    return read_npz(path, grid, case="sub-1", name="grid", advice="predict again")


@pytest.mark.parametrize("reader", ["", "NibabelIOWithReorient"])
def test_axes_are_reversed_and_the_last_class_is_the_lesion(tmp_path, reader):
    data = lesion()
    # The stored axes are left, superior, anterior; the reorienting reader has right, anterior, superior.
    read_as = data[::-1].transpose(0, 2, 1) if reader else data
    path = save(tmp_path / "a.npz", np.stack([1 - read_as, read_as]).transpose(0, 3, 2, 1))
    if reader:
        write_json({"image_reader_writer": reader}, tmp_path / "plans.json")
    found = read(path, Grid(data.shape, TURNED))
    np.testing.assert_array_equal(found.data, data)
    assert found.data.dtype == np.float32 and found.affine is TURNED


@pytest.mark.parametrize(("array", "message"), [
    (np.zeros((2, 4, 4)), r"shape \(2, z, y, x\), found shape \(2, 4, 4\): predict with a model of one foreground"),
    (np.zeros((3, 5, 4, 3)), r"found shape \(3, 5, 4, 3\)"), (np.full((2, 5, 4, 3), np.inf), "expected finite prob"),
    (np.zeros((2, 3, 4, 5)), r"expected the grid's \(3, 4, 5\) voxels, found \(5, 4, 3\): predict again"),
])
def test_unusable_arrays_are_named(tmp_path, array, message):
    with pytest.raises(CaseError, match=f"^sub-1: .*a.npz: .*{message}"):
        read(save(tmp_path / "a.npz", array), Grid((3, 4, 5), np.eye(4)))


def test_damaged_files_are_named(tmp_path):
    content = save(tmp_path / "whole.npz", lesion()[None]).read_bytes()
    middle = len(content) // 2
    np.savez(tmp_path / "other.npz", softmax=lesion())
    (tmp_path / "cut.npz").write_bytes(content[:-30])
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "garbled.npz").write_bytes(content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1:])
    for name in ("other", "cut", "empty", "garbled", "missing"):
        with pytest.raises(CaseError, match=rf"^sub-1: .*{name}.npz: not nnU-Net's probabilities \(.*--save_prob"):
            read(tmp_path / f"{name}.npz", Grid((3, 4, 5), np.eye(4)))


def test_a_probability_must_belong_to_its_mask():
    def check(data, threshold=0.5):
        mask = Volume(lesion() > threshold, np.eye(4))
        check_probability(Volume(data, np.eye(4)), mask, case="sub-1", path="a.npz")

    check(lesion())
    check(lesion(), threshold=2)  # an empty mask
    for data, message in ((lesion() * 3, "from 0 to 1, found .* to 2.9"), (-lesion(), "from 0 to 1, found -0.9"),
                          (1 - lesion(), r"below one half where the mask is \(median 0.3")):
        with pytest.raises(CaseError, match=f"^sub-1: a.npz: .*{message}"):
            check(data)
