"""Left stays left: scans as five scanners store them, through nnunet-tv-prepare, and back by nnunet-tv-restore."""

from functools import lru_cache

import nibabel as nib
import numpy as np
import pytest
from registration_phantoms import phantom
from scipy import ndimage
from scipy.spatial.transform import Rotation

from nnunet_tv.cli.prepare import main as prepare
from nnunet_tv.cli.restore import main as restore
from nnunet_tv.imaging.affine import rotation_about
from nnunet_tv.imaging.volume import Volume, read_volume, write_volume

#: A bright ball in the white matter of the left frontal lobe (x is negative on the left), in MNI mm.
BALL_MM, RADIUS_MM = np.array([-26.0, 30.0, 16.0]), 9.0
ORIENTATIONS = ("RAS", "LPS", "LAS", "PSR", "oblique")


@lru_cache(maxsize=1)
def scans_with_a_ball() -> dict[str, Volume]:
    """A T1w and a FLAIR, stored RAS; the ball is on the FLAIR."""
    one = phantom(4, protocol=0, resolution_mm=2.6)
    flair = as_stored(Volume(one.flair.data, one.flair.affine), "RAS")
    far = np.linalg.norm(one.flair_pose.to_template(flair.grid.points().astype(float)) - BALL_MM, axis=-1)
    flair.data[far < RADIUS_MM] = 1.2 * flair.data.max()
    return {"T1w": as_stored(Volume(one.t1.data, one.t1.affine), "RAS"), "FLAIR": flair}


def as_stored(scan: Volume, codes: str) -> Volume:
    """The same voxels with axes along `codes`; ``oblique``: the head and the stack turned together by 17 degrees."""
    if codes == "oblique":
        turn = Rotation.from_euler("z", 17, degrees=True).as_matrix()
        return Volume(scan.data, rotation_about(turn, np.zeros(3), np.zeros(3)) @ scan.affine)
    change = nib.orientations.ornt_transform(nib.io_orientation(scan.affine), nib.orientations.axcodes2ornt(codes))
    image = nib.Nifti1Image(scan.data, scan.affine).as_reoriented(change)
    return Volume(np.ascontiguousarray(image.dataobj), image.affine)


def left_half(shape: tuple[int, ...], codes: str) -> np.ndarray:
    """Voxels on the patient's left, from what the axis letters mean alone; shape `shape`, bool."""
    codes = "RAS" if codes == "oblique" else codes
    axis = next(axis for axis, letter in enumerate(codes) if letter in "LR")
    half = np.arange(shape[axis]) > shape[axis] / 2
    if codes[axis] == "R":
        half = half[::-1]
    return np.broadcast_to(half.reshape([-1 if one == axis else 1 for one in range(3)]), shape)


@pytest.fixture
def prepared(tmp_path):
    """Function that prepares the scans in every storage."""
    for codes in ORIENTATIONS:
        for name, scan in scans_with_a_ball().items():
            stored = as_stored(scan, codes)
            assert codes == "oblique" or stored.orientation == codes
            if name == "FLAIR":  # the ball is on the left by array positions alone, as the tests assume
                assert left_half(stored.shape, codes)[stored.data == stored.data.max()].mean() > 0.95
            write_volume(stored, tmp_path / "in" / codes / f"{name}.nii.gz")
    return lambda *options: prepare(["-i", str(tmp_path / "in"), "-o", str(tmp_path / "out"), *options])


@pytest.mark.slow
def test_left_stays_left_through_the_template(tmp_path, prepared):
    assert prepared("-np", "2") == 0
    for codes in ORIENTATIONS:
        image = read_volume(tmp_path / "out" / f"{codes}_0001.nii.gz", case=codes)
        smooth = ndimage.gaussian_filter(image.data, 4.0)
        peak = image.grid.to_mm(np.array(np.unravel_index(smooth.argmax(), smooth.shape), float))
        assert peak[0] < -10 and np.linalg.norm(peak - BALL_MM) < 10, codes
        mask = np.linalg.norm(image.grid.points() - peak, axis=-1) < 7
        write_volume(Volume(mask.astype(np.uint8), image.affine), tmp_path / "pred" / f"{codes}.nii.gz")
    assert restore(["-i", str(tmp_path / "pred"), "-p", str(tmp_path / "out"), "-o", str(tmp_path / "native")]) == 0
    for codes in ORIENTATIONS:
        for name in ("T1w", "FLAIR"):
            native = read_volume(tmp_path / "native" / f"{codes}_{name}_fcd.nii.gz", case=codes)
            scan = read_volume(tmp_path / "in" / codes / f"{name}.nii.gz", case=codes)
            assert native.shape == scan.shape and np.allclose(native.affine, scan.affine, atol=1e-3)
            assert native.data.any() and left_half(native.shape, codes)[native.data > 0].all(), (codes, name)
            if name == "FLAIR":  # and it is in the ball
                assert (scan.data[native.data > 0] == scan.data.max()).mean() > 0.8, codes


@pytest.mark.usefixtures("no_contrast_check")
def test_left_stays_left_without_registration(tmp_path, prepared):
    """The same on the scans' own grids, where only the storage differs."""
    assert prepared("--space", "none", "-np", "1") == 0
    for codes in ORIENTATIONS:
        image = read_volume(tmp_path / "out" / f"{codes}_0001.nii.gz", case=codes)
        smooth = ndimage.gaussian_filter(image.data, 2.0)
        assert left_half(image.shape, codes)[np.unravel_index(smooth.argmax(), smooth.shape)], codes
