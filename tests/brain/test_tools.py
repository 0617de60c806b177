"""BET, HD-BET and SynthStrip: command lines and what is made of their masks, with stand-ins for the programs."""

from __future__ import annotations

import numpy as np
import pytest
from fake_program import fake_program
from registration_phantoms import best_affine, phantom, scan

from nnunet_tv.brain.methods import check_method, dice, find_brain
from nnunet_tv.brain.tools import TOOLS, tool_mask
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.registration.template import load_template
from nnunet_tv.utils.errors import NnunetTVError

#: Options that each program's own manual gives.
WANTED = {"fsl": "head.nii.gz brain -R -m -n", "synthstrip": "-i head.nii.gz -m mask.nii.gz",
          "hd-bet": "-i head.nii.gz -o brain.nii.gz -device cpu --disable_tta --save_bet_mask"}
PROGRAM = """import sys
import nibabel as nib
assert " ".join(sys.argv[1:]) == {wanted!r}, sys.argv
head = nib.load("head.nii.gz")
nib.save(nib.Nifti1Image((head.get_fdata() > 0.5).astype("uint8"), head.affine{more}), {mask!r})
"""


@pytest.fixture
def t1():
    data = np.random.default_rng(5).random((7, 8, 9)).astype(np.float32)
    return Volume(data, np.array([[1.0, 0, 0, -3], [0, 0.96, 0.28, 4], [0, -0.28, 0.96, 5], [0, 0, 0, 1]]))


def install(tmp_path, monkeypatch, tool, body):
    monkeypatch.delenv(tool.home, raising=False) if tool.home else None
    path = fake_program(tmp_path, tool.program, body)
    monkeypatch.setenv("PATH", f"{path.parent}:/usr/bin:/bin")


@pytest.mark.parametrize("tool, mask", [(tool, mask) for tool in TOOLS.values() for mask in tool.masks],
                         ids=lambda value: getattr(value, "name", value))
def test_the_mask_of_a_program(tmp_path, monkeypatch, t1, tool, mask):
    install(tmp_path, monkeypatch, tool, PROGRAM.format(wanted=WANTED[tool.name], mask=mask, more=""))
    assert check_method(tool.name) == tool.name
    found = tool_mask(tool, t1)
    assert found.data.dtype == np.uint8
    np.testing.assert_array_equal(found.data, t1.data > 0.5)


def test_home_comes_before_the_path(tmp_path, monkeypatch):
    tool = TOOLS["fsl"]
    install(tmp_path / "old", monkeypatch, tool, "")
    path = fake_program(tmp_path / "new", "bet", "")
    monkeypatch.setenv("FSLDIR", str(tmp_path / "new"))
    assert tool.find() == str(path)


@pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS)
def test_a_program_that_is_missing_fails_or_turns_the_image(tmp_path, monkeypatch, t1, tool):
    install(tmp_path, monkeypatch, tool, "import sys; sys.exit('no\\n GPU')")
    with pytest.raises(NnunetTVError, match=rf"{tool.program} failed .no GPU.: expected it to write .*{tool.masks[0]}"):
        tool_mask(tool, t1)
    body = PROGRAM.format(wanted=WANTED[tool.name], mask=tool.masks[0], more="[[1, 0, 2, 3]]")
    install(tmp_path, monkeypatch, tool, body)
    with pytest.raises(NnunetTVError, match="is not on the grid of the T1w"):
        tool_mask(tool, t1)
    install(tmp_path, monkeypatch, tool, f"open({tool.masks[0]!r}, 'w').write('no image')")
    with pytest.raises(NnunetTVError, match=rf"{tool.program}: its mask cannot be used: not a readable NIfTI"):
        tool_mask(tool, t1)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NnunetTVError, match=f"--brain {tool.name}: the program {tool.program} was not found: "):
        check_method(tool.name)


def test_a_programs_mask_is_compared_with_the_templates(tmp_path, monkeypatch):
    """A stand-in that takes half of the head: the mask is its own, and the case is flagged."""
    one = phantom(1)
    body = ("import nibabel as nib\nhead = nib.load('head.nii.gz')\nd = head.get_fdata() > 0\n"
            "d[: d.shape[0] // 2] = False\nnib.save(nib.Nifti1Image(d.astype('uint8'), head.affine), 'mask.nii.gz')\n")
    install(tmp_path, monkeypatch, TOOLS["synthstrip"], body)
    brain = find_brain(scan(one.t1), best_affine(one), method="synthstrip")
    assert brain.method == "synthstrip" and brain.metrics["agreement_dice"] < 0.8
    assert any("mask of synthstrip and the template's agree with a Dice of" in flag for flag in brain.flags)
    assert dice(brain.mask.data, load_template().brain.data) < 0.85
