"""BET, HD-BET and SynthStrip: command lines and use of their masks, with stand-ins for the programs."""

import numpy as np
import pytest
from fake_program import fake_program
from registration_phantoms import best_affine, phantom, scan

from nnunet_tv.brain.brain_mask import check_method, find_brain
from nnunet_tv.brain.registry import get_method
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.utils.errors import NnunetTVError

#: Options from each program's own manual, and the names of its mask.
PROGRAMS = {
    "fsl": ("head.nii.gz brain -R -m -n", ["brain_mask.nii.gz"]),
    "hd-bet": ("-i head.nii.gz -o brain.nii.gz -device cpu --disable_tta --save_bet_mask",
               ["brain_bet.nii.gz", "brain_mask.nii.gz"]),
    "synthstrip": ("-i head.nii.gz -m mask.nii.gz", ["mask.nii.gz"]),
}
BODY = """import sys
import nibabel as nib
assert " ".join(sys.argv[1:]) == {arguments!r}, sys.argv
head = nib.load("head.nii.gz")
nib.save(nib.Nifti1Image((head.get_fdata() > 0.5).astype("uint8"), head.affine{more}), {mask!r})
"""
T1 = Volume(np.random.default_rng(5).random((7, 8, 9)).astype(np.float32),
            np.array([[1.0, 0, 0, -3], [0, 0.96, 0.28, 4], [0, -0.28, 0.96, 5], [0, 0, 0, 1]]))


def install(tmp_path, monkeypatch, method, body):
    monkeypatch.delenv(method.home or "FSLDIR", raising=False)
    monkeypatch.setenv("PATH", f"{fake_program(tmp_path, method.program, body).parent}:/usr/bin:/bin")


@pytest.mark.parametrize("key, mask", [(key, mask) for key, (_, masks) in PROGRAMS.items() for mask in masks])
def test_the_mask_of_a_program(tmp_path, monkeypatch, key, mask):
    method = get_method(key)
    install(tmp_path, monkeypatch, method, BODY.format(arguments=PROGRAMS[key][0], mask=mask, more=""))
    check_method(key)
    found = method.find(T1)
    assert found.data.dtype == np.uint8
    np.testing.assert_array_equal(found.data, T1.data > 0.5)


def test_home_comes_before_the_path(tmp_path, monkeypatch):
    install(tmp_path / "old", monkeypatch, get_method("fsl"), "")
    path = fake_program(tmp_path / "new", "bet", "")
    monkeypatch.setenv("FSLDIR", str(tmp_path / "new"))
    assert get_method("fsl").path() == str(path)


@pytest.mark.parametrize("key", PROGRAMS)
def test_a_program_that_is_missing_fails_or_turns_the_image(tmp_path, monkeypatch, key):
    method, (arguments, masks) = get_method(key), PROGRAMS[key]
    for body, message in (
            ("import sys; sys.exit('no\\n GPU')", f"failed .no GPU.: expected it to write .*{masks[0]}"),
            (BODY.format(arguments=arguments, mask=masks[0], more="[[1, 0, 2, 3]]"), ".*is not on the grid of the T1w"),
            (f"open({masks[0]!r}, 'w').write('no image')", "its mask cannot be used: not a readable NIfTI")):
        install(tmp_path, monkeypatch, method, body)
        with pytest.raises(NnunetTVError, match=f"^{method.program}:? {message}"):
            method.find(T1)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NnunetTVError, match=f"--brain {key}: the program {method.program} was not found: "):
        check_method(key)


def test_a_programs_mask_is_compared_with_the_templates(tmp_path, monkeypatch):
    """A stand-in that takes half of the head: its mask is used, and the case is flagged."""
    body = ("import nibabel as nib\nhead = nib.load('head.nii.gz')\nd = head.get_fdata() > 0\n"
            "d[: d.shape[0] // 2] = False\nnib.save(nib.Nifti1Image(d.astype('uint8'), head.affine), 'mask.nii.gz')\n")
    install(tmp_path, monkeypatch, get_method("synthstrip"), body)
    brain = find_brain(scan(phantom(1).t1), best_affine(phantom(1)), method="synthstrip")
    assert brain.method == "synthstrip" and brain.metrics["agreement_dice"] < 0.8
    assert any("masks of synthstrip and of the template agree with a Dice of" in flag for flag in brain.flags)
    right = np.argwhere(brain.mask.data)[:, 0] > 91
    assert 0.9 < max(right.mean(), 1 - right.mean()), "half of the head"
