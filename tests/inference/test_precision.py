"""bfloat16 on the CPU: where it is tried, the patch that is checked, and the way back to float32."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from native_cases import patient
from predict_model import write_model

from nnunet_tv.inference import precision
from nnunet_tv.inference.precision import differing_voxels, has_bfloat16, surest_patch, wants_bfloat16
from nnunet_tv.inference.predictor import Predictor, find_model


@pytest.mark.parametrize("line, found", [
    ("flags\t\t: fpu avx512f avx512_bf16 amx_tile", True), ("flags\t\t: fpu avx512f avx2", False),
    ("Features\t: fp asimd bf16", True), ("model name : bf16", False)])
def test_the_processor_says_so(tmp_path, line, found):
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{line}\n")
    has_bfloat16.cache_clear()
    assert has_bfloat16(tmp_path / "cpuinfo") is found
    assert has_bfloat16(tmp_path / "nothing") is False
    has_bfloat16.cache_clear()


def test_when_it_is_tried(monkeypatch):
    monkeypatch.setattr(precision, "has_bfloat16", lambda: True)
    assert [wants_bfloat16(name, "cpu") for name in precision.PRECISIONS] == [True, False, True]
    assert not any(wants_bfloat16(name, "cuda") for name in precision.PRECISIONS)
    monkeypatch.setattr(precision, "has_bfloat16", lambda: False)
    assert [wants_bfloat16(name, "cpu") for name in precision.PRECISIONS] == [False, False, True]
    with pytest.raises(ValueError, match="precision is one of auto, float32, bfloat16, not 'half'"):
        wants_bfloat16("half", "cpu")


@pytest.mark.parametrize("where", [(0, 0, 0), (19, 3, 8), (10, 5, 4)])
def test_the_patch_holds_the_surest_voxel(where):
    data = torch.arange(2 * 20 * 6 * 9, dtype=torch.float32).reshape(2, 20, 6, 9)
    logits = torch.zeros(2, 20, 6, 9)
    logits[1][where] = 3
    patch = surest_patch(data, logits, (8, 8, 8))
    assert patch.shape == (1, 2, 8, 8, 8)
    assert (patch == data[(0, *where)]).any() and (patch[0, 0, :, 6:] == 0).all(), "zeros where the image ends"


def test_voxels_that_differ_are_counted():
    def network(batch):
        """Lesion logits 1, 1.002, 1.004 …: bfloat16 has nothing between 1 and 1.0078, so the third is rounded up."""
        lesion = torch.matmul(torch.ones(1, 1), 1 + torch.arange(4.0)[None] * 2e-3).float()
        return torch.stack([torch.full((1, 4), 1.005), lesion], 1)

    assert differing_voxels(network, torch.zeros(1, 1, 4)) == 1
    assert differing_voxels(lambda batch: torch.stack([batch, batch + 1], 1), torch.zeros(1, 16)) == 0


def paths(tmp_path):
    patient("a").write(tmp_path / "prepared")
    return [tmp_path / "prepared" / f"a_{number:04d}.nii.gz" for number in range(2)]


def test_a_case_in_bfloat16_and_back(tmp_path, monkeypatch, caplog):
    model, images = find_model(write_model(tmp_path / "model")), paths(tmp_path)
    exact = Predictor(model, device="cpu", mirroring=False, progress=False, precision="float32").predict(images)
    rough = Predictor(model, device="cpu", mirroring=False, progress=False, precision="bfloat16")
    found = rough.predict(images)
    assert not np.array_equal(found.probability, exact.probability), "it was bfloat16"
    assert np.abs(found.probability - exact.probability).max() < 0.05
    assert (found.segmentation != exact.segmentation).mean() < 1e-3
    monkeypatch.setattr(precision, "differing_voxels", lambda network, patch: 11)
    with caplog.at_level(logging.INFO):
        again = rough.predict(images)
    assert "segments 11 voxels of a patch otherwise than float32: done again in float32" in caplog.text
    np.testing.assert_array_equal(again.probability, exact.probability)
