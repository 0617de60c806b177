"""The optional backends with a stand-in for the program: command lines and matrix conventions; and the registry."""

import sys
import types

import numpy as np
import pytest
from fake_program import fake_program
from registration_phantoms import best_affine, brain_points, errors_mm, phantom, scan
from registration_phantoms import flair_to_t1 as true_flair_to_t1
from scipy.spatial.transform import Rotation

from nnunet_tv.imaging.affine import rotation_about
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.registration.fsl_backend import FSLBackend, flirt_from_world, world_from_flirt
from nnunet_tv.registration.greedy_backend import GreedyBackend
from nnunet_tv.registration.pipeline import flair_to_t1
from nnunet_tv.registration.registry import get_backend
from nnunet_tv.utils.errors import NnunetTVError

POSE = rotation_about(Rotation.from_euler("xyz", (5, -8, 12), degrees=True).as_matrix(), (1, 2, 3), (4, -5, 6))


def volume(origin=(-5.0, 7.0, 2.0), flip=1) -> Volume:
    affine = rotation_about(np.diag([flip * 1.0, 2.0, 1.5]), np.zeros(3), np.array(origin))
    return Volume(np.random.default_rng(0).random((9, 10, 11)).astype(np.float32), affine)


def align(backend, degrees_of_freedom=6):
    mask = Volume(np.ones((9, 10, 11), np.uint8), volume().affine)
    return backend.align(volume(), volume((3, 2, 1), flip=-1), degrees_of_freedom=degrees_of_freedom, fixed_mask=mask,
                         starts=[POSE, np.eye(4)])


COPY = """import json, shutil, sys
from pathlib import Path
if sys.argv[1:] == ["-version"]:
    print("FLIRT version 6.0"); raise SystemExit
options = dict(zip(sys.argv[1:-1:2], sys.argv[2::2]))
assert sys.argv[-1] == "-nosearch" and all(Path(options[name]).is_file() for name in ("-in", "-ref", "-refweight"))
shutil.copy(options["-init"], options["-omat"])
Path(__file__).with_name("seen.json").write_text(json.dumps([options["-dof"], options["-cost"]]))
"""


@pytest.mark.parametrize("degrees_of_freedom, cost", [(6, "mutualinfo"), (12, "corratio")])
def test_flirt_starts_at_the_best_pose_and_its_matrix_is_read(tmp_path, monkeypatch, degrees_of_freedom, cost):
    path = fake_program(tmp_path, "flirt", COPY)
    monkeypatch.setenv("FSLDIR", str(tmp_path))
    backend = FSLBackend()
    assert backend.flirt == str(path) and backend.version() == "FLIRT version 6.0"
    assert np.allclose(align(backend, degrees_of_freedom), POSE, atol=1e-6)
    assert (path.parent / "seen.json").read_text() == f'["{degrees_of_freedom}", "{cost}"]'


def test_a_flirt_on_the_path_that_fails_and_none(tmp_path, monkeypatch):
    path = fake_program(tmp_path, "flirt", "import sys; sys.exit('no such\\n cost')")
    monkeypatch.delenv("FSLDIR", raising=False)
    monkeypatch.setenv("PATH", str(path.parent))
    with pytest.raises(NnunetTVError, match=r"flirt failed .no such cost.: check the installation of FSL"):
        align(FSLBackend())
    path.unlink()
    with pytest.raises(NnunetTVError, match=r"neither in .FSLDIR/bin nor on PATH: install FSL and set FSLDIR"):
        get_backend("fsl")


def test_flirts_millimetres():
    """FSL's own rule: scaled voxels, with x reversed where the determinant is positive (radiological storage)."""
    right, left = volume().grid, volume(flip=-1).grid
    assert np.allclose(flirt_from_world(np.eye(4), right, right), np.eye(4))
    # voxel (0, 0, 0) of the right-handed grid is x = 8 voxels of 1 mm in FLIRT; of the left-handed one x = 0
    point = flirt_from_world(np.eye(4), right, left) @ (8, 0, 0, 1)
    assert np.allclose(point[:3], left.to_indices(right.to_mm(np.zeros(3))) * left.spacing_mm)
    assert np.allclose(world_from_flirt(flirt_from_world(POSE, right, left), right, left), POSE)


def test_greedy_gets_the_start_and_lps_images(monkeypatch):
    seen = {}

    class Greedy3D(dict):
        def execute(self, command, **objects):
            words = command.split()
            seen.update(objects, dof=words[words.index("-dof") + 1])
            self["result"] = np.loadtxt(words[words.index("-ia") + 1])

    monkeypatch.setitem(sys.modules, "picsl_greedy", types.SimpleNamespace(Greedy3D=Greedy3D))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    assert np.allclose(align(GreedyBackend(), 12), POSE, atol=1e-9) and seen["dof"] == "12"
    # the first voxel of 1 mm is at the grid's corner: x -5.5 + 0.5, y 6 + 0.5 RAS, so 5, -6.5 in LPS
    assert np.allclose(seen["fixed"].GetOrigin(), (5, -6.5, 1.75)) and set(seen) == {
        "fixed", "moving", "mask", "result", "dof"}
    assert GreedyBackend().version()


def test_unknown_and_missing_backends(monkeypatch):
    with pytest.raises(ValueError, match="not 'ants'"):
        get_backend("ants")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(NnunetTVError, match="picsl_greedy is not installed: pip install picsl_greedy"):
        get_backend("greedy")


@pytest.mark.slow
def test_greedy_itself():
    """Where it is installed: a phantom's FLAIR to its T1w."""
    pytest.importorskip("picsl_greedy")
    one = phantom(1)
    found = flair_to_t1(scan(one.flair), scan(one.t1), t1_to_mni=best_affine(one), backend=GreedyBackend())
    mean, _ = errors_mm(found.affine, true_flair_to_t1(one), brain_points(one.flair_pose))
    assert mean < 0.6 and found.parameters["backend"] == "greedy"
